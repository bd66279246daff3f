"""Numbers as a sentence has them."""

from __future__ import annotations


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign, which is a minus and no hyphen: "+0.120", "−0.004"."""
    return f"{value:+.{digits}f}".replace("-", "−")


def signed_within(value: float, lo: float, hi: float, digits: int = 3) -> str:
    """A number with its interval, all three with their signs: "−0.004 [−0.020, +0.012]"."""
    return f"{signed(value, digits)} [{signed(lo, digits)}, {signed(hi, digits)}]"
