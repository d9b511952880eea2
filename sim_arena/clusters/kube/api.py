"""Plain JSON to and from a Kubernetes API, through the kubernetes client.

The client's dynamic part sends the requests; its discovery is not used, because it caches on
disk by address, and another cluster may get the address of an earlier one.
"""

import json
import os
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from sim_arena.clusters.kube.errors import ApiError, AwayError, RefusedError
from sim_arena.errors import PermanentError

__all__ = ["FIELD_MANAGER", "Api", "ApiError", "AwayError", "Json", "RefusedError"]

Json = dict[str, Any]
FIELD_MANAGER = "sim-arena"

_PASSING = frozenset({429, 500, 502, 503, 504})
# An API server that has just started may not know its roles and custom resources yet.
_UNSURE = frozenset({401, 403, 404})
_UNSURE_S = 5.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_CONNECTIONS = 64  # a watch holds one, and a simulation in many namespaces has many watches
_TIMEOUT_S = (5.0, 60.0)  # to connect, and between two pieces of the answer


class _Resource(NamedTuple):
    plural: str
    namespaced: bool


class Api:
    """Requests on one API server. Safe to use from several threads.

    Args:
        client: a kubernetes.client.ApiClient.
        manager: the field manager of what is applied.
        patience_s: for how long a request that fails for a moment is tried again.
    """

    def __init__(
        self, client: Any, *, manager: str = FIELD_MANAGER, patience_s: float = 45.0
    ) -> None:
        from kubernetes import dynamic  # noqa: PLC0415 - takes half a second

        connect: Any = dynamic.DynamicClient
        self._client = client
        self._dynamic = connect(client, discoverer=lambda *_: None)
        self._resources: dict[tuple[str, str], _Resource] = {}
        self._manager = manager
        self._patience_s = patience_s
        self._away_at = -_UNSURE_S

    @classmethod
    def from_kubeconfig(
        cls, path: str | Path | None = None, context: str | None = None, **options: Any
    ) -> Self:
        """A client from a kubeconfig; servers on loopback are never sought by a proxy.

        Args:
            path: the file; None for KUBECONFIG or the user's own, and within a pod for that of
                its service account.
            context: the context's name; None for the current one.
            options: as for the class.

        Raises:
            PermanentError: there is no such file or context, or it cannot be used.
        """
        from kubernetes import client, config  # noqa: PLC0415 - takes half a second

        configuration = client.Configuration()
        load: Any = config.load_kube_config
        inside: Any = config.load_incluster_config
        try:
            if path is None and context is None and _in_pod():
                inside(client_configuration=configuration)
            else:
                load(
                    os.environ.get("KUBECONFIG") if path is None else str(path),
                    context=context,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except (config.ConfigException, OSError, ValueError) as error:
            wanted = f"the context {context!r}" if context else "a context"
            there = _contexts(path)
            found = f"only the contexts {', '.join(there)}" if there else f"none: {error}"
            raise PermanentError(
                f"expected a kubeconfig with {wanted}, found {found}; set KUBECONFIG, or name a "
                "context that it has"
            ) from error
        if "127.0.0.1" in str(configuration.host):
            configuration.proxy = None
        configuration.retries = False  # requests are tried again here, and not twice
        configuration.connection_pool_maxsize = _CONNECTIONS
        return cls(client.ApiClient(configuration), **options)

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    def close(self) -> None:
        """Close the client's connections."""
        self._client.rest_client.pool_manager.clear()

    def request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        patience_s: float | None = None,
        **options: Any,
    ) -> Json:
        """One request; `options` are those of the kubernetes client's dynamic part.

        What fails for a moment (no answer, 429, 5xx) is tried again with a growing pause, or
        after the one that the server asks for.

        Args:
            method: of HTTP.
            path: the resource's path.
            body: what is sent.
            patience_s: for how long; None for as long as the class was told.
            options: of the client.

        Raises:
            RefusedError: the server refused.
            AwayError: it did not answer, or only that it cannot now, for longer than the patience.
        """
        patience = self._patience_s if patience_s is None else patience_s
        deadline = time.monotonic() + patience
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return self._once(method, path, body, options)
            except ApiError as error:
                if not self.may_pass(error):
                    raise
                wait = error.retry_after or pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                if time.monotonic() + wait > deadline:
                    raise
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def may_pass(self, error: ApiError) -> bool:
        """Whether a failure may be over in a moment: no answer, or the confusion after that.

        A server that starts refuses for a moment what it will allow.
        """
        now = time.monotonic()
        if isinstance(error, AwayError):
            self._away_at = now
            return True
        return error.status in _UNSURE and now - self._away_at < _UNSURE_S

    def text(self, path: str) -> str:
        """A resource that is plain text, such as a pod's log; it is asked for once.

        Raises:
            ApiError: the server refused, or did not answer.
        """
        with _translated("get", path):
            response = self._dynamic.request(
                "get", path, serialize=False, _request_timeout=_TIMEOUT_S
            )
            return bytes(response.data).decode(errors="replace")

    def watch(
        self, path: str, version: str, selector: str | None, timeout_s: float
    ) -> "WatchStream":
        """Open a watch from a resource version on; it is tried once.

        Args:
            path: the collection's path.
            version: the resource version from which on changes are told.
            selector: a label selector, if any.
            timeout_s: the longest time without a word, bookmarks included.

        Raises:
            RefusedError: the server refused; status 410 where the version is too old.
            AwayError: it did not answer.
        """
        with _translated("watch", path):
            return WatchStream(
                self._dynamic.request(
                    "get",
                    path,
                    watch="true",
                    resource_version=version,
                    allow_watch_bookmarks="true",
                    label_selector=selector,
                    serialize=False,
                    _request_timeout=(_TIMEOUT_S[0], timeout_s),
                )
            )

    def path(self, kind: Mapping[str, Any], namespace: str | None, name: str | None = None) -> str:
        """The path of an object, or of a kind's collection.

        Args:
            kind: anything with `apiVersion` and `kind`, such as the object itself.
            namespace: ignored for kinds that have none; None for all namespaces.
            name: the object's name; None for the collection.
        """
        version = str(kind["apiVersion"])
        resource = self._resource(version, str(kind["kind"]))
        parts = [_root(version)]
        if resource.namespaced and namespace is not None:
            parts += ["namespaces", quote(namespace)]
        parts.append(resource.plural)
        if name is not None:
            parts.append(quote(name))
        return "/".join(parts)

    def is_namespaced(self, kind: Mapping[str, Any]) -> bool:
        """Whether objects of this kind live in namespaces."""
        return self._resource(str(kind["apiVersion"]), str(kind["kind"])).namespaced

    def create(self, body: Json, **options: Any) -> Json:
        """Create an object."""
        path = self.path(body, body["metadata"].get("namespace"))
        return self.request("post", path, body, **options)

    def apply(self, body: Json, subresource: str = "", *, force: bool = False) -> Json:
        """Server-side apply under one manager.

        Args:
            body: the object.
            subresource: such as `status`, if not the object itself.
            force: take fields over that another manager has; SimKube does not.
        """
        metadata = body["metadata"]
        path = self.path(body, metadata.get("namespace"), metadata["name"])
        return self.request(
            "patch",
            f"{path}/{subresource}" if subresource else path,
            body,
            content_type="application/apply-patch+yaml",
            field_manager=self._manager,
            force_conflicts="true" if force else None,
        )

    def get(self, kind: Mapping[str, Any], namespace: str | None, name: str) -> Json | None:
        """An object, or None if there is none."""
        try:
            return self.request("get", self.path(kind, namespace, name))
        except RefusedError as error:
            if error.status != 404:
                raise
            return None

    def exists(self, kind: Mapping[str, Any], namespace: str | None, name: str) -> bool:
        """Whether there is such an object."""
        return self.get(kind, namespace, name) is not None

    def delete(
        self, kind: Mapping[str, Any], namespace: str | None, name: str, **options: Any
    ) -> bool:
        """Delete an object, with the kind's own propagation policy unless one is given.

        Returns:
            False if there was none.
        """
        try:
            self.request("delete", self.path(kind, namespace, name), **options)
        except RefusedError as error:
            if error.status != 404:
                raise
            return False
        return True

    def list(self, path: str, selector: str | None = None) -> list[Json]:
        """All objects of a collection, or those with the labels of a selector."""
        items: list[Json] = self.request("get", path, label_selector=selector)["items"] or []
        return items

    def knows(self, version: str, kind: str) -> bool:
        """Whether the API server has a kind now; it may have come or gone meanwhile."""
        self._resources.pop((version, kind), None)
        try:
            self._resource(version, kind)
        except RefusedError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _once(self, method: str, path: str, body: Json | None, options: Mapping[str, Any]) -> Json:
        options = {"_request_timeout": _TIMEOUT_S, **options}
        with _translated(method, path):
            # The dynamic part adds to these two; its defaults are shared by all its requests.
            response = self._dynamic.request(
                method,
                path,
                body=body,
                serialize=False,
                query_params=[],
                header_params={},
                **options,
            )
            answer: Json = json.loads(response.data)
            return answer

    def _resource(self, version: str, kind: str) -> _Resource:
        if (version, kind) not in self._resources:
            for found in _plain(self.request("get", _root(version))["resources"]):
                resource = _Resource(found["name"], found["namespaced"])
                self._resources[version, found["kind"]] = resource
        try:
            return self._resources[version, kind]
        except KeyError:
            raise RefusedError(f"the API server has no kind {kind} in {version}", 404) from None


