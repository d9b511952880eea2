"""Follows a Simulation from its creation to the end of its window, whatever state it is in.

What has to outlive this process stands in the Simulation's annotations: for how long it was paused,
and whether its window is over.
"""

import logging
import time
from collections.abc import Iterator

from sim_arena.clusters.base import Simulation
from sim_arena.clusters.kube.api import Api, Json
from sim_arena.clusters.kube.ownership import prefix_of
from sim_arena.clusters.kube.simkube_objects import SIMULATION, state_of
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.clusters.simkube.simulation import (
    annotate,
    begun_at,
    is_ending,
    lease_holder,
)
from sim_arena.clusters.simkube.telling import failure
from sim_arena.errors import PermanentError, TransientError

__all__ = ["Follower"]

_LOG = logging.getLogger(__name__)
_RUNNING, _PAUSED, _RETRYING, _BLOCKED = "Running", "Paused", "Retrying", "Blocked"
_STOOD_STILL = "sim-arena.io/paused-seconds"
_ENDED = "sim-arena.io/window-ended"
_LOOK_S = 0.5
# sk-ctrl tries again 30 s after an error of its own; its driver goes on meanwhile.
_RETRY_S = 45.0


class Follower:
    """Looks at one Simulation again and again.

    Args:
        api: the cluster.
        simulation: the simulation.
        settings: how SimKube is run.
    """

    def __init__(self, api: Api, simulation: Simulation, settings: SimKubeSettings) -> None:
        self.name = prefix_of(simulation["name"])
        self._api = api
        self._settings = settings
        self._timeout = simulation["timeout"]
        self._deadline = time.monotonic() + simulation["timeout"]
        self._told_of: tuple[str | None, str | None] = (None, None)
        self.paused = 0.0

    def look(self) -> Json:
        """Return the Simulation as it is now, which has not ended.

        Raises:
            PermanentError: it failed, has ended, or is gone.
        """
        found = self._api.get(SIMULATION, None, self.name)
        if found is None:
            raise PermanentError(
                f"expected the Simulation {self.name}, found none: somebody deleted it"
            )
        state = state_of(found)
        if state == "Failed":
            raise PermanentError(f"the simulation {self.name} failed; {failure(self._api, found)}")
        if state == "Finished":
            raise PermanentError(
                f"expected the simulation {self.name} to be there for the observation, found it "
                "finished and its pods deleted: give a larger margin"
            )
        self.paused = float((found["metadata"].get("annotations") or {}).get(_STOOD_STILL, 0.0))
        return found

    def await_beginning(self) -> float:
        """Wait until the driver begins with the trace; returns when it did, since 1970.

        Raises:
            TransientError: another simulation had SimKube's lease for longer than the timeout.
            PermanentError: it did not begin within the timeout, or failed.
        """
        while True:
            found = self.look()
            begun = begun_at(self._api, found, self._settings)
            if begun is not None and state_of(found) in {_RUNNING, _RETRYING, _PAUSED}:
                return begun
            self._tell(found)
            if time.monotonic() > self._deadline:
                raise self._late(found)
            time.sleep(_LOOK_S)

    def pass_time(self, end: float) -> Iterator[None]:
        """Yield until it is `end`, in seconds since 1970, and as much later as it was paused."""
        found = self.look()
        while (left := end + self.paused - time.time()) > 0:
            if time.monotonic() > self._deadline:
                raise PermanentError(
                    f"expected the window to be over within {self._timeout:g} s, found it "
                    "unfinished: shorten the duration, raise the speed or the timeout"
                )
            self._tell(found)
            was_paused, before = state_of(found) == _PAUSED, time.time()
            yield
            time.sleep(min(left, _LOOK_S))
            found = self.look()
            if was_paused:
                self.paused += time.time() - before
                annotate(self._api, self.name, {_STOOD_STILL: repr(self.paused)})

    def require_running(self) -> Json:
        """Return the Simulation, which is Running: only then are its pods what they seem.

        Raises:
            TransientError: it stays in another state.
            PermanentError: it has ended, or is about to.
        """
        deadline = time.monotonic() + _RETRY_S
        while state_of(found := self.look()) != _RUNNING:
            if state_of(found) != _RETRYING or time.monotonic() > deadline:
                raise TransientError(
                    f"expected the simulation {self.name} to be Running, found "
                    f"{state_of(found)}: what its pods show now is not the window's end"
                )
            self._tell(found)
            time.sleep(_LOOK_S)
        if is_ending(self._api, found):
            raise PermanentError(
                f"expected the pods of {self.name} to be kept for the observation, found the "
                "driver taking them away: give a larger margin"
            )
        return found

    def end_window(self) -> None:
        """Write down that the window is over, so that another process may observe."""
        annotate(self._api, self.name, {_ENDED: "true"})

    def require_ended(self) -> None:
        """See that the window is over, and the simulation is still running.

        Raises:
            PermanentError: the window is open.
        """
        found = self.require_running()
        if _ENDED not in (found["metadata"].get("annotations") or {}):
            raise PermanentError(
                f"expected the window of {self.name} to be over, found it open: wait first"
            )

    def _tell(self, found: Json) -> None:
        """Log what is waited for, once for each state; its logs are read only then."""
        state = state_of(found)
        holder = (
            lease_holder(self._api, self._settings.controller_namespace)
            if state == _BLOCKED
            else None
        )
        if (state, holder) == self._told_of:
            return
        self._told_of = state, holder
        told = ""
        if state == _BLOCKED:
            told = f"waiting for simulation {holder}, which has SimKube's lease"
        elif state == _PAUSED:
            told = f"waiting for the simulation {self.name} to be resumed: somebody has paused it"
        elif state == _RETRYING:
            told = f"waiting for sk-ctrl to try {self.name} again; {failure(self._api, found)}"
        if told:
            _LOG.warning("%s", told)

    def _holder(self) -> str | None:
        return lease_holder(self._api, self._settings.controller_namespace)

    def _late(self, found: Json) -> TransientError | PermanentError:
        state, waited = state_of(found), f"{self._timeout:g} s"
        if state == _BLOCKED:
            holder = self._holder()
            return TransientError(
                f"expected SimKube's lease within {waited}, found that simulation {holder} has "
                "it: wait for it, or delete it"
            )
        return PermanentError(
            f"expected pods of {self.name} within {waited}, found it in state "
            f"{state or 'unknown to sk-ctrl: does sk-ctrl run?'}; {failure(self._api, found)}"
        )
