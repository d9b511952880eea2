"""What is done afterwards is done once, and hides no error."""

import pytest

from sim_arena.afterwards import afterwards


def test_it_is_done_once_where_all_goes_well() -> None:
    done: list[str] = []
    with afterwards(lambda: done.append("after"), Exception):
        done.append("before")
    assert done == ["before", "after"]


@pytest.mark.parametrize("error", [ValueError("first"), KeyboardInterrupt("first")])
def test_the_first_error_stays_the_one_that_is_raised(error: BaseException) -> None:
    def fails() -> None:
        raise OSError("second")

    with pytest.raises(type(error), match="first") as told, afterwards(fails, BaseException):
        raise error
    assert told.value.__notes__ == ["after this, OSError: second"]


def test_its_own_error_is_raised_where_there_is_no_other() -> None:
    def fails() -> None:
        raise OSError("second")

    with pytest.raises(OSError, match="second"), afterwards(fails, Exception):
        pass


def test_other_errors_go_by() -> None:
    done: list[str] = []
    with (
        pytest.raises(KeyboardInterrupt),
        afterwards(lambda: done.append("after"), Exception),
    ):
        raise KeyboardInterrupt
    assert done == []