class WatchStream:
    """An open watch: an iterator of its events, which another thread may end."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __iter__(self) -> Iterator[Json]:
        """Yield events until the server ends the watch.

        Raises:
            AwayError: the connection broke.
            RefusedError: the watch cannot go on, such as with status 410.
        """
        from kubernetes.watch.watch import iter_resp_lines  # noqa: PLC0415 - takes half a second

        split: Any = iter_resp_lines
        lines: Iterable[str] = split(self._response)
        with _translated("watch", "the stream"):
            for line in lines:
                event: Json = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise _error(status.get("code"), str(status.get("message")), None)
                yield event

    def end(self) -> None:
        """End the stream from another thread than the one that waits for its next event."""
        # Where it has ended by itself there is no connection left to shut down.
        with suppress(OSError, ValueError, RuntimeError):
            self._response.shutdown()

    def close(self) -> None:
        """Give the connection back, from the thread that has read the stream."""
        self._response.close()


def _contexts(path: str | Path | None) -> list[str]:
    """Return the names of a kubeconfig's contexts; none if it cannot be read."""
    from kubernetes import config  # noqa: PLC0415 - takes half a second

    file = os.environ.get("KUBECONFIG") if path is None else str(path)
    listed: Any = config.list_kube_config_contexts
    try:
        found, _ = listed(file)
    except (config.ConfigException, OSError, ValueError):
        return []
    return [one["name"] for one in found]


