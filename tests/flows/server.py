"""What the tests ask of the Prefect server that they share."""

from typing import Any

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType

__all__ = ["last_run"]


def last_run(client: Any) -> Any:
    """Return the flow run that began last; a schedule of another test may have made later ones."""
    begun = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[StateType.SCHEDULED]))
    )
    [run] = client.read_flow_runs(flow_run_filter=begun, limit=1, sort="EXPECTED_START_TIME_DESC")
    return run
