"""The commands that mend what a preflight finds, so that they can be pasted."""

import shlex
from typing import NamedTuple, Self

from sim_arena.spec import EpisodeSpec, Replay

__all__ = ["Commands"]


class Commands(NamedTuple):
    """`sim-arena cluster`, for the cluster that was looked at.

    Attributes:
        context: the kubeconfig's context; None for the current one.
        nodes: the nodes that are asked for, as text; None for whichever are there.
        replay: how the trace will be replayed.
        allow_real: whether there may be nodes that are not KWOK's.
    """

    context: str | None = None
    nodes: str | None = None
    replay: Replay = "simkube"
    allow_real: bool = False

    @classmethod
    def of(cls, spec: EpisodeSpec) -> Self:
        """The commands for an episode's cluster."""
        return cls(spec.context, spec.nodes, spec.replay, spec.allow_real_nodes)

    def prepare(self, *more: str) -> str:
        """The command that makes what is needed, in backquotes."""
        words = ["prepare", *more]
        words += [] if self.nodes is None else ["--nodes", self.nodes]
        words += ["--replay", "plain"] if self.replay == "plain" else []
        words += ["--allow-real-nodes"] if self.allow_real else []
        return self._quoted(words)

    def clean(self) -> str:
        """The command that removes what dead runs left, in backquotes."""
        return self._quoted(["clean"])

    def _quoted(self, words: list[str]) -> str:
        where = [] if self.context is None else ["--context", self.context]
        return f"`{shlex.join(['sim-arena', 'cluster', *words, *where])}`"
