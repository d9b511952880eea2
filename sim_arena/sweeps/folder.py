"""A sweep's folder: made once, opened again anywhere."""

from pathlib import Path

from pydantic import ValidationError

from results import ResultsError, Sweep, new_run_id
from results.run import ROOM_FOR_EPISODES, checked_id, make_folder
from results.store import LocalStore, store_at
from sim_arena.nodes import manifests, parse_nodes
from sim_arena.records import COLUMNS, EPISODE_COLUMNS
from sim_arena.sweeps.asked import SweepSpec
from sim_arena.sweeps.cases import digest_of, found
from sim_arena.sweeps.plan import Plan
from sim_arena.sweeps.versions import made_with
from sim_arena.sweeps.writer import holding

__all__ = ["create", "opened", "plan_of"]


def plan_of(asked: SweepSpec) -> tuple[Plan, dict[str, bytes]]:
    """Return what a sweep will play, with the files that it reads by their names in `inputs/`.

    Raises:
        TraceError, SimArenaError: a trace or its workload cannot be found, or there is nothing
    """
    cases, files = [], {}
    for case, data in found(asked):
        cases.append(case)
        files[f"{case.sha256}.sktrace"] = data
    for nodes in {*asked.nodes, *(case.nodes for case in cases)}:
        parse_nodes(nodes)  # a mistake in them is told now, and not by every episode
        if (documents := manifests(nodes)) is not None:
            files[f"{digest_of(nodes.encode())}.nodes.yaml"] = documents
    return Plan.of(asked, cases), files


def create(
    asked: SweepSpec, runs: str | Path = "runs", run_id: str | None = None
) -> tuple[Sweep, Plan]:
    """Plan a sweep and make its folder, with all that is needed to play any of its rows again.

    Args:
        asked: what to play
        runs: the folder of all runs, or its URL
        run_id: the sweep's id; a new one if None

    Raises:
        TraceError, SimArenaError: as for `plan_of`, or somebody else makes or plays it just now
        ResultsError: there is one of that id, or the folder cannot be made
    """
    plan, files = plan_of(asked)
    parameters = {"asked": asked.model_dump(mode="json"), "made_with": made_with()}
    name = new_run_id() if run_id is None else checked_id(run_id, ROOM_FOR_EPISODES)
    store = store_at(runs).at(name)
    if isinstance(store, LocalStore):
        make_folder(store.root, exist_ok=True)
    with holding(store):
        sweep = Sweep.create(
            runs,
            name,
            columns=COLUMNS,
            episode_columns=EPISODE_COLUMNS,
            parameters=parameters,
            plan=plan.document(),
            inputs=files,
        )
    return sweep, plan


def opened(place: str | Path) -> tuple[Sweep, Plan]:
    """Open a sweep and its plan.

    Raises:
        ResultsError: there is no such sweep, or a file of it is missing or damaged
    """
    sweep = Sweep.open(place)
    try:
        return sweep, Plan.from_document(sweep.read_plan())
    except (AttributeError, KeyError, TypeError, ValidationError) as error:
        raise ResultsError(
            f"{sweep.store.url}/plan.json is damaged: expected a sweep's plan, found "
            f"{' '.join(f'{type(error).__name__}: {error}'.split())[:200]}"
        ) from error
