"""Words with numbers, as every message and page writes them."""

__all__ = ["many", "rewarded"]


def many(number: int, noun: str) -> str:
    """Return how many there are of something: `1 step`, `2,000 steps`.

    Args:
        number: how many
        noun: in the singular, one that gets an `s`
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def rewarded(reward: float | None) -> str:
    """Return what a step was worth; None where health could not be told."""
    return "not assessable" if reward is None else f"reward {reward:g}"
