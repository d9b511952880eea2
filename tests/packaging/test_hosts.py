"""No file names the host of a package registry: which one is used is the machine's business."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Joined here, so that this file does not name them either.
HOSTS = tuple(
    ".".join(parts).encode()
    for parts in (
        ("py" + "pi", "org"),
        ("python" + "hosted", "org"),
        ("npm" + "js", "org"),
        ("npm" + "js", "com"),
        ("yarn" + "pkg", "com"),
        ("crates", "io"),
        ("ruby" + "gems", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("ana" + "conda", "org"),
        ("ana" + "conda", "com"),
    )
)

# Made by tools or by runs, never part of the source.
MADE = {".git", ".venv", "__pycache__", "build", "dist", "runs", "node_modules"}


def source_files(folder: Path = ROOT) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in MADE or path.name.endswith("_cache") or path.name == ".hypothesis":
            continue
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from source_files(path)
        else:
            yield path


def test_no_file_names_a_package_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)} names {host.decode()}"
        for path in source_files()
        for host in HOSTS
        if host in path.read_bytes().lower()
    ]
    assert found == []
