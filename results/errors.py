"""What is wrong with a run's files."""

__all__ = ["ResultsError", "ResultsNotice"]


class ResultsError(Exception):
    """A run's file is missing, damaged, or was given a row that does not fit its columns.

    The message says in one line what was expected, what was found, and what to do.
    """


class ResultsNotice(UserWarning):
    """Something about a run's files that is worth knowing and harms nothing."""
