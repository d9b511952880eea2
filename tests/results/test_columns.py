import pytest

from results import Column, ResultsError, check_row


def test_every_column_tells_what_it_means(columns):
    assert all(column.meaning for column in columns)


def test_a_missing_value_is_none(columns):
    assert check_row({}, columns) == {column.name: None for column in columns}


def test_a_key_that_is_no_column_is_named(columns):
    with pytest.raises(ResultsError, match="no columns: surprise"):
        check_row({"surprise": 1}, columns)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", True),
        ("int", 1.0),
        ("int", 2**63),
        ("float", float("nan")),
        ("float", float("inf")),
        ("float", "1"),
        ("bool", 1),
        ("str", 1),
        ("str", "\ud800"),
        ("time", "yesterday"),
        ("time", "2026-01-31T12:00:00"),
        ("json", {1, 2}),
        ("json", [float("nan")]),
        ("counts", {"a": 1.5}),
        ("counts", [("a", 1)]),
        ("names", "abc"),
        ("names", [1]),
    ],
)
def test_a_value_of_another_type_is_refused(kind, value):
    with pytest.raises(ResultsError, match=f"'x' holds values of type '{kind}'"):
        Column("x", kind, "", "any").check(value)


def test_a_time_is_written_in_utc():
    column = Column("at", "time", "", "a moment")
    assert column.check("2026-01-31T13:00:00+01:00") == "2026-01-31T12:00:00.000000+00:00"


def test_an_entry_of_structs_is_checked_field_by_field():
    column = Column("c", "structs", "", "entries", (Column("n", "int", "", "number"),))
    assert column.check([{"n": 1}, {}]) == [{"n": 1}, {"n": None}]
    with pytest.raises(ResultsError, match="'n' holds"):
        column.check([{"n": "one"}])


def test_a_type_that_is_unknown_is_refused():
    with pytest.raises(ResultsError, match="use one of: int"):
        Column("x", "number", "", "any")  # type: ignore[arg-type] # the fault that is tested


def test_fields_belong_to_structs_only():
    with pytest.raises(ResultsError, match="fields"):
        Column("x", "structs", "", "any")
