"""A live copy of some collections of a cluster, kept up to date by watches.

A watch that breaks is opened again where it was; one whose place is too old for the server (410
Gone) starts from a new list; a server that asks for time (429 with Retry-After) gets it. As long
as any collection is behind, the copy says so, and nobody takes it for the present; nor is it the
present as long as it does not show what the owner of the copy has written itself.
"""

import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple, Self

from sim_arena.clusters.kube.api import Api, Json, WatchStream
from sim_arena.clusters.kube.errors import ApiError
from sim_arena.clusters.kube.objects import WORKLOAD_KINDS, State
from sim_arena.errors import TransientError

__all__ = ["Collection", "Mirror"]

_SILENCE_S = 150.0  # bookmarks come about every minute; without any the connection is dead
_GONE = 410
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_FIRST_LIST_S = 60.0


class Collection(NamedTuple):
    """What one watch is about.

    Attributes:
        kind: the kind of its objects; lists leave it out of their items.
        path: the collection's path.
        selector: a label selector; None for all.
    """

    kind: str
    path: str
    selector: str | None = None


class _Written(NamedTuple):
    """What was done to an object: the version that it had afterwards, and whether it is to go."""

    version: int
    deleted: bool


class Mirror:
    """Watches collections from several threads; a context manager that ends them.

    Attributes:
        changed_at: when anything changed last, on the clock of `time.monotonic`.
        freed_at: likewise, when a pod last gave up its place or a node came.
    """

    def __init__(self, api: Api, collections: Iterable[Collection]) -> None:
        self.changed_at = time.monotonic()
        self.freed_at = -float("inf")
        self._news = threading.Condition()
        self._watchers = [_Watcher(api, one, self) for one in collections]
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        for watcher in self._watchers:
            watcher.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for watcher in self._watchers:
            watcher.end()

    def state(self) -> State:
        """The present objects.

        Raises:
            RefusedError: a collection may not be read.
        """
        with self._news:
            if self._error is not None:
                raise self._error
            found: dict[str, list[Json]] = {kind: [] for kind in WORKLOAD_KINDS}
            for watcher in self._watchers:
                found.setdefault(watcher.about.kind, []).extend(watcher.objects.values())
            return State(found)

    def behind(self) -> str | None:
        """Which collection is not up to date, if any."""
        if late := [one.about.kind for one in self._watchers if not one.fresh]:
            return f"the watch of {', '.join(late)} is not up to date"
        with self._news:
            awaited = [
                f"{one.about.kind} {name}" for one in self._watchers if (name := one.awaits())
            ]
        return (
            f"the watch has not come to what was done to {', '.join(awaited)}" if awaited else None
        )

    def require_present(self) -> None:
        """See that the copy is not behind.

        Raises:
            TransientError: it is, so that what it shows means nothing.
        """
        if (reason := self.behind()) is not None:
            raise TransientError(f"expected to see what the cluster shows now, found that {reason}")

    def wrote(self, obj: Json) -> None:
        """Take in that an object was applied; until it comes by its watch, the copy is behind.

        Args:
            obj: the object as the API server answered.
        """
        self._expect(obj, _Written(int(obj["metadata"]["resourceVersion"]), deleted=False))

    def deleted(self, kind: str, namespace: str, name: str) -> None:
        """Take in that an object was deleted; until its watch shows that, the copy is behind."""
        obj = {"kind": kind, "metadata": {"namespace": namespace, "name": name}}
        self._expect(obj, None)

    def _expect(self, obj: Json, written: _Written | None) -> None:
        with self._news:
            for watcher in self._watchers:
                if watcher.about.kind == obj["kind"]:
                    watcher.expect(obj["metadata"]["namespace"], obj["metadata"]["name"], written)
        self.note()

    def wait_for_news(self, timeout_s: float) -> None:
        """Return when something has changed since the last look, or after the timeout."""
        with self._news:
            self._news.wait(timeout_s)

    def wait_for_lists(self, deadline_s: float = _FIRST_LIST_S) -> None:
        """Wait until every collection has been read once.

        Raises:
            RefusedError: a collection may not be read.
            TransientError: the deadline passed.
        """
        deadline = time.monotonic() + deadline_s
        while (reason := self.behind()) is not None:
            self.state()
            if time.monotonic() > deadline:
                raise TransientError(f"after {deadline_s:g} s {reason}: is the API server away?")
            self.wait_for_news(0.1)

    def note(self, *, freed: bool = False) -> None:
        """Take in that something changed; the watchers call it."""
        with self._news:
            self.changed_at = time.monotonic()
            if freed:
                self.freed_at = self.changed_at
            self._news.notify_all()

    def fail(self, error: Exception) -> None:
        """Take in what no further try will mend; the watchers call it."""
        with self._news:
            self._error = error
            self._news.notify_all()

    @property
    def lock(self) -> threading.Condition:
        """Guards what the watchers write."""
        return self._news


