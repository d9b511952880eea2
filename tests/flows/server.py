"""What the tests ask of the Prefect server that they share."""

from typing import Any

from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

__all__ = ["last_run"]


def last_run(client: Any, name: str) -> Any:
    """Return the flow run that started last of those with ``name`` in their name.

    The server is shared with tests whose workers play scheduled runs in the background, and one of
    those may have been cancelled before it started: neither is to be mistaken for the test's own.
    """
    named = FlowRunFilter(name=FlowRunFilterName(like_=name))
    runs = client.read_flow_runs(flow_run_filter=named, limit=1, sort="START_TIME_DESC")
    assert runs, f"no flow run has {name!r} in its name"
    return runs[0]