def _in_pod() -> bool:
    """Whether this runs in a pod and nothing names another cluster."""
    token = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    own = "KUBECONFIG" in os.environ or Path("~/.kube/config").expanduser().exists()
    return not own and token.exists()


@contextmanager
def _translated(method: str, path: str) -> Iterator[None]:
    """Turn the client's errors into ours."""
    from kubernetes.client import ApiException, rest  # noqa: PLC0415 - takes half a second
    from kubernetes.dynamic.exceptions import DynamicApiError  # noqa: PLC0415 - likewise

    # The client lets errors of its transport through as they are.
    client_rest: Any = rest
    transport: type[Exception] = client_rest.urllib3.exceptions.HTTPError
    try:
        yield
    except (ApiException, DynamicApiError) as error:
        raise _error(error.status, _message(error), _retry_after(error)) from error
    except (transport, OSError, ValueError) as error:  # ValueError: an answer that breaks off
        reason = " ".join(str(error).split())
        raise AwayError(f"{method} {path}: the API server does not answer: {reason}") from error


def _error(status: int | None, message: str, retry_after: float | None) -> ApiError:
    if not status or status in _PASSING:
        return AwayError(message, status or None, retry_after)
    return RefusedError(message, status, retry_after)


def _retry_after(error: Any) -> float | None:
    headers = getattr(error, "headers", None) or {}
    value = str(headers.get("Retry-After", ""))
    return float(value) if value.isdigit() else None


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _plain(resources: Iterable[Json]) -> Iterable[Json]:
    return (resource for resource in resources if "/" not in resource["name"])


def _message(error: Any) -> str:
    """The text of the Status object that the server sent, else the whole body."""
    body = error.body.decode() if isinstance(error.body, bytes) else str(error.body or error.reason)
    try:
        message: str = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        return body
    return message
