"""Build the real control plane from the Go module proxy, once, into a folder of the user's cache.

Run `python -m tests.cluster.build`. The versions are those of the two `go.mod` files beside this
one. The folder's name carries them, so another version is another folder and a second run
builds nothing. A folder named in `KUBEBUILDER_ASSETS` (setup-envtest's and kwokctl's custom) is
looked at first.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

HERE = Path(__file__).parent
HOW_TO_BUILD = "run `make control-plane`, or name a folder that holds them in KUBEBUILDER_ASSETS"


class Program(NamedTuple):
    """One binary: where its module lies, its main package, and how its version is stamped in."""

    name: str
    module: str
    package: str
    stamp: str


_KUBERNETES_STAMP = (
    "-X k8s.io/component-base/version.gitVersion=v{kubernetes}"
    " -X k8s.io/component-base/version.gitMajor={major}"
    " -X k8s.io/component-base/version.gitMinor={minor}"
)

PROGRAMS = (
    Program("etcd", "controlplane", "go.etcd.io/etcd/server/v3", ""),
    *(
        Program(name, "controlplane", f"k8s.io/kubernetes/cmd/{name}", _KUBERNETES_STAMP)
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ),
    Program(
        "kwok",
        "kwok",
        "sigs.k8s.io/kwok/cmd/kwok",
        "-X sigs.k8s.io/kwok/pkg/consts.Version=v{kwok}",
    ),
)


class MissingBinariesError(RuntimeError):
    """The control plane's binaries are not on this machine."""


def required_version(module: str, requirement: str) -> str:
    """The version of `requirement` that the module's go.mod asks for, without the v."""
    text = (HERE / module / "go.mod").read_text()
    match = re.search(rf"^\s*(?:require )?{re.escape(requirement)} v(\S+)", text, re.MULTILINE)
    if match is None:
        raise ValueError(f"{module}/go.mod: expected a requirement of {requirement}, found none")
    return match[1]


def versions() -> dict[str, str]:
    """Versions of what is built: etcd, kubernetes and kwok."""
    return {
        "etcd": required_version("controlplane", "go.etcd.io/etcd/server/v3"),
        "kubernetes": required_version("controlplane", "k8s.io/kubernetes"),
        "kwok": required_version("kwok", "sigs.k8s.io/kwok"),
    }


def cache_folder() -> Path:
    """The folder that the binaries of these versions are built into."""
    name = "-".join(f"{what}-{version}" for what, version in sorted(versions().items()))
    return user_cache_path("sim-arena") / "control-plane" / name


def find_binaries() -> dict[str, Path]:
    """The path of every binary, from KUBEBUILDER_ASSETS where it has it, else from the cache.

    Raises:
        MissingBinariesError: Some are in neither; the message names them and what to run.
    """
    folders = [cache_folder()]
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        folders.insert(0, Path(assets))
    found: dict[str, Path] = {}
    for program in PROGRAMS:
        candidates = (folder / program.name for folder in folders)
        path = next((path for path in candidates if os.access(path, os.X_OK)), None)
        if path is not None:
            found[program.name] = path
    missing = [program.name for program in PROGRAMS if program.name not in found]
    if missing:
        where = " nor ".join(str(folder) for folder in folders)
        raise MissingBinariesError(f"no {', '.join(missing)} in {where}: {HOW_TO_BUILD}")
    return found


def build_program(program: Program, folder: Path) -> None:
    """Build one binary into the folder; it appears there only when it is whole."""
    known = versions()
    major, minor, _ = known["kubernetes"].split(".", 2)
    stamp = program.stamp.format(**known, major=major, minor=minor)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as scratch:
        made = Path(scratch) / program.name
        command = ["go", "build", "-trimpath", "-ldflags", f"-s -w {stamp}", "-o", str(made)]
        environment = os.environ | {"CGO_ENABLED": "0"}
        subprocess.run(
            [*command, program.package], cwd=HERE / program.module, env=environment, check=True
        )
        made.replace(folder / program.name)


def main() -> int:
    """Build what is missing; say what is done and where it lies."""
    try:
        found = find_binaries()
    except MissingBinariesError:
        found = {}
    if found:
        for name, path in found.items():
            print(f"{name}: {path}")  # noqa: T201 - this command's output
        return 0
    if shutil.which("go") is None:
        print(f"expected Go {required_go()} or later in PATH, found no go", file=sys.stderr)  # noqa: T201
        return 1
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        if (folder / program.name).exists():
            continue
        started = time.monotonic()
        print(f"building {program.name} ...", flush=True)  # noqa: T201
        build_program(program, folder)
        print(f"built {folder / program.name} in {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201
    return 0


def required_go() -> str:
    """The Go version that the module's go.mod asks for."""
    match = re.search(r"^go (\S+)", (HERE / "controlplane" / "go.mod").read_text(), re.MULTILINE)
    return match[1] if match else "1.26"


if __name__ == "__main__":
    sys.exit(main())
