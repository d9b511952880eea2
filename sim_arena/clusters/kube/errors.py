"""What a request to an API server can end in."""

from sim_arena.errors import ClusterError, PermanentError, TransientError

__all__ = ["ApiError", "AwayError", "RefusedError"]


class ApiError(ClusterError):
    """A request that failed.

    Attributes:
        status: the HTTP status; None where there was no answer at all.
        retry_after: the seconds that the server asked to wait for, if it did.
    """

    def __init__(
        self, message: str, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class RefusedError(ApiError, PermanentError):
    """The API server refused, in its own words: the same request will not do better."""


class AwayError(ApiError, TransientError):
    """The API server did not answer, was overloaded, or failed within: it may pass."""
