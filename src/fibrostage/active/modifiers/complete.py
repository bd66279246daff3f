"""Complete: items that lack a modality are asked last.

A biopsy costs the same whether the patient has one kind of picture or all of them, and teaches every stream at once
only where all are there.
"""

from fibrostage.active.modifiers.spec import Modifier

MODIFIER = Modifier("complete", "complete", postpones=lambda facts: facts.incomplete)
