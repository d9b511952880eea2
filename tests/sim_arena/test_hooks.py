import os
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pydantic import ValidationError

from sim_arena.errors import HookError
from sim_arena.hooks import ALLOW_CODE, code_allowed, context, names_code, run_hooks
from sim_arena.spec import EpisodeSpec, Hook

ABOUT = {"run_id": "r", "step": "2"}


def python(code: str, **values: Any) -> Hook:
    return Hook(command=(sys.executable, "-c", code), **values)


def run(hook: Hook) -> None:
    run_hooks([hook], "pre_start", ABOUT)


def test_a_command_gets_the_context_and_its_arguments_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import os, sys; open(sys.argv[1], 'w').write(os.environ['SIM_ARENA_STEP'] + sys.argv[2])"
    )
    run(Hook(command=(sys.executable, "-c", code, str(out), "$HOME; `id`")))
    assert out.read_text() == "2$HOME; `id`"


def test_a_callable_gets_the_context() -> None:
    seen: list[dict[str, str]] = []
    run(Hook(call=seen.append))
    assert seen == [ABOUT]


def test_a_callable_may_be_named() -> None:
    run(Hook(call="json:dumps"))


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (python("raise SystemExit(3)"), "ended with exit code 3, expected 0; it printed nothing"),
        (python("print('no disk'); raise SystemExit(3)"), "its output ends with: no disk"),
        (python("import os; os.kill(os.getpid(), 9)"), "was ended by signal 9"),
        (Hook(command=("no-such-program",)), "cannot be started"),
        (Hook(call="no_such_module:thing"), "cannot be imported: ModuleNotFoundError"),
        (Hook(call="json:no_such_thing"), "cannot be imported: AttributeError"),
        (Hook(call="json:__doc__"), "is no callable: found str"),
        (Hook(call=lambda _about: 1 / 0), "raised ZeroDivisionError: division by zero"),
        (Hook(call=lambda _about: sys.exit(1)), "raised SystemExit: 1"),
    ],
)
def test_a_failure_says_what_happened(hook: Hook, told: str) -> None:
    with pytest.raises(HookError) as caught:
        run(hook)
    assert told in str(caught.value)
    assert str(caught.value).startswith("pre_start hook ")


def test_a_command_that_takes_too_long_is_stopped_with_its_children(tmp_path: Path) -> None:
    # The child holds the writing end of a pipe: it is at its end once all of them are gone.
    fifo = tmp_path / "alive"
    code = f"""
import os, signal, subprocess, sys
pipe = os.open({str(fifo)!r}, os.O_WRONLY)
child = "import signal; signal.pause()"
subprocess.Popen([sys.executable, "-c", child], pass_fds=[pipe])
signal.pause()
"""
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    with pytest.raises(HookError, match=r"did not end within 1 s and was stopped"):
        run(python(code, timeout=1))
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_callable_that_takes_too_long_is_left_behind() -> None:
    forever = Event()
    with pytest.raises(HookError, match=r"did not return within 0\.01 s; it was left behind"):
        run(Hook(call=lambda _about: forever.wait(), timeout=0.01))
    forever.set()


def test_the_first_failure_is_the_last_hook_that_runs() -> None:
    seen: list[dict[str, str]] = []
    with pytest.raises(HookError):
        run_hooks([Hook(call="json:nothing"), Hook(call=seen.append)], "post_end", ABOUT)
    assert seen == []


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"command": ["true"], "call": "json:dumps"},
        {"call": "json"},
        {"call": ":dumps"},
        {"command": ["true"], "timeout": 0},
        {"command": ["true"], "timeout": 3601},
        {"command": "rm -rf"},
    ],
)
def test_a_hook_is_one_command_or_one_call(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Hook.model_validate(values)


def test_a_callable_is_written_down_by_its_name() -> None:
    assert Hook(call=run).model_dump(mode="json")["call"] == f"{__name__}:run"


def test_code_is_named_by_hooks_and_by_module_and_attribute() -> None:
    spec = EpisodeSpec(trace="t", deploy="web", target=1, duration=1)
    assert names_code(spec) == []
    hooks = {"pre_start": (Hook(command=("ls",)),), "post_end": (Hook(call="json:dumps"),)}
    assert names_code(spec.model_copy(update={"policy": "os:system", **hooks})) == [
        "policy 'os:system'",
        "pre_start hook 'ls'",
        "post_end hook 'json:dumps'",
    ]


def test_what_simkube_would_run_is_code_too() -> None:
    hooks = {"pre_run_hooks": [{"cmd": "sh", "args": ["-c", "true"]}]}
    simkube = {"driver_image": "other/driver", "secrets": ["theirs"], "hooks": hooks}
    spec = EpisodeSpec.model_validate(
        {"trace": "t", "deploy": "web", "target": 1, "duration": 1, "simkube": simkube}
    )
    assert names_code(spec) == [
        "simkube driver_image 'other/driver'",
        "simkube secrets ('theirs',)",
        "simkube pre_run_hooks 'sh'",
    ]


@pytest.mark.parametrize(
    ("value", "allowed"), [("1", True), ("true", True), ("0", False), ("", False)]
)
def test_code_is_allowed_by_a_local_setting_only(value: str, *, allowed: bool) -> None:
    assert code_allowed({ALLOW_CODE: value}) is allowed
    assert code_allowed({}) is False


def test_the_context_is_text_only() -> None:
    spec = EpisodeSpec(trace="t", deploy="web", target=1, duration=1, run_id="r")
    about = context(spec, step=1, trace="in")
    assert about["step"] == "1"
    assert about["trace"] == "in"
    assert all(isinstance(value, str) for value in about.values())
