"""Turns on a real cluster: who waits says so, and a run that was killed keeps nobody out."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from threading import Thread

import pytest
from prefect.client.orchestration import get_client

from tasks.turns import limit_name, turn

KILLED = """
import os, signal
from tasks.turns import turn

with turn("kwok:killed"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
TWO = """
import json
from threading import Thread
from tasks.turns import turn

seen = []

def play(number):
    with turn("kwok:killed"):
        seen.append(number)
        threads[1 - number].join(0.2) if threads[1 - number].ident else None
        seen.append(number)

threads = [Thread(target=play, args=(number,)) for number in range(2)]
for one in threads:
    one.start()
for one in threads:
    one.join()
print(json.dumps(seen))
"""


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_server")
def test_who_waits_for_a_slot_says_so(caplog: pytest.LogCaptureFixture) -> None:
    name = limit_name("kwok:busy")
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
        had = client.increment_concurrency_slots_with_lease([name], 1, "concurrency", 60).json()
        done: list[bool] = []

        def play() -> None:
            with turn("kwok:busy"):
                done.append(True)

        waiting = Thread(target=copy_context().run, args=(play,))  # Prefect's settings are there
        waiting.start()
        while waiting.is_alive() and "waiting for a slot" not in caplog.text:
            waiting.join(0.1)
        assert not done
        assert f"prefect gcl update {name} --active-slots 0" in caplog.text
        client.release_concurrency_slots_with_lease(had["lease_id"])
        waiting.join()
    assert done


def test_a_killed_run_keeps_nobody_from_the_cluster(tmp_path: Path) -> None:
    """On servers that live as long as a run, which share a database."""
    alone = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    alone |= {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    alone |= {"PREFECT_PROFILES_PATH": str(tmp_path / "profiles.toml"), "DO_NOT_TRACK": "1"}

    def run(program: str) -> tuple[int, str]:
        """Not by pipes: the server of a killed run lives on, and would hold them open."""
        out = tmp_path / "out"
        with out.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", program], env=alone, stdout=file, start_new_session=True
            )
            code = process.wait(120)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return code, out.read_text()

    assert run(KILLED)[0] == -signal.SIGKILL
    code, told = run(TWO)
    assert code == 0
    assert json.loads(told.splitlines()[-1]) in ([0, 0, 1, 1], [1, 1, 0, 0])
