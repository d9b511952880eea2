"""Asking the Prefect server of the tests."""

from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

import pytest

T = TypeVar("T")


def until(look: Callable[[], T | None], *, seconds: float = 300) -> T:
    """Look until there is something, for a server tells nobody when it is ready."""
    end, never = monotonic() + seconds, Event()
    while monotonic() < end:
        if found := look():
            return found
        never.wait(0.1)
    pytest.fail(f"nothing after {seconds} s")


@pytest.fixture
def eventually() -> Callable[..., Any]:
    return until


@pytest.fixture
def client(prefect_server: str) -> Iterator[Any]:  # noqa: ARG001 # it has to be up
    from prefect.client.orchestration import get_client  # noqa: PLC0415 # takes a second

    with get_client(sync_client=True) as found:
        yield found


@pytest.fixture
def artifacts(client: Any) -> Callable[[UUID], dict[str, str]]:
    """Gives the artifacts of a flow run, by their key."""

    def read(flow_run: UUID) -> dict[str, str]:
        wanted = {"artifacts": {"flow_run_id": {"any_": [str(flow_run)]}, "key": {"exists_": True}}}
        answer = client.request("POST", "/artifacts/filter", json=wanted)
        return {one["key"]: one["data"] for one in answer.json()}

    return read
