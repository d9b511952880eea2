"""The Gymnasium environment over the embedded cluster."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sim_arena import engine, rewards
from sim_arena.actions import Action, apply_to_program, apply_to_trace
from sim_arena.envs import choices, drawing, encoding, problems, text
from sim_arena.envs.problems import Problem
from sim_arena.errors import ActionError, SimArenaError
from sim_arena.guardrails import Guardrails
from sim_arena.observation import Observation, is_success
from sim_arena.records import complete
from traces import load_trace

if TYPE_CHECKING:
    from traces import Trace, WorkloadRef

__all__ = ["SimArenaEnv"]

Vector = npt.NDArray[np.float32]


class SimArenaEnv(gymnasium.Env[Vector, np.int64]):
    """A broken workload of a Kubernetes cluster is repaired by editing its resources.

    ## Description
    A trace holds the objects that were applied to a cluster over time. One of its workloads does
    not get healthy: it requests more than any node has, asks for too many replicas, is killed
    for memory, is throttled. Each step edits that workload in the trace, replays the whole trace
    on the embedded cluster in virtual time, and observes the workload at the window's end. It is
    the loop of `sim_arena.episode`: `reset` gives the loop's first observation, and M steps of the
    environment equal M + 1 steps of the loop.

    ## Action Space
    `Discrete(n)`: the actions of `sim_arena.actions.REGISTRY` in their order, those on a container
    once for each container slot, with their default steps. `env.unwrapped.choices[i]` tells what
    action `i` is; with the default 4 slots, 0 is `noop` and 1 is `bump_cpu_small` of the first
    container. `info["action_mask"]` (int8, shape `(n,)`) is 1 for the actions that would change
    something, and for `noop`; it fits `env.action_space.sample(info["action_mask"])`. An action
    that is masked out is no error: it changes nothing, and the window is replayed.

    ## Observation Space
    `Box(0, 1, (m,), float32)`, derived from the registry of observation fields
    (`sim_arena.observation.FIELDS`). `env.unwrapped.layout[i]` gives the name, unit and meaning of
    entry `i`.

    - A number `x` is `log2(1 + x) / log2(1 + largest)`, with the largest number of its unit
      (`layout[i].largest`): 2^20 pods, nodes, restarts or kills, 2^40 mCPU, 2^60 bytes, 2^30
      seconds. Shares are used as they are.
    - Before each number that a cluster may not know stands a flag: 1 if it is known. An unknown
      number is 0 with its flag at 0.
    - `reasons` has one number for each cause that the scheduler names, and one for all others.
    - Each container slot has a flag, 1 if the workload has that container, then its numbers.
    - Texts (event reasons, names) are left out; `info["observation"]` has them.

    ## Rewards
    One of `sim_arena.rewards.REGISTRY`, for the observation that the step returns: `binary` (the
    default: 1 on success, else 0), `progress`, `waste`, `shaped`.

    ## Starting State
    One of the environment's problems, drawn from the seed, or the one in
    `options={"trace": ...}`: the file name of one of its traces, or a `Problem`. The seed also
    draws the simulation's seed (`info["seed"]`), which stays the same for the episode.

    ## Episode End
    - Termination: success, `ready == target and pending == 0`.
    - Truncation: the problem's step limit. It counts the loop's steps, of which `reset` is the
      first: a limit of 10 allows 9 actions.

    A workload that is healthy at reset (`info["is_success"]`) is where the loop would stop; the
    environment cannot end an episode there and goes on.

    ## Information
    `reset` and `step` return

    - `action_mask`: see above
    - `observation`: the observation as policies get it, without the fields that are unknown
    - `is_success`: whether the workload is healthy
    - `step`: the loop's step, 0 at reset
    - `trace`, `deploy`, `target`, `seed`: the problem, and the simulation's seed

    and `step` also

    - `action`: the action as the loop knows it, its step as text
    - `changed`: whether it changed anything

    `env.unwrapped.trace()` returns the trace as it was edited so far.

    ## Arguments
    ```python
    import gymnasium
    gymnasium.make("sim_arena.envs:SimArena-v0", traces="my/traces", reward="shaped")
    ```

    Args:
        traces: a folder of traces with its manifest, a `Problem`, or several; by default the demo
            traces
        reward: a name of `sim_arena.rewards.REGISTRY`
        max_steps: the loop's step limit, at least 2; by default each problem's own
        containers: the number of container slots; a workload with more is an error
        guardrails: bounds that no action crosses
        steps: step sizes by action, such as `{"bump_cpu_small": "250m"}`
        render_mode: None or `ansi`, a text for people

    Raises:
        SimArenaError: an argument is wrong
        TraceError: the manifest, or at reset a trace, cannot be read

    ## Vector Form
    `gymnasium.make_vec("sim_arena.envs:SimArena-v0", num_envs=4096)` makes
    `sim_arena.envs.vector.SimArenaVectorEnv`: environment `i`, reset with seed `s`, plays what this
    one plays with seed `s + i`.

    ## Version History
    - v0: the first
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(  # noqa: PLR0913 - they are keywords of gymnasium.make
        self,
        traces: str | Path | Problem | Iterable[Problem] | None = None,
        *,
        reward: str = "binary",
        max_steps: int | None = None,
        containers: int = 4,
        guardrails: Guardrails | None = None,
        steps: Mapping[str, str | int] | None = None,
        render_mode: str | None = None,
    ) -> None:
        if max_steps is not None and max_steps < 2:
            raise SimArenaError(
                f"expected max_steps of at least 2, the one at reset included, found {max_steps}"
            )
        if containers < 1:
            raise SimArenaError(f"expected at least 1 container slot, found {containers}")
        if render_mode not in {None, *self.metadata["render_modes"]}:
            raise SimArenaError(f"expected render_mode to be None or 'ansi', found {render_mode!r}")
        self.problems = problems.problems(traces)
        self.containers = containers
        self.choices = choices.choices(containers)
        self.layout = encoding.layout(containers)
        self.guardrails = guardrails or Guardrails()
        self.steps = dict(steps or {})
        self.max_steps = max_steps
        self.render_mode = render_mode
        self.action_space = spaces.Discrete(len(self.choices))
        self.observation_space = spaces.Box(0.0, 1.0, (len(self.layout),), np.float32)
        self._mask = choices.Mask(self.choices, self.guardrails, self.steps)
        self._reward = rewards.get(reward)
        self._actions: list[Action] = []
        self._running = False
        self._base: int | None = None  # what the episodes are drawn from
        self._episode = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Vector, dict[str, Any]]:
        """Begin an episode; see the class for what it returns and raises."""
        super().reset(seed=seed)
        if seed is not None or self._base is None:
            self._base, self._episode = drawing.base(self.np_random), 0
        which, self._seed = drawing.drawn(self._base, self._episode, len(self.problems))
        self._episode += 1
        drawn = self.problems[which]
        wanted = (options or {}).get("trace")
        self.problem = drawn if wanted is None else problems.find(self.problems, wanted)
        self._program, self._ref = problems.compiled(self.problem)
        self._actions = []
        self._running = True
        self._obs = _replay(self._program, self._ref, self._seed)
        return encoding.encode(self._obs, self.containers), self._info()

    def step(self, action: np.int64 | int) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Edit the workload, replay the window and observe; see the class."""
        edit = self._chosen(action)
        before = self._program
        self._program = apply_to_program(before, edit, ref=self._ref, guardrails=self.guardrails)
        self._actions.append(edit)
        self._obs = _replay(self._program, self._ref, self._seed)
        reward = self._reward(self._obs, self.problem.target, self.problem.duration)
        terminated = is_success(self._obs, self.problem.target)
        limit = self.max_steps or self.problem.max_steps
        truncated = not terminated and len(self._actions) + 1 >= limit
        self._running = not (terminated or truncated)
        info = {**self._info(), "action": _plain(edit), "changed": _differ(before, self._program)}
        return encoding.encode(self._obs, self.containers), reward, terminated, truncated, info

    def render(self) -> str | None:
        """Return the state as text for people with render_mode `ansi`, else None."""
        if self.render_mode is None:
            return None
        last = self._actions[-1] if self._actions else None
        return text.render(self.problem, self._obs, len(self._actions), last)

    def trace(self) -> "Trace":
        """Return the trace as it was edited so far, to be saved with `traces.save_trace`."""
        trace = load_trace(self.problem.trace)
        for action in self._actions:
            apply_to_trace(trace, action, namespace=self._ref.namespace, guardrails=self.guardrails)
        return trace

    def _chosen(self, action: np.int64 | int) -> Action:
        if not self._running:
            raise gymnasium.error.ResetNeeded(
                "expected a running episode, found none or one that has ended: call reset() first"
            )
        if not self.action_space.contains(action):
            raise ActionError(
                f"expected an action from 0 to {len(self.choices) - 1}, found {action!r}"
            )
        return self.choices[int(action)].action(self.problem.deploy, self._obs, self.steps)

    def _info(self) -> dict[str, Any]:
        return {
            "action_mask": self._mask.of(self._obs),
            "observation": {k: v for k, v in self._obs.items() if v is not None},
            "is_success": is_success(self._obs, self.problem.target),
            "step": len(self._actions),
            "trace": self.problem.name,
            "deploy": self.problem.deploy,
            "target": self.problem.target,
            "seed": self._seed,
        }


def _replay(program: "engine.Program", ref: "WorkloadRef", seed: int) -> Observation:
    """Replay the whole window and observe the workload at its end."""
    simulation = engine.Simulation(program, seed=seed)
    simulation.advance()
    return complete(simulation.observe(ref))


def _plain(action: Action) -> dict[str, str]:
    """Return an action with texts only: vector environments gather one type for each key."""
    return {key: str(value) for key, value in action.items()}


def _differ(before: "engine.Program", after: "engine.Program") -> bool:
    return before is not after and not all(
        np.array_equal(old, new)
        for old, new in (
            (before.arrays.containers, after.arrays.containers),
            (before.arrays.applications, after.arrays.applications),
        )
    )
