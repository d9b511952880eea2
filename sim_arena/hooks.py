"""Hooks: what a user has run before a step's simulation and after its observation.

A hook is a command, or a Python callable. It has a time limit; its failure is an error of the
step. A command gets the context as environment variables (`SIM_ARENA_RUN_ID`, ...), a callable
gets it as a dict (`{"run_id": ..., ...}`).
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from operator import attrgetter
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, Any, cast

from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.errors import HookError
from sim_arena.spec import EpisodeSpec, Hook

__all__ = [
    "ALLOW_CODE",
    "code_allowed",
    "code_of_simkube",
    "context",
    "names_code",
    "run_hooks",
]

ALLOW_CODE = "SIM_ARENA_ALLOW_CODE"
"""Set to 1 on a Prefect worker, this lets parameters name code: hooks, `module:attribute`."""

_TOLD = 2000  # bytes of a command's output that its error repeats


def code_allowed(environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether this machine's owner lets parameters that come from elsewhere name code."""
    return environment.get(ALLOW_CODE, "").strip().lower() in {"1", "true", "yes"}


def names_code(spec: EpisodeSpec) -> list[str]:
    """Return what of a specification would run code that its author names."""
    named = [f"policy {spec.policy!r}"] if ":" in spec.policy else []
    named += [f"pre_start hook {str(hook)!r}" for hook in spec.pre_start]
    named += [f"post_end hook {str(hook)!r}" for hook in spec.post_end]
    return named + code_of_simkube(spec.simkube)


def code_of_simkube(settings: SimKubeSettings) -> list[str]:
    """Return what of SimKube's settings would run code in its controller or driver, or feed it.

    The driver's image and arguments, Secrets that become its environment, and SimKube's hooks.
    """
    usual = SimKubeSettings()
    named = [
        f"simkube {name} {getattr(settings, name)!r}"
        for name in ("driver_image", "driver_args", "secrets")
        if getattr(settings, name) != getattr(usual, name)
    ]
    return named + [
        f"simkube {when} {hook.cmd!r}" for when, hooks in settings.hooks for hook in hooks
    ]


def context(spec: EpisodeSpec, *, step: int, trace: str) -> dict[str, str]:
    """Return what a hook gets to know of the step that it runs in."""
    return {
        "run_id": str(spec.run_id),
        "episode": str(spec.episode),
        "step": str(step),
        "trace": trace,
        "namespace": spec.namespace or "",
        "deploy": spec.deploy,
        "cluster": spec.cluster,
    }


def run_hooks(hooks: Iterable[Hook], event: str, about: Mapping[str, str]) -> None:
    """Run hooks one after another.

    Args:
        hooks: the hooks; the first that fails is the last that runs
        event: `pre_start` or `post_end`, for the error
        about: the context, see `context`

    Raises:
        HookError: a hook failed, or took longer than it may
    """
    for hook in hooks:
        what = f"{event} hook {str(hook)!r}"
        if hook.command:
            _run_command(hook, what, about)
        else:
            _call(hook, what, dict(about))


def _run_command(hook: Hook, what: str, about: Mapping[str, str]) -> None:
    """Run a command in a process group of its own, so that its children can be ended with it.

    Its output goes to a file and not to a pipe: a child that outlives the command would keep a
    pipe open, and reading from it would outlast the time limit.
    """
    variables = {f"SIM_ARENA_{name.upper()}": value for name, value in about.items()}
    with TemporaryFile() as output:
        try:
            process = subprocess.Popen(  # noqa: S603 # running what the user names is the purpose
                hook.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | variables,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise HookError(f"{what} cannot be started: {error}; check its program") from error
        try:
            code = process.wait(hook.timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise HookError(
                f"{what} did not end within {hook.timeout:g} s and was stopped; "
                f"make it faster or raise its timeout{_tail(output)}"
            ) from None
        except BaseException:  # an interrupted or cancelled step leaves nothing running
            _end(process)
            raise
        if code != 0:
            ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise HookError(f"{what} {ended}, expected 0{_tail(output)}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a command and its children."""
    # macOS gives PermissionError for a group in which only a zombie is left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(output: IO[bytes]) -> str:
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _TOLD))
    text = output.read().decode(errors="replace").strip()
    return f"; its output ends with: {text}" if text else "; it printed nothing"


def _call(hook: Hook, what: str, about: dict[str, str]) -> None:
    """Call a callable in a thread, to be able to stop waiting for it.

    Python cannot end a thread: a callable that takes too long is left behind, as a daemon that
    does not keep the process alive.
    """
    function = _function(hook, what)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            function(about)
        except BaseException as error:  # noqa: BLE001 # told to the waiting thread, whatever it is
            failures.append(error)

    thread = Thread(target=run, name=what, daemon=True)
    thread.start()
    thread.join(hook.timeout)
    if thread.is_alive():
        raise HookError(
            f"{what} did not return within {hook.timeout:g} s; it was left behind: "
            "make it faster or raise its timeout"
        )
    if failures:
        raise HookError(f"{what} raised {type(failures[0]).__name__}: {failures[0]}") from failures[
            0
        ]


def _function(hook: Hook, what: str) -> Callable[[dict[str, str]], object]:
    if callable(hook.call):
        return hook.call
    module, _, attribute = str(hook.call).partition(":")
    try:
        function: Any = attrgetter(attribute)(import_module(module))
    except Exception as error:
        raise HookError(
            f"{what} cannot be imported: {type(error).__name__}: {error}; expected module:attribute"
        ) from error
    if not callable(function):
        raise HookError(f"{what} is no callable: found {type(function).__name__}")
    return cast("Callable[[dict[str, str]], object]", function)
