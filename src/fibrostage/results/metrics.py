"""metrics.json: what a finished run found, typed; the same for supervised runs and for those that asked.

The names of the keys are a contract with the scripts that read them. A supervised run has `n_training`, `flow`,
`pictures` and, where the plan asks for it, `training`; one that asked has `strategy` and what goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json, read_json, write_json
from fibrostage.ground.notebook import html_in_notebook
from fibrostage.ground.stage import Staging
from fibrostage.plan.split import SplitPlan
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.evaluate import Evaluation


def read_estimate(value: object) -> object:
    """An estimate from the object that JSON holds; anything else is left to the validator."""
    if not isinstance(value, Mapping):
        return value
    return Estimate(value["value"], value["lo"], value["hi"], value.get("why", ""))


InJson = Annotated[Estimate, BeforeValidator(read_estimate), PlainSerializer(lambda estimate: estimate.as_dict())]


class Record(BaseModel):
    """A part of metrics.json; keys that later versions add are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)


class CutFigures(Record):
    """Calibration in the large and slope of the probabilities at a cut."""

    intercept: InJson
    slope: InJson


class SetFigures(Record):
    """How often the set of stages that stay possible holds the true one, of all patients and of each stage's; `asked`
    is how often it should. `mean_size` is how many stages a set holds."""

    asked: float
    covered: InJson
    by_stage: dict[str, InJson]
    mean_size: float


class PatientFigures(Record):
    """Figures of a set of patients. `confusion[i][j]`: patients of true stage i called j. What runs from before did not
    say is None, or empty."""

    n_patients: int
    classes: tuple[str, ...]
    n_by_stage: dict[str, int]
    accuracy: InJson
    auc_macro: InJson
    auc_at_cut: dict[str, InJson]
    confusion: tuple[tuple[int, ...], ...]
    kappa: InJson | None = None
    within_one: InJson | None = None
    recall: dict[str, InJson] = {}
    log_loss: InJson | None = None
    brier: InJson | None = None
    calibration: dict[str, CutFigures] = {}


class PictureFigures(Record):
    """AUC at each cut over pictures, with the patient as the cluster."""

    n_pictures: int
    n_patients: int
    auc_at_cut: dict[str, InJson]


class TrainingFigures(PatientFigures):
    """Figures of the training cohort; `pictures` is None where a candidate is several pictures."""

    pictures: PictureFigures | None


class CohortName(Record):
    """Which cohort a run is of."""

    name: str
    fingerprint: str


class ParticipantFlow(Record):
    """Who came, who left and why, who is studied; `training` and `test` where one division holds for all."""

    enrolled: int
    excluded: dict[str, int]
    studied: int
    unlabelled: int
    pictures: int
    pictures_left_out: int
    test: int | None = None
    training: int | None = None

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds: no key for a cohort that is not told."""
        return self.model_dump(mode="json", exclude_none=True)


class Cost(Record):
    """What has been asked so far, in every currency. `cost` is in the units of the plan's [cost]."""

    candidates: int
    images: int
    patients: int
    cost: float


class RunHead(Record):
    """What every run says of itself beside its figures."""

    method: str
    simulated: bool
    caveats: tuple[str, ...]
    cohort: CohortName
    seed: int
    confidence: float
    split: SplitPlan
    tool: str
    versions: dict[str, str]
    notice: str


class Metrics(PatientFigures, RunHead):
    """metrics.json as a whole, of test patients unless said otherwise. `best_reader` is what the best reader of a
    simulated cohort reaches with the same modalities; `deployed` on how many patients the network for new patients was
    fitted, where everybody trained it and nobody was left to test it on."""

    n_training: int | None = None
    deployed: int | None = None
    sets: SetFigures | None = None
    flow: ParticipantFlow | None = None
    pictures: PictureFigures | None = None
    training: TrainingFigures | None = None
    best_reader: dict[str, float] = {}
    strategy: str | None = None
    strategy_title: str | None = None
    unit: str | None = None
    fold: str | None = None
    labelled: Cost | None = None
    pool: int | None = None
    rounds: int | None = None
    stopped: str | None = None

    @property
    def staging_cuts(self) -> tuple[str, ...]:
        return tuple(self.auc_at_cut)

    def staging(self, name: str) -> Staging:
        """The stages that the run told apart, under a system's name."""
        return Staging(name, self.classes, self.staging_cuts)

    def _repr_html_(self) -> str | None:
        return html_in_notebook(self)

    def as_dict(self) -> dict[str, Json]:
        """The JSON object: figures first, then what the run is; a run has the keys of its own kind alone."""
        content = self.model_dump(mode="json")
        order = [*PatientFigures.model_fields, *RunHead.model_fields]
        if self.strategy is None:
            order += ["n_training", "flow", "pictures"] + (["training"] if self.training is not None else [])
        else:
            order += ["strategy", "strategy_title", "unit", "fold", "labelled", "pool", "rounds", "stopped"]
            order += ["flow"] if self.flow is not None else []
        order += ["best_reader"] if self.best_reader else []
        order += ["sets"] if self.sets is not None else []
        order += ["deployed"] if self.deployed is not None else []
        result = {key: content[key] for key in order}
        if self.flow is not None:
            result["flow"] = self.flow.as_dict()
        for part in (result, result.get("training")):
            if part is not None and "pictures" in part and part["pictures"] is None:
                part["pictures"] = {}
        return result


def patient_figures(evaluation: Evaluation) -> dict[str, object]:
    """The fields of `PatientFigures`, of an evaluation."""
    classes, at_cuts = evaluation.staging.classes, evaluation.calibration.items()
    return {
        "n_patients": evaluation.n_patients,
        "classes": classes,
        "n_by_stage": dict(zip(classes, evaluation.confusion.sum(axis=1).tolist(), strict=True)),
        "accuracy": evaluation.accuracy,
        "auc_macro": evaluation.auc_macro,
        "auc_at_cut": evaluation.auc_at_cut,
        "confusion": tuple(map(tuple, evaluation.confusion.tolist())),
        "kappa": evaluation.kappa,
        "within_one": evaluation.within_one,
        "recall": evaluation.recall,
        "log_loss": evaluation.log_loss,
        "brier": evaluation.brier,
        "calibration": {cut: {"intercept": one.intercept, "slope": one.slope} for cut, one in at_cuts},
    }


def write_metrics(path: Path, metrics: Metrics) -> None:
    """Writes metrics.json, whole or not at all; raises `RunError`."""
    write_json(path, metrics.as_dict())


def read_metrics(path: Path) -> Metrics:
    """Reads metrics.json of this version or an earlier one; raises `RunError` when it is missing or damaged."""
    content = read_json(path)
    for part in (content, content.get("training")):
        if isinstance(part, dict) and part.get("pictures") == {}:
            part["pictures"] = None
    try:
        return Metrics.model_validate(content)
    except (ValidationError, KeyError) as error:
        raise RunError(f"{path} is damaged: {told(error)} is missing or not what it must be") from None


def told(error: ValidationError | KeyError) -> str:
    """Where the first fault of a record is."""
    if isinstance(error, KeyError):
        return str(error)
    return repr(".".join(map(str, error.errors()[0]["loc"])))
