"""Asks the engine's plugins about cases."""

from typing import Any

import numpy as np

from sim_arena.engine import explain, loop, opinions
from sim_arena.engine.explain import Explanation
from sim_arena.engine.jit import interpreted
from sim_arena.engine.lifecycle import count_on_node
from sim_arena.engine.program import BUDGET, NS, Arrays
from sim_arena.engine.state import PENDING, RUNNING, State, allocate
from tests.oracle.mirror import mirrored
from tests.oracle.programs import Scene
from traces.arithmetic import UNSET

__all__ = ["ask"]

_LEFT_OVER = -1_234_567  # in the lanes: a cycle finds there what the one before has left
_reset = interpreted(loop.reset_run)
_count_on_node = interpreted(count_on_node)


def ask(scene: Scene) -> Explanation:
    """Return what the engine's plugins say of a scene's incoming pod."""
    program = Arrays(*(mirrored(array) for array in scene.program.arrays))
    count = len(scene.placed)
    batch = allocate(Arrays(*(array[None] for array in scene.program.arrays)), count + 1)
    batch.lanes[:] = _LEFT_OVER
    state = State(*(mirrored(array[0]) for array in batch))
    _reset(program, state, 0, 1)
    _fill(state, scene)
    for p in range(count):
        _count_on_node(program, state, p, 1)
    reasons = batch.rejections.shape[2] // 2
    room = opinions.allocate_opinions(len(scene.program.nodes), reasons, count + 1)
    found = opinions.Opinions(*(mirrored(array) for array in room))
    with np.errstate(all="ignore"):
        opinions.ask(program, state, count, found)
    return explain.read(scene.program, found, scene.incoming, scene.pressed)


def _fill(state: Any, scene: Scene) -> None:
    """Write the pods already there, the new one, and what stands around them."""
    started = [*scene.started, -1]
    for p, (template, node) in enumerate([*scene.placed, (scene.incoming, UNSET)]):
        pod = state.pods[p]
        pod.template = pod.set = template
        pod.node = node
        pod.nominated = UNSET
        pod.phase = RUNNING if started[p] >= 0 else PENDING
        pod.started = max(0, started[p]) * NS
    for n in scene.pressed:
        state.nodes[n].pressed_until = 1
    budgets = [r for r, rule in enumerate(scene.program.arrays.rules) if rule["kind"] == BUDGET]
    for row, allowed in zip(budgets, scene.allowed, strict=True):
        rule = state.rules[int(scene.program.arrays.rules["object"][row])]
        rule.row, rule.allowed = row, allowed
    state.clock[0].pods = len(scene.placed) + 1
    state.clock[0].now = (len(scene.placed) + 1) * NS
