"""Plain JSON to and from a Kubernetes API, through the kubernetes client.

The client's dynamic part sends the requests; its discovery is not used, because it caches on
disk by address, and a test's control plane may get the address of an earlier one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

Json = dict[str, Any]
FIELD_MANAGER = "simkube"


class ApiError(RuntimeError):
    """What the API server refused, in its own words.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Resource(NamedTuple):
    plural: str
    namespaced: bool


class Api:
    """Requests on one API server. Safe to use from several threads."""

    def __init__(self, client: Any) -> None:
        from kubernetes import dynamic  # noqa: PLC0415 - takes half a second

        connect: Any = dynamic.DynamicClient
        self._client = client
        self._dynamic = connect(client, discoverer=lambda *_: None)
        self._resources: dict[tuple[str, str], _Resource] = {}

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        """A client from a kubeconfig file; servers on loopback are never sought by a proxy."""
        from kubernetes import client, config  # noqa: PLC0415 - takes half a second

        load: Any = config.load_kube_config
        configuration = client.Configuration()
        load(str(path), client_configuration=configuration)
        if "127.0.0.1" in configuration.host:
            configuration.proxy = None
        return cls(client.ApiClient(configuration))

    def close(self) -> None:
        """Close the client's connections."""
        self._client.rest_client.pool_manager.clear()

    def request(self, method: str, path: str, body: Json | None = None, **options: Any) -> Json:
        """One request; `options` are those of the kubernetes client's dynamic part.

        Raises:
            ApiError: The server refused.
        """
        from kubernetes.client import ApiException  # noqa: PLC0415 - takes half a second
        from kubernetes.dynamic.exceptions import DynamicApiError  # noqa: PLC0415 - likewise

        try:
            response = self._dynamic.request(method, path, body=body, serialize=False, **options)
        except (ApiException, DynamicApiError) as error:
            raise ApiError(error.status, _message(error)) from error
        answer: Json = json.loads(response.data)
        return answer

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

    def apply(self, body: Json) -> Json:
        """Server-side apply as SimKube does it: one manager, without force."""
        metadata = body["metadata"]
        path = self.path(body, metadata.get("namespace"), metadata["name"])
        kind = "application/apply-patch+yaml"
        return self.request("patch", path, body, content_type=kind, field_manager=FIELD_MANAGER)

    def delete(
        self, kind: Mapping[str, Any], namespace: str | None, name: str, **options: Any
    ) -> bool:
        """Delete an object, with the kind's own propagation policy unless one is given.

        Returns:
            False if there was none.
        """
        try:
            self.request("delete", self.path(kind, namespace, name), **options)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def exists(self, kind: Mapping[str, Any], namespace: str | None, name: str) -> bool:
        """Whether there is such an object."""
        try:
            self.request("get", self.path(kind, namespace, name))
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def list(self, path: str) -> list[Json]:
        """All objects of a collection."""
        items: list[Json] = self.request("get", path)["items"] or []
        return items

    def watch(self, path: str, since: str) -> Iterator[Json]:
        """Changes of a collection, as they come; ends when the server ends it.

        Args:
            path: the collection's.
            since: the resource version from which on to tell.
        """
        options = {"watch": True, "resource_version": since, "serialize": False}
        response = self._dynamic.request("get", path, **options)
        rest = b""
        for part in response.stream(None, decode_content=False):
            *lines, rest = (rest + part).split(b"\n")
            yield from map(json.loads, lines)

    def _resource(self, version: str, kind: str) -> _Resource:
        if (version, kind) not in self._resources:
            for found in _plain(self.request("get", _root(version))["resources"]):
                resource = _Resource(found["name"], found["namespaced"])
                self._resources[version, found["kind"]] = resource
        try:
            return self._resources[version, kind]
        except KeyError:
            raise ApiError(404, f"the API server has no kind {kind} in {version}") from None


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _plain(resources: Iterable[Json]) -> Iterable[Json]:
    return (resource for resource in resources if "/" not in resource["name"])


def _message(error: Any) -> str:
    """The text of the Status object that the server sent, else the whole body."""
    body = error.body.decode() if isinstance(error.body, bytes) else str(error.body)
    try:
        message: str = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        return body
    return message
