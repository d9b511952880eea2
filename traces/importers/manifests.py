"""Reads manifests: YAML or JSON files, folders of them, what kustomize and helm print."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from traces.damage import MAX_DEPTH
from traces.document import Object
from traces.errors import TraceError, describe

__all__ = ["Manifest", "read_path", "read_text"]

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
# A few lines of YAML with aliases can stand for more values than there is memory.
_MOST_VALUES = 2_000_000
_TEMPLATED = re.compile(r"\{\{.*\}\}")
_IMPLICIT = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int")
# As kubectl reads them: no times of day in base 60, and dates are texts.
_INTEGER = re.compile(r"^[-+]?(0x[0-9a-fA-F]+|0o?[0-7]+|0b[01]+|[1-9][0-9]*|0)$")


class Manifest(NamedTuple):
    """One object, and where it was read: `web.yaml, document 2`."""

    obj: Object
    where: str


def read_path(path: Path) -> list[Manifest]:
    """Read a file, or all files with manifests in a folder and in those below it.

    Raises:
        TraceError: there is nothing to read, or something that is no manifest.
    """
    if not path.is_dir():
        return read_text(_text(path), str(path))
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix in _SUFFIXES and file.is_file() and not _is_hidden(file, path)
    )
    if not files:
        raise TraceError(f"expected files of manifests (.yaml, .yml, .json) in {path}, found none")
    return [manifest for file in files for manifest in read_text(_text(file), str(file))]


def read_text(text: str, source: str) -> list[Manifest]:
    """Read YAML, of which JSON is a part; several documents, and lists of objects are unpacked.

    Args:
        text: the YAML.
        source: where it comes from, for messages.

    Raises:
        TraceError: it is no YAML, or something in it is no Kubernetes object.
    """
    return [
        manifest
        for number, document in enumerate(_documents(text, source), 1)
        if document is not None  # `---` before the first, or comments alone
        for manifest in _unpacked(document, f"{source}, document {number}")
    ]


def _documents(text: str, source: str) -> list[Any]:
    import yaml  # noqa: PLC0415 - not needed to read traces

    try:
        return list(yaml.load_all(text, Loader=_loader()))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        if _TEMPLATED.search(text):
            told = f"{told}; render the templates first: helm template CHART | sim-arena ... -"
        raise TraceError(f"expected YAML, found: {told}", source=source) from error


def _loader() -> Any:
    import yaml  # noqa: PLC0415 - not needed to read traces

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc] # its base is found when this runs
        yaml_implicit_resolvers = {  # noqa: RUF012 - the base's
            first: [(tag, pattern) for tag, pattern in resolvers if tag not in _IMPLICIT]
            for first, resolvers in base.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver(_IMPLICIT[1], _INTEGER, list("-+0123456789"))
    return Loader


def _unpacked(document: Any, where: str) -> Iterator[Manifest]:
    """Yield the objects of a document: itself, or the items of a list."""
    if not isinstance(document, dict):
        raise TraceError(
            f"expected a Kubernetes object, which is a map with apiVersion, kind and metadata, "
            f"found {describe(document)}",
            source=where,
        )
    kind = document.get("kind")
    items = document.get("items")
    if isinstance(kind, str) and kind.endswith("List") and (items is None or _is_list(items)):
        for number, item in enumerate(items or (), 1):
            typed = item
            if isinstance(item, dict) and kind != "List":
                # The API server leaves them out of the items of a list of one kind.
                given = {"apiVersion": document.get("apiVersion"), "kind": kind[: -len("List")]}
                typed = {**given, **item}
            yield from _unpacked(typed, f"{where}, item {number}")
        return
    yield Manifest(_object(document, where), where)


def _object(document: dict[Any, Any], where: str) -> Object:
    for name in ("apiVersion", "kind"):
        if not isinstance(document.get(name), str) or not document[name]:
            raise TraceError(
                f"expected a Kubernetes object with {name}, found {describe(document.get(name))}; "
                "is this a manifest? Values of a chart are none: pass on what helm template prints",
                source=where,
            )
    kind = document["kind"]
    if kind == "Kustomization":
        raise TraceError(
            "expected manifests, found a Kustomization; pass on what it makes of them: "
            "kustomize build DIR | sim-arena trace import - --out FILE",
            source=where,
        )
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        found = describe(metadata.get("name") if isinstance(metadata, dict) else metadata)
        if isinstance(metadata, dict) and metadata.get("generateName"):
            found = f"generateName {describe(metadata['generateName'])}, from which none is made"
        raise TraceError(f"expected {kind} to have metadata.name, found {found}", source=where)
    plain: Object = _plain(document, where, [_MOST_VALUES])
    return plain


def _plain(value: Any, where: str, left: list[int], depth: int = 0) -> Any:
    """Copy a value that may share its parts, or hold itself; refuse what JSON cannot hold."""
    left[0] -= 1
    if left[0] < 0 or depth > MAX_DEPTH:
        limit = f"{_MOST_VALUES} values in an object, {MAX_DEPTH} levels deep"
        raise TraceError(f"expected at most {limit}; found more", source=where)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TraceError(
                    f"expected keys that are texts, found {describe(key)}; put it into quotes",
                    source=where,
                )
        return {key: _plain(inner, where, left, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, where, left, depth + 1) for inner in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TraceError(f"expected a value that JSON has, found {describe(value)}", source=where)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"cannot read it: {error}", source=str(path)) from error


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)
