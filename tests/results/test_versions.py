"""Runs of older versions stay readable."""

import dataclasses
import json

import pytest

from results import SCHEMA_VERSION, UPGRADES, Column, ResultsError, Upgrade, versions


@pytest.fixture
def _next_version(monkeypatch):
    """Pretend that the next version renamed `seed` to `episode_seed`, and is this one."""

    def columns(old: tuple[Column, ...]) -> tuple[Column, ...]:
        return tuple(
            dataclasses.replace(column, name="episode_seed") if column.name == "seed" else column
            for column in old
        )

    def row(old):
        old["episode_seed"] = old.pop("seed")
        return old

    monkeypatch.setitem(UPGRADES, SCHEMA_VERSION, Upgrade(columns, row))
    for module in ("versions", "dataset"):
        monkeypatch.setattr(f"results.{module}.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setitem(versions.upgrade_row.__kwdefaults__, "to", SCHEMA_VERSION + 1)
    monkeypatch.setitem(versions.upgrade_columns.__kwdefaults__, "to", SCHEMA_VERSION + 1)


def test_there_is_a_way_from_every_version_to_this_one():
    assert sorted(UPGRADES) == list(range(1, SCHEMA_VERSION))


@pytest.fixture
def old_run(run, row):
    run.append_step(row(step=0, seed=5))
    run.write_parquet()
    run.append_step(row(step=1, seed=6))
    return run


def test_old_lines_and_old_parquet_are_upgraded(old_run, request):
    request.getfixturevalue("_next_version")
    steps = old_run.read_steps()
    assert [step["episode_seed"] for step in steps] == [5, 6]
    assert {step["schema_version"] for step in steps} == {SCHEMA_VERSION + 1}
    table = old_run.read_table()
    assert table.column("episode_seed").to_pylist() == [5]
    assert table.schema.metadata[b"schema_version"] == str(SCHEMA_VERSION + 1).encode()


def test_a_newer_version_is_refused(run, row):
    run.append_step(row())
    step = json.loads(run.journal_path.read_text())
    run.journal_path.write_text(json.dumps({**step, "schema_version": 99}) + "\n")
    with pytest.raises(
        ResultsError, match=f"version 99, this program reads up to {SCHEMA_VERSION}"
    ):
        run.read_steps()


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_that_never_was_is_refused(run, row, version):
    run.append_step(row())
    step = json.loads(run.journal_path.read_text())
    run.journal_path.write_text(json.dumps({**step, "schema_version": version}) + "\n")
    with pytest.raises(ResultsError, match="there is no way from"):
        run.read_steps()


def test_a_line_without_a_version_is_refused(run):
    run.journal_path.write_text('{"episode": 0}\n')
    with pytest.raises(ResultsError, match="expected a row with an integer schema_version"):
        run.read_steps()
