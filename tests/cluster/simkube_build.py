"""Build SimKube's programs from the Rust crate registry, once, into the user's cache folder.

Run `python -m tests.cluster.simkube_build` (`make simkube`); it takes half an hour on two cores.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

from tests.cluster.build import MissingBinariesError

VERSION = "2.7.0"
PROGRAMS = ("sk-ctrl", "sk-driver", "skctl")
# They wait for most of their time, so it is not worth while to have the compiler optimise them.
_QUICK = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "CARGO_PROFILE_RELEASE_DEBUG": "0"}


def simkube_folder() -> Path:
    """The folder that the programs of this version are installed into."""
    return user_cache_path("sim-arena") / "simkube" / VERSION


def find_simkube() -> dict[str, Path]:
    """The path of every program.

    Raises:
        MissingBinariesError: Some are not there; the message says what to run.
    """
    found = {name: simkube_folder() / "bin" / name for name in PROGRAMS}
    missing = [name for name, path in found.items() if not os.access(path, os.X_OK)]
    if missing:
        raise MissingBinariesError(f"no {', '.join(missing)} in {simkube_folder()}: make simkube")
    return found


def main() -> int:
    """Build what is missing; one target folder serves all, as they share most of their crates."""
    if shutil.which("cargo") is None:
        print("expected Rust's cargo in PATH, found none", file=sys.stderr)  # noqa: T201
        return 1
    folder = simkube_folder()
    environment = os.environ | {"CARGO_TARGET_DIR": str(folder / "target"), **_QUICK}
    for name in PROGRAMS:
        if not (folder / "bin" / name).exists():
            command = ["cargo", "install", name, "--version", VERSION, "--root", str(folder)]
            subprocess.run(command, env=environment, check=True)
    shutil.rmtree(folder / "target", ignore_errors=True)
    for name, path in find_simkube().items():
        print(f"{name}: {path}")  # noqa: T201 - this command's output
    return 0


if __name__ == "__main__":
    sys.exit(main())
