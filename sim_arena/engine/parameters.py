"""How a trace is replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sim_arena.errors import PermanentError

__all__ = ["Parameters", "Replay"]

Replay = Literal["simkube", "plain"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a replay, named as SimKube names them.

    Attributes:
        duration: the window in seconds from the trace's first event; events at or after its end
            are dropped. None: until 60 s after the last event.
        speed: divides the pauses between events and the pods' running times, each truncated to
            whole seconds.
        replay: `simkube` applies SimKube's rewriting (virtual nodes' selector and toleration)
            and takes every node as a virtual one; `plain` applies the objects as they are.
        image_pull_delay: milliseconds from binding to the pulled images. As in KWOK the delay
            is uniform in [delay, jitter), and equal to the jitter where that is not larger: a
            delay with jitter 0 is no delay.
        image_pull_jitter: milliseconds, see above.
        pod_startup_delay: milliseconds from there to Running.
        pod_startup_jitter: milliseconds, likewise.
    """

    duration: int | None = None
    speed: float = 1.0
    replay: Replay = "simkube"
    image_pull_delay: int = 0
    image_pull_jitter: int = 0
    pod_startup_delay: int = 0
    pod_startup_jitter: int = 0

    def __post_init__(self) -> None:
        if self.duration is not None and self.duration < 1:
            raise PermanentError(f"expected a duration of at least 1 s, found {self.duration}")
        if not 0 < self.speed < float("inf"):
            raise PermanentError(f"expected a speed above 0, found {self.speed}")
        if self.replay not in ("simkube", "plain"):
            raise PermanentError(f"expected replay 'simkube' or 'plain', found {self.replay!r}")
        for name in (
            "image_pull_delay",
            "image_pull_jitter",
            "pod_startup_delay",
            "pod_startup_jitter",
        ):
            if getattr(self, name) < 0:
                raise PermanentError(f"expected {name} >= 0 ms, found {getattr(self, name)}")