class _Watcher:
    """Keeps one collection up to date."""

    def __init__(self, api: Api, about: Collection, mirror: Mirror) -> None:
        self.about = about
        self.objects: dict[str, Json] = {}
        self.fresh = False
        self.thread = threading.Thread(target=self._run, name=f"watch-{about.kind}", daemon=True)
        self._api = api
        self._mirror = mirror
        self._version = ""
        self._listed = False
        self._stream: WatchStream | None = None
        self._ended = threading.Event()
        self._written: dict[tuple[str, str], _Written] = {}

    def expect(self, namespace: str, name: str, written: _Written | None) -> None:
        """Take in what was done to an object; None: it was deleted, whatever was done before."""
        before = self._written.get((namespace, name), _Written(0, deleted=True))
        self._written[namespace, name] = written or before._replace(deleted=True)

    def awaits(self) -> str | None:
        """The first object of which the watch does not show yet what was done to it.

        Versions of one kind's objects can be compared: Kubernetes' API concepts, "Resource
        versions"; etcd counts them up.
        """
        if not self._written:
            return None  # as nearly always: the copy may be large
        seen = int(self._version or 0)
        there = {
            (obj["metadata"]["namespace"], obj["metadata"]["name"])
            for obj in self.objects.values()
            if "deletionTimestamp" not in obj["metadata"]
        }
        for key, written in list(self._written.items()):
            if seen < written.version or (written.deleted and key in there):
                return "/".join(key)
            del self._written[key]
        return None

    def end(self) -> None:
        """End the watch, without waiting for the thread."""
        self._ended.set()
        if self._stream is not None:
            self._stream.end()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._ended.is_set():
            try:
                self._list_and_watch()
                pause = _FIRST_PAUSE_S
            except ApiError as error:
                self.fresh = False
                if error.status == _GONE:
                    self._version = ""
                elif not self._api.may_pass(error):
                    if not self._ended.is_set():
                        self._mirror.fail(error)
                    return
                self._ended.wait(error.retry_after or pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            except Exception as error:  # noqa: BLE001 - a fault of ours, for the thread that looks
                self.fresh = False
                if not self._ended.is_set():
                    self._mirror.fail(error)
                return

    def _list_and_watch(self) -> None:
        if not self._version:
            self._list()
        self._stream = self._api.watch(
            self.about.path, self._version, self.about.selector, _SILENCE_S
        )
        try:
            if self._ended.is_set():
                return
            self.fresh = True
            self._mirror.note()  # what happened while there was no watch is yet to come
            for event in self._stream:
                self._take(event)
        finally:
            self.fresh = False
            self._stream.close()

    def _list(self) -> None:
        answer = self._api.request("get", self.about.path, label_selector=self.about.selector)
        objects = {obj["metadata"]["uid"]: self._named(obj) for obj in answer["items"] or []}
        with self._mirror.lock:
            self.objects = objects
            self._version = answer["metadata"]["resourceVersion"]
        # What happened since an earlier list is not known: a pod may have given up its place.
        self._mirror.note(freed=self._listed and self.about.kind in {"Pod", "Node"})
        self._listed = True

    def _take(self, event: Json) -> None:
        obj = self._named(event["object"])
        version = obj["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            self._version = version
            return
        uid = obj["metadata"]["uid"]
        with self._mirror.lock:
            self._version = version
            before = self.objects.pop(uid, None)
            if event["type"] != "DELETED":
                self.objects[uid] = obj
        self._mirror.note(freed=self._frees(event["type"], before, obj))

    def _frees(self, event: str, before: Json | None, obj: Json) -> bool:
        """Whether a change may let a pod be placed that found no place before."""
        if self.about.kind == "Node":
            return event == "ADDED"
        if self.about.kind != "Pod":
            return False
        ended = obj.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        was_ended = before is not None and before["status"].get("phase") in {"Succeeded", "Failed"}
        return "nodeName" in obj["spec"] and (event == "DELETED" or (ended and not was_ended))

    def _named(self, obj: Json) -> Json:
        obj["kind"] = self.about.kind
        return obj
