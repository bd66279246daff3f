"""Diverse: in turn over patients, those asked least first; within a turn by score.

A biopsy gives one stage to a patient, so a second candidate of a patient brings a picture but no new answer.
"""

from fibrostage.active.modifiers.spec import Modifier

MODIFIER = Modifier("diverse", "diverse", in_turn=True)
