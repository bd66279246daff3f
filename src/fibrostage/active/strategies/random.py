"""RAND: any candidate is as good as another (MMFN paper §3.2.2); the baseline of every strategy."""

from fibrostage.active.strategies.spec import Known, Strategy

STRATEGY = Strategy("random", "RAND", "noise", Known.drawn)
