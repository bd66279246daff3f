"""An estimate with its interval, and Wilson's interval of a proportion."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtri

from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.files import Json


@dataclass(frozen=True)
class Estimate:
    """A figure with its confidence interval; where it is not defined, all three are None and `why` says so.

    `se` is the standard error of figures that have one.
    """

    value: float | None
    lo: float | None
    hi: float | None
    why: str = ""
    se: float | None = None

    def as_dict(self) -> dict[str, Json]:
        result: dict[str, Json] = {"value": self.value, "lo": self.lo, "hi": self.hi}
        if self.why:
            result["why"] = self.why
        return result

    def __str__(self) -> str:
        if self.value is None:
            return f"– ({self.why})"
        if self.lo is None or self.hi is None:
            return f"{self.value:.3f} ({self.why})" if self.why else f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.lo:.3f}–{self.hi:.3f}]"


def quantile(confidence: float) -> float:
    """The normal quantile of a two-sided interval; raises `StatisticsError` outside (0, 1)."""
    if not 0 < confidence < 1:
        raise StatisticsError(f"a confidence lies between 0 and 1, got {confidence}")
    return float(ndtri(0.5 + confidence / 2))


def undefined(why: str) -> Estimate:
    """Returns an estimate that has no value, with the reason."""
    return Estimate(None, None, None, why)


def wilson(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """Returns a proportion with Wilson's score interval (Wilson 1927): `successes` 24 of `n` 34 is 0.71 [0.54–0.83].

    Raises `StatisticsError` where `n` is less than 1, `successes` does not lie in 0 … n, or `confidence` does not lie
    between 0 and 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise StatisticsError(f"a proportion needs 0 ≤ successes ≤ n and n ≥ 1, got {successes} of {n}")
    return wilson_share(successes / n, n, confidence)


def wilson_share(p: float, n: float, confidence: float = 0.95) -> Estimate:
    """Returns a share `p` with Wilson's score interval for `n` patients, which may be an effective number.

    Raises `StatisticsError` where `n` is not above 0, `p` does not lie in 0 … 1, or `confidence` does not lie between 0
    and 1.
    """
    if not n > 0 or not 0 <= p <= 1:
        raise StatisticsError(f"a share needs n above 0 and 0 ≤ share ≤ 1, got {p:g} of {n:g}")
    z = quantile(confidence)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Estimate(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)))
