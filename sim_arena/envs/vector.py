"""The vector form of the Gymnasium environment: thousands of environments, stepped at once."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise
from os import cpu_count
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from sim_arena.engine import Simulation
from sim_arena.engine.program import Arrays, Program
from sim_arena.engine.state import State, allocate
from sim_arena.envs import drawing, problems, text
from sim_arena.envs.arena import SimArenaEnv, Vector
from sim_arena.envs.kernels.plain import REWARDS
from sim_arena.envs.kernels.records import EPISODE, HELD, SLOT, Output, Own
from sim_arena.envs.kernels.stepping import step
from sim_arena.envs.kernels.tables import Compiled, tables
from sim_arena.envs.problems import Problem
from sim_arena.errors import ActionError, PermanentError, SimArenaError
from sim_arena.guardrails import Guardrails
from sim_arena.observation import Observation
from sim_arena.records import complete
from traces.arithmetic import UNSET

__all__ = ["SimArenaVectorEnv"]

_ROOM = 64  # pods of each environment to begin with; doubled when that is not enough
_MOST_ROOM = 1 << 21  # pods of one environment
_AT_ONCE = 32  # environments whose states stay in a core's cache together
_FEWEST = 16  # environments that are worth a thread of their own


class SimArenaVectorEnv(VectorEnv[Vector, npt.NDArray[np.int64], npt.NDArray[Any]]):
    """Many of `SimArenaEnv` at once: the same episodes, bit for bit, in compiled code.

    `gymnasium.make_vec("sim_arena.envs:SimArena-v0", num_envs=4096)` makes it. Spaces,
    observations, rewards and episode ends are those of `SimArenaEnv`, batched: environment `i` of
    a vector environment that was reset with seed `s` plays what a single environment plays that
    was reset with `s + i`. A step makes the same few calls from Python whatever `num_envs` is;
    threads that need no interpreter lock do the rest.

    ## Episode End
    `metadata["autoreset_mode"]` is `NEXT_STEP`: the step after an episode's end begins the next
    one. That step's action is not looked at, its reward is 0, and it returns the first
    observation of the new episode.

    ## Information
    An array for each key, with one value for each environment:

    - `action_mask`: int8, shape `(num_envs, n)`; see `SimArenaEnv`
    - `is_success`: whether the workload is healthy
    - `step`: the loop's step, 0 where an episode began
    - `problem`: the number of the problem in `env.unwrapped.problems`
    - `target`, `seed`: the pods that should be ready, and the simulation's seed
    - `changed` (of `step` only): whether the action changed anything

    and for each key `_key`: where it says something. Texts are left out;
    `env.unwrapped.observation(i)` returns what policies get, for one environment.

    ## Options
    `reset(options={"trace": ...})` lets all environments play one of the problems, by the name of
    its trace. `options={"reset_mask": ...}`, a Boolean array, resets some environments only.

    Args:
        num_envs: how many environments
        traces: see `SimArenaEnv`; all problems are compiled when the environment is made
        reward: see `SimArenaEnv`
        max_steps: see `SimArenaEnv`
        containers: see `SimArenaEnv`
        guardrails: see `SimArenaEnv`
        steps: see `SimArenaEnv`
        render_mode: None or `ansi`, a text for each environment
        copy: whether each step returns arrays of its own; if not, the next step overwrites those
            that the last one returned
        threads: how many threads to use; by default one for each core

    Raises:
        SimArenaError: an argument is wrong
        TraceError: the manifest or a trace cannot be read
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # Gymnasium's is not declared so
        **SimArenaEnv.metadata,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(  # noqa: PLR0913 - they are keywords of gymnasium.make_vec
        self,
        num_envs: int = 1,
        traces: str | Path | Problem | Iterable[Problem] | None = None,
        *,
        reward: str = "binary",
        max_steps: int | None = None,
        containers: int = 4,
        guardrails: Guardrails | None = None,
        steps: Mapping[str, str | int] | None = None,
        render_mode: str | None = None,
        copy: bool = True,
        threads: int | None = None,
    ) -> None:
        for name, value in (("num_envs", num_envs), ("threads", threads or 1)):
            if value < 1:
                raise SimArenaError(f"expected {name} to be at least 1, found {value}")
        # The single environment checks the arguments and says what the spaces are.
        single = SimArenaEnv(
            traces,
            reward=reward,
            max_steps=max_steps,
            containers=containers,
            guardrails=guardrails,
            steps=steps,
            render_mode=render_mode,
        )
        self.num_envs = num_envs
        self.problems, self.choices, self.layout = single.problems, single.choices, single.layout
        self.render_mode = render_mode
        self.single_observation_space = single.observation_space
        self.single_action_space = single.action_space
        self.observation_space = batch_space(single.observation_space, num_envs)
        self.action_space = batch_space(single.action_space, num_envs)
        self._steps = single.steps
        self._compiled = [_compiled(problem, max_steps) for problem in self.problems]
        self._tables, stacked = tables(
            self._compiled, self.choices, containers, single.guardrails, single.steps
        )
        self._reward = REWARDS.index(reward)
        self._whole = 1 if stacked.header["whole"].any() else None
        self._programs = stacked._replace(
            containers=_for_each(num_envs, stacked.containers),
            applications=_for_each(num_envs, stacked.applications),
        )
        self._own = self._make_own(containers)
        self._copies = copy
        self._output = self._make_output()
        self._everywhere = np.ones(num_envs, np.bool_)
        self._everywhere.flags.writeable = False
        self._last = np.full(num_envs, HELD, np.int64)
        self._started = False
        wanted = threads or cpu_count() or 1
        self._slices = _slices(num_envs, min(wanted, max(1, num_envs // _FEWEST)))
        self._room = _ROOM
        self._states = self._make_states()
        self._pool = ThreadPoolExecutor(max(1, len(self._slices) - 1))

    def reset(
        self,
        *,
        seed: int | np.integer[Any] | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Vector, dict[str, Any]]:
        """Begin an episode in every environment, or in those of `options["reset_mask"]`.

        Args:
            seed: of the first environment, the others' follow; or one for each environment;
                without, the environments go on with what they drew before
            options: see the class

        Returns:
            the observations and the information

        Raises:
            SimArenaError: the seeds, the mask or the trace do not fit the environment
        """
        if isinstance(seed, np.integer):
            seed = int(seed)
        super().reset(seed=seed if isinstance(seed, int) else None)
        mask = self._mask_of(options)
        self._seed(seed, mask)
        episodes = self._own.episodes
        episodes["over"][mask] = 1
        wanted = (options or {}).get("trace")
        episodes["wanted"][mask] = UNSET if wanted is None else self._number(wanted)
        self._started = True
        self._last = np.where(mask, 0, HELD)
        output = self._play(self._last)
        return self._observations(output), self._infos(output)

    def step(
        self, actions: npt.NDArray[np.int64]
    ) -> tuple[Vector, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], dict[str, Any]]:
        """Edit each workload, replay its window and observe; see the class.

        Raises:
            ResetNeeded: `reset` was not called before
            ActionError: the actions are not in the action space
        """
        if not self._started:
            raise gymnasium.error.ResetNeeded("expected a reset before the first step, found none")
        self._last = self._checked(actions)
        output = self._play(self._last)
        infos = self._infos(output)
        infos["changed"], infos["_changed"] = output.changed, ~output.fresh
        return (
            self._observations(output),
            output.rewards,
            output.terminations,
            output.truncations,
            infos,
        )

    def observation(self, i: int) -> Observation:
        """Return what a policy gets to see of environment `i`."""
        simulation = Simulation(self._program(i), int(self._own.seeds[i]))
        simulation.advance()
        ref = self._compiled[int(self._own.episodes["problem"][i])].ref
        return complete(simulation.observe(ref))

    def render(self) -> tuple[str, ...] | None:
        """Return each environment's state as text with render_mode `ansi`, else None."""
        if self.render_mode is None:
            return None
        return tuple(self._text(i) for i in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads."""
        del kwargs  # nothing can be chosen
        self._pool.shutdown()

    def _play(self, actions: npt.NDArray[np.int64]) -> Output:
        """Step all environments, once more with more room if that was not enough."""
        output = self._make_output() if self._copies else self._output
        while self._in_slices(actions, output):
            self._grow()
            actions = np.full(self.num_envs, HELD, np.int64)
        return output

    def _in_slices(self, actions: npt.NDArray[np.int64], output: Output) -> int:
        work = [
            partial(
                step,
                self._tables,
                self._own,
                self._programs,
                states,
                actions,
                output,
                self._reward,
                self._whole,
                *part,
            )
            for states, part in zip(self._states, self._slices, strict=True)
        ]
        others = [self._pool.submit(part) for part in work[1:]]
        return int(work[0]()) + sum(int(future.result()) for future in others)

    def _grow(self) -> None:
        """Make room for twice the pods; every window is then replayed from its beginning."""
        self._room *= 2
        if self._room > _MOST_ROOM:
            raise PermanentError(
                f"expected at most {_MOST_ROOM:,} pods in an environment, found room for "
                f"{self._room:,} needed: lower the replicas in the traces or the guardrails"
            )
        self._states = self._make_states()

    def _make_states(self) -> list[State]:
        """Make the states in which the environments run, a few for each thread."""
        few = self._programs._replace(containers=self._programs.containers[:_AT_ONCE])
        return [allocate(few, self._room) for _ in self._slices]

    def _checked(self, actions: Any) -> npt.NDArray[np.int64]:
        given = np.asarray(actions)
        last = len(self.choices) - 1
        if given.shape != (self.num_envs,) or given.dtype.kind not in "iu":
            raise ActionError(
                f"expected {self.num_envs} whole numbers as actions, found an array of shape "
                f"{given.shape} and type {given.dtype}"
            )
        if given.min() < 0 or given.max() > last:
            wrong = given[(given < 0) | (given > last)][0]
            raise ActionError(f"expected actions from 0 to {last}, found {wrong}")
        return given.astype(np.int64, copy=False)

    def _mask_of(self, options: dict[str, Any] | None) -> npt.NDArray[np.bool_]:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        fits = isinstance(mask, np.ndarray) and mask.dtype == np.bool_
        if not fits or mask.shape != (self.num_envs,) or not mask.any():
            raise SimArenaError(
                f"expected reset_mask to be {self.num_envs} Booleans, at least one of them true, "
                f"found {mask!r}"
            )
        if not self._started and not mask.all():
            raise gymnasium.error.ResetNeeded(
                "expected a whole reset before one of some, found none"
            )
        found: npt.NDArray[np.bool_] = mask
        return found

    def _seed(self, seed: int | Sequence[int | None] | None, mask: npt.NDArray[np.bool_]) -> None:
        """Give the environments of the mask what their episodes are drawn from."""
        seeds: Sequence[int | None]
        if seed is None and not self._started:
            bases = self.np_random.integers(2**63, size=self.num_envs)
            self._own.episodes["origin"] = bases
        if seed is None:
            return
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        if len(seeds) != self.num_envs:
            raise SimArenaError(
                f"expected a seed for each of {self.num_envs} environments, found {len(seeds)}"
            )
        episodes = self._own.episodes
        for i in np.flatnonzero(mask):
            if seeds[i] is not None or not self._started:
                episodes["origin"][i] = drawing.base(seeding.np_random(seeds[i])[0])
                episodes["number"][i] = 0

    def _number(self, wanted: object) -> int:
        """Return the number of the problem that a caller of `reset` asks for."""
        problem = problems.find(self.problems, wanted)
        if problem not in self.problems:
            raise SimArenaError(
                f"expected a problem that the vector environment was made with, found "
                f"{problem.name}: name it in `traces`"
            )
        return self.problems.index(problem)

    def _make_own(self, containers: int) -> Own:
        count = self.num_envs
        episodes = np.zeros(count, EPISODE).view(np.recarray)
        episodes["wanted"] = UNSET
        return Own(
            episodes=episodes,
            slots=np.zeros((count, containers), SLOT).view(np.recarray),
            seeds=np.zeros(count, np.int64),
            until=np.zeros(count, np.int64),
            rows=np.zeros((count, len(self.layout)), np.float32),
            masks=np.ones((count, len(self.choices)), np.int8),
        )

    def _make_output(self) -> Output:
        count = self.num_envs
        copied = count if self._copies else 0
        return Output(
            observations=np.empty((copied, len(self.layout)), np.float32),
            masks=np.empty((copied, len(self.choices)), np.int8),
            rewards=np.empty(count, np.float64),
            terminations=np.empty(count, np.bool_),
            truncations=np.empty(count, np.bool_),
            success=np.empty(count, np.bool_),
            changed=np.empty(count, np.bool_),
            fresh=np.empty(count, np.bool_),
            step=np.empty(count, np.int64),
            problem=np.empty(count, np.int64),
            target=np.empty(count, np.int64),
            seed=np.empty(count, np.int64),
        )

    def _observations(self, output: Output) -> Vector:
        found: Vector = output.observations if self._copies else self._own.rows
        return found

    def _infos(self, output: Output) -> dict[str, Any]:
        infos = {
            "action_mask": output.masks if self._copies else self._own.masks,
            "is_success": output.success,
            "step": output.step,
            "problem": output.problem,
            "target": output.target,
            "seed": output.seed,
        }
        return infos | {f"_{key}": self._everywhere for key in infos}

    def _program(self, i: int) -> Program:
        """Return the program of environment `i` as its actions left it."""
        program = self._compiled[int(self._own.episodes["problem"][i])].program
        containers = self._programs.containers[i][: len(program.arrays.containers)]
        applications = self._programs.applications[i][: len(program.arrays.applications)]
        arrays: Arrays = program.arrays._replace(containers=containers, applications=applications)
        return replace(program, arrays=arrays)

    def _text(self, i: int) -> str:
        episode, observed = self._own.episodes[i], self.observation(i)
        problem = self.problems[episode["problem"]]
        last = None
        if episode["step"] > 0 and self._last[i] != HELD:
            last = self.choices[self._last[i]].action(problem.deploy, observed, self._steps)
        return text.render(problem, observed, int(episode["step"]), last)


def _compiled(problem: Problem, max_steps: int | None) -> Compiled:
    program, ref = problems.compiled(problem)
    return Compiled(problem, program, ref, max_steps or problem.max_steps)


def _for_each(count: int, array: Any) -> Any:
    """Return room for one row of an array for each environment."""
    return np.zeros((count, *array.shape[1:]), array.dtype).view(np.recarray)


def _slices(count: int, threads: int) -> list[tuple[int, int]]:
    bounds = [count * i // threads for i in range(threads + 1)]
    return list(pairwise(bounds))
