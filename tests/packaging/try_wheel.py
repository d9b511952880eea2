"""Try the built wheel as somebody who has only the wheel: `make wheel` runs this.

A new environment gets the wheel and what its metadata asks for, at the versions of the lock
but without the development tools. Then the program runs outside of the checkout.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
# An episode without Prefect, whose server would take longer than all the rest.
PLAY = """
import sys
from sim_arena.episode import EpisodeSpec, play
from traces import load_manifest
entry = load_manifest(sys.argv[1])[0]
play(EpisodeSpec(trace=f"{sys.argv[1]}/{entry.file}", namespace=entry.namespace, nodes=entry.nodes,
                 deploy=entry.name, target=entry.target, duration=entry.duration))
"""
FIND_DEMO = "import traces; print(next(iter(traces.__path__)))"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def the_wheel() -> Path:
    wheels = sorted((ROOT / "dist").glob("sim_arena-*.whl"))
    if len(wheels) != 1:
        sys.exit(f"expected one wheel in dist/, found {len(wheels)}; run make wheel")
    return wheels[0]


def check_contents(wheel: Path) -> None:
    """What is in the wheel: the packages, the demo traces, the licence, and nothing else."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    info = f"sim_arena-{PROJECT['project']['version']}.dist-info"
    tops = {PurePosixPath(name).parts[0] for name in names}
    assert tops == {*PACKAGES, info}, f"unexpected in the wheel: {tops ^ {*PACKAGES, info}}"
    needed = {f"{package}/{file}" for package in PACKAGES for file in ("__init__.py", "py.typed")}
    needed |= {"traces/demo/manifest.json", f"{info}/licenses/LICENSE"}
    assert needed <= set(names), f"missing in the wheel: {sorted(needed - set(names))}"
    stray = [name for name in names if "__pycache__" in name or "/tests/" in name]
    assert stray == [], f"does not belong into the wheel: {stray}"


def constraints(folder: Path) -> Path:
    """The versions of the lock, without hashes: those of a local wheel cannot be known."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]+?) *\\?$", lock, flags=re.MULTILINE)
    path = folder / "constraints.txt"
    path.write_text("\n".join(pins) + "\n", "utf-8")
    return path


class Environment:
    """An environment of its own, used from outside of the checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "environment" / "bin"
        venv.create(folder / "environment", with_pip=True)

    def run(self, *command: str | Path) -> str:
        """Run a program of the environment; give its output, or end with all that it said."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        kept |= {"PREFECT_HOME": str(self.folder / "prefect"), "PYTHONWARNINGS": "error"}
        if command[0] == "pip":  # its own warnings are not ours to mend
            command = ("python", "-W", "ignore", "-m", *command)
        done = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.folder,
            env=kept,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            words = " ".join(map(str, command))
            sys.exit(f"{words}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def try_out(environment: Environment) -> None:
    version = environment.run("sim-arena", "--version").strip()
    assert PROJECT["project"]["version"] in version, version
    say(f"sim-arena --version: {version}")

    demo = Path(environment.run("python", "-c", FIND_DEMO).strip()) / "demo"
    assert demo.is_relative_to(environment.folder.resolve()), f"not the installed one: {demo}"
    first = min(demo.glob("*.sktrace"))
    answer = json.loads(environment.run("sim-arena", "simulate", "--trace", first, "--json"))
    for workload in answer["at"][-1]["workloads"]:
        assert workload["total"] >= workload["ready"] >= 0, workload
    say(f"sim-arena simulate --trace {first.name}: {len(answer['at'][-1]['workloads'])} workloads")

    environment.run("python", "-c", PLAY, demo)
    said = environment.run("sim-arena", "report", "latest").strip()
    text = (environment.folder / said.removeprefix("Report: ")).read_text("utf-8")
    assert text.startswith("<!doctype html>"), text[:200]
    for part in ('id="success"', 'id="timeline"', "--paper:"):  # of the template and of its style
        assert part in text, f"not in the report: {part}"
    say(f"sim-arena report: {len(text) / 1024:.0f} KiB")


def main() -> None:
    wheel = the_wheel()
    check_contents(wheel)
    say(f"{wheel.name}: {wheel.stat().st_size / 1024:.0f} KiB; installing it where nothing is ...")
    with tempfile.TemporaryDirectory(prefix="sim-arena-wheel-") as name:
        folder = Path(name).resolve()
        environment = Environment(folder)
        pins = constraints(folder)
        environment.run("pip", "install", "--quiet", "--no-compile", "-c", pins, wheel)
        environment.run("pip", "check")
        try_out(environment)
    say("The wheel works outside of the checkout.")


if __name__ == "__main__":
    main()
