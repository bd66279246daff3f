"""ESD: entropy of the mean of n stochastic dropout passes (MMFN paper §3.2.2)."""

from fibrostage.active.strategies.spec import Strategy, entropy

STRATEGY = Strategy("esd", "ESD", "passes", lambda known: entropy(known.stages()), of_dropout=True)
