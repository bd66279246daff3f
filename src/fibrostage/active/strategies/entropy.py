"""ES: the candidate whose predicted stage has the highest entropy (MMFN paper §3.2.2)."""

from fibrostage.active.strategies.spec import Strategy, entropy

STRATEGY = Strategy("entropy", "ES", "probabilities", lambda known: entropy(known.stages()))
