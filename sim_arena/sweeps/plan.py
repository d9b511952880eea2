"""The plan of a sweep: which episode has which number, and which are played together."""

import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from math import prod
from typing import Any

from sim_arena.errors import PermanentError
from sim_arena.spec import EpisodeSpec
from sim_arena.sweeps.asked import SeedRange, SweepSpec
from sim_arena.sweeps.cases import Case

__all__ = ["Plan"]

_VERSION = 1
_MOST = 10_000_000  # episodes
_COUNTABLE = 2**62  # combinations, of which a sample may be drawn


@dataclass(frozen=True)
class Plan:
    """Every episode of a sweep, by its number.

    The numbers count through the combinations, the seed fastest, then the policy, the reward,
    the step sizes, the target, the nodes, the trace, and the cluster last: what is played
    together has much in common, and real clusters come in a piece.

    Args:
        asked: what was asked for
        cases: the traces
        sample: the combinations that are played, in ascending order; None for all
    """

    asked: SweepSpec
    cases: tuple[Case, ...]
    sample: tuple[int, ...] | None = None

    @classmethod
    def of(cls, asked: SweepSpec, cases: Iterable[Case]) -> "Plan":
        """Plan a sweep.

        Raises:
            PermanentError: there is nothing to play, or far too much
        """
        plan = cls(asked, tuple(cases))
        whole = prod(plan._sizes)
        if not whole:
            raise PermanentError("expected traces to play, found none: name some, or generate some")
        if whole > _COUNTABLE:
            raise PermanentError(f"expected fewer combinations, found {whole:.1e}")
        if asked.sample is not None and asked.sample < whole:
            drawn = random.Random(asked.sample_seed).sample(range(whole), asked.sample)  # noqa: S311 # no secret
            plan = cls(asked, plan.cases, tuple(sorted(drawn)))
        if len(plan) > _MOST:
            raise PermanentError(
                f"expected at most {_MOST:,} episodes, found {len(plan):,}: take a sample"
            )
        return plan

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Plan":
        """Return the plan that `document` made."""
        if document.get("version") != _VERSION:
            raise PermanentError(
                f"expected a plan of version {_VERSION}, found {document.get('version')!r}: "
                "use the program that made it"
            )
        sample = document["sample"]
        return cls(
            SweepSpec.model_validate(document["asked"]),
            tuple(Case(**case) for case in document["cases"]),
            None if sample is None else tuple(sample),
        )

    def document(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "version": _VERSION,
            "episodes": len(self),
            "chunks": len(self.chunks),
            "asked": self.asked.model_dump(mode="json"),
            "cases": [asdict(case) for case in self.cases],
            "sample": None if self.sample is None else list(self.sample),
        }

    def __len__(self) -> int:
        return prod(self._sizes) if self.sample is None else len(self.sample)

    def episode(self, number: int) -> EpisodeSpec:
        """Return an episode by its number; its trace and nodes have the names that were given."""
        cell, seed = divmod(self._combination(number), self._sizes[-1])
        return self._cell(cell).model_copy(update={"episode": number, "seed": self._seed(seed)})

    def case(self, number: int) -> Case:
        """Return the case of an episode."""
        return self.cases[self._digits(self._combination(number))[1]]

    def cell(self, number: int) -> int:
        """Return the number of the combination that an episode has, its seed aside."""
        return self._combination(number) // self._sizes[-1]

    @cached_property
    def chunks(self) -> list[range]:
        """The episodes that are played together, by the number of the chunk."""
        chunks = []
        for start, end, cluster in self._by_cluster:
            size = self.asked.chunk if cluster == "embedded" else 1
            chunks += [range(at, min(at + size, end)) for at in range(start, end, size)]
        return chunks

    @cached_property
    def by_cluster(self) -> dict[str, int]:
        """How many episodes each cluster plays."""
        counts: dict[str, int] = {}
        for start, end, cluster in self._by_cluster:
            counts[cluster] = counts.get(cluster, 0) + end - start
        return counts

    @property
    def ends(self) -> list[int]:
        """The numbers of episodes after which another cluster plays."""
        return [end for _, end, _ in self._by_cluster]

    @property
    def axes(self) -> dict[str, int]:
        """How many choices there are for each of what is combined."""
        names = ("clusters", "traces", "nodes", "targets", "step sizes", "rewards", "policies")
        return dict(zip((*names, "seeds"), self._sizes, strict=True))

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        asked = self.asked
        seeds = asked.seeds.count if isinstance(asked.seeds, SeedRange) else len(asked.seeds)
        return (
            len(asked.clusters),
            len(self.cases),
            len(asked.nodes) or 1,
            len(asked.targets) or 1,
            len(asked.step_sizes),
            len(asked.rewards),
            len(asked.policies),
            seeds,
        )

    @cached_property
    def _by_cluster(self) -> list[tuple[int, int, str]]:
        """Return where the episodes of each cluster begin and end."""
        of_one = prod(self._sizes[1:])
        bounds = [of_one * i for i in range(len(self.asked.clusters) + 1)]
        if self.sample is not None:
            bounds = [bisect_right(self.sample, bound - 1) for bound in bounds]
        return list(zip(bounds, bounds[1:], self.asked.clusters, strict=False))

    def _combination(self, number: int) -> int:
        return number if self.sample is None else self.sample[number]

    def _digits(self, combination: int) -> list[int]:
        digits = []
        for size in reversed(self._sizes):
            combination, digit = divmod(combination, size)
            digits.append(digit)
        return digits[::-1]

    def _seed(self, position: int) -> int:
        seeds = self.asked.seeds
        return seeds.first + position if isinstance(seeds, SeedRange) else seeds[position]

    @cached_property
    def _cells(self) -> dict[int, EpisodeSpec]:
        return {}

    def _cell(self, cell: int) -> EpisodeSpec:
        """Return what the episodes have in common that differ in their seed alone."""
        if cell not in self._cells:
            if len(self._cells) > 1000:
                self._cells.clear()
            self._cells[cell] = self._made(cell)
        return self._cells[cell]

    def _made(self, cell: int) -> EpisodeSpec:
        asked = self.asked
        cluster, trace, nodes, target, step, reward, policy, _ = self._digits(
            cell * self._sizes[-1]
        )
        case = self.cases[trace]
        return EpisodeSpec(
            trace=case.trace,
            namespace=case.namespace,
            deploy=case.deploy,
            target=asked.targets[target] if asked.targets else case.target,
            duration=case.duration,
            policy=asked.policies[policy],
            reward=asked.rewards[reward],
            max_steps=case.max_steps,
            nodes=asked.nodes[nodes] if asked.nodes else case.nodes,
            replay=asked.replay,
            guardrails=asked.guardrails,
            steps=asked.step_sizes[step],
            cluster=asked.clusters[cluster],
            context=None if asked.clusters[cluster] == "embedded" else asked.context,
            speed=asked.speed,
            simkube=asked.simkube,
            allow_real_nodes=asked.allow_real_nodes,
            timeout=asked.timeout,
        )
