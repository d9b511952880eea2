"""Which program plays a sweep: rows of two of them are not mixed unless somebody wants it."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sim_arena
import traces
from results import Sweep
from sim_arena.errors import PermanentError

__all__ = ["admit", "made_with", "require_known"]

_PACKAGES = ("sim-arena", "numpy", "numba", "pyarrow", "prefect")
_SHOWN = 12  # characters of a digest


def made_with() -> dict[str, Any]:
    """Return the versions that decide what a sweep's episodes give.

    `source` is a digest of what plays episodes: the packages `sim_arena` and `traces`.
    """
    versions: dict[str, Any] = {"python": sys.version.split()[0]}
    versions |= {name: _version(name) for name in _PACKAGES}
    return versions | {"git": _revision(), "source": _source()}


def admit(sweep: Sweep, *, allow_other: bool) -> None:
    """Let this program go on with a sweep if it has played it before, or if it may join in.

    What a sweep does not have recorded, as older ones have no `source`, is not compared.

    Args:
        sweep: the sweep, of which the caller is the writer
        allow_other: whether another program than before may; it is recorded then

    Raises:
        PermanentError: another program has begun it
        ResultsError: it cannot be recorded
    """
    if not allow_other:
        require_known(sweep)
    elif not _is_known(sweep):
        joined = sweep.parameters.get("resumed_with") or []
        sweep.record("resumed_with", [*joined, made_with()])


def require_known(sweep: Sweep) -> None:
    """Refuse to play a sweep with a program that neither began it nor was let in.

    Raises:
        PermanentError: this is another one
    """
    if not _is_known(sweep):
        began = _told(sweep.parameters["made_with"])
        raise PermanentError(
            f"expected the program that began {sweep.id}, {began}, found {_told(_present())}: its "
            "episodes may go another way here; go on with that one, or mix both with "
            "allow_other_version (--allow-other-version)"
        )


def _is_known(sweep: Sweep) -> bool:
    parameters, present = sweep.parameters, _present()
    programs = [parameters.get("made_with") or {}, *(parameters.get("resumed_with") or ())]
    return any(
        all(program.get(name) in {None, value} for name, value in present.items())
        for program in programs
    )


def _present() -> dict[str, str | None]:
    """Return what tells this program from another version of it."""
    return {"sim-arena": _version("sim-arena"), "source": _source()}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _told(versions: Mapping[str, Any]) -> str:
    source = versions.get("source")
    more = f" with the source {source[:_SHOWN]}" if source else ""
    return f"sim-arena {versions.get('sim-arena') or 'of an unknown version'}{more}"


@cache
def _source() -> str:
    digest = hashlib.sha256()
    for package in (sim_arena, traces):
        folder = Path(str(package.__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{package.__name__}/{file.relative_to(folder).as_posix()}".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _revision() -> str | None:
    """Return the commit of the checkout that this runs from, `-dirty` if it was edited."""
    try:
        _git("ls-files", "--error-unmatch", __file__)  # else the checkout is somebody else's
        return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or None
    except (OSError, subprocess.SubprocessError):  # installed from a wheel, or without git
        return None


def _git(*words: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 # no input of others
    return done.stdout.strip()
