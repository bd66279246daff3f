"""Which stages there are, and what a network learns to tell apart."""

from __future__ import annotations

from fibrostage.ground.errors import PlanError
from fibrostage.ground.stage import KNOWN, Staging
from fibrostage.plan.section import PlanSection


class StagingPlan(PlanSection):
    """A known system by name (METAVIR, Scheuer, Ishak), or any ordered list of classes."""

    name: str = "METAVIR"
    """METAVIR, Scheuer, Ishak, or your own with `classes`."""
    classes: tuple[str, ...] | None = None
    """The stages in order, mildest first; without them the known system's."""
    cuts: tuple[str, ...] | None = None
    """Binary tasks "at or above" a stage; without them the known system's, or one at every stage but the first."""
    task: str | None = None
    """A cut: the network learns "at or above it" instead of every stage. Splits stay those of the stages."""

    def resolve(self) -> Staging:
        """What the network learns to tell apart."""
        whole = self.whole()
        return whole if self.task is None else whole.at(self.task)

    def whole(self) -> Staging:
        """Returns the system that patients are labelled in.

        Raises `PlanError` where the name is of no known system and no classes are given, where the classes are not
        those of the known system, and where no `Staging` can be made of classes and cuts.
        """
        known = KNOWN.get(self.name)
        if self.classes is None and known is None:
            raise PlanError(
                f"staging.name = {self.name!r} is not a known system ({', '.join(KNOWN)}); "
                "give staging.classes as an ordered list, mildest first"
            )
        classes = self.classes if self.classes is not None else known.classes  # type: ignore[union-attr]
        if known is not None and classes != known.classes:
            raise PlanError(
                f"staging.name = {self.name!r} has classes {list(known.classes)}, got {list(classes)}; "
                "give your own system another name"
            )
        default_cuts = known.cuts if known is not None else classes[1:]
        return Staging(self.name, classes, self.cuts if self.cuts is not None else default_cuts)
