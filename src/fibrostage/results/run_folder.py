"""A run's folder: plan.json, metrics.json, predictions.parquet, participants.parquet, log.jsonl (curve.parquet,
round_predictions.parquet, ledger, models beside).

The only place that knows how a run's files are called. Everything is written to a temporary name and renamed, so that a
killed run leaves whole files or none. Nothing here knows of torch: reports read the same folders.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fibrostage.ground.errors import RunError, StatisticsError
from fibrostage.ground.files import PARTIAL, Json, JsonObject, read_json, refuse_bucket, replace_file, sweep, write_json
from fibrostage.results.metrics import Metrics, read_metrics, write_metrics
from fibrostage.stats.calling import Calling, calling_from

PLAN, METRICS, LOG = "plan.json", "metrics.json", "log.jsonl"
CHOSEN = "chosen"  # the event of a log that says what was settled on the training patients of a fold
MODEL, STATE, TENSORS = "model", "state", ".safetensors"


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def plan_file(self) -> Path:
        return self.path / PLAN

    @property
    def metrics_file(self) -> Path:
        return self.path / METRICS

    @property
    def predictions_file(self) -> Path:
        return self.path / "predictions.parquet"

    @property
    def participants_file(self) -> Path:
        """Who trains and tests, and what is known of them; runs from before it was kept have none."""
        return self.path / "participants.parquet"

    @property
    def by_modality_file(self) -> Path:
        """What is said of test patients where modalities are withheld; runs of one modality, and those from before it
        was kept, have none."""
        return self.path / "by_modality.parquet"

    @property
    def curve_file(self) -> Path:
        return self.path / "curve.parquet"

    @property
    def round_predictions_file(self) -> Path:
        """What every round's model said of each test patient; runs from before it was kept have none."""
        return self.path / "round_predictions.parquet"

    @property
    def log_file(self) -> Path:
        return self.path / LOG

    @property
    def attributions_file(self) -> Path:
        return self.path / "attributions.parquet"

    @property
    def attribution_maps_file(self) -> Path:
        return self.path / "attributions.npz"

    @property
    def examples_file(self) -> Path:
        """Patients called rightly and wrongly; it and its pictures are there where `explain --examples` was called."""
        return self.path / "examples.json"

    @property
    def example_pictures_file(self) -> Path:
        return self.path / "examples.npz"

    @property
    def loop_file(self) -> Path:
        """What says that this is a loop's folder: it is never finished, and its model is the last round's."""
        return self.path / "loop.json"

    @property
    def intake_file(self) -> Path:
        """The plan that the run's cohort was taken in with: pictures that come later are read the same way."""
        return self.path / "intake.json"

    @property
    def begun(self) -> bool:
        return self.plan_file.is_file()

    @property
    def finished(self) -> bool:
        return self.metrics_file.is_file()

    def model_file(self, fold: str | None = None) -> Path:
        """The network of a fold, or of a run that has one."""
        return self.path / f"{MODEL}{'' if fold is None else f'-{fold}'}{TENSORS}"

    @property
    def deployed_file(self) -> Path:
        """The network that was fitted on everybody, for new patients; nobody was left to test it on."""
        return self.model_file("all")

    def models(self) -> list[Path]:
        """The networks that stage new patients: the one fitted on everybody, or those of every fold."""
        return [self.deployed_file] if self.deployed_file.is_file() else self.fold_models()

    def fold_models(self) -> list[Path]:
        """The networks of every fold, which have not seen the patients whom it tests."""
        return sorted(path for path in self.path.glob(f"{MODEL}*{TENSORS}") if path != self.deployed_file)

    def state_file(self, round_: int) -> Path:
        """What the model had learned by the end of a round, for going on from there."""
        return self.path / f"{STATE}-{round_}{TENSORS}"

    def reserve_file(self, round_: int) -> Path:
        """What a round's model says of the patients who are kept for audits."""
        return self.path / f"reserve-{round_}.parquet"

    def states(self) -> list[Path]:
        """Lists the state files of the run's rounds, by name."""
        return sorted(self.path.glob(f"{STATE}-*{TENSORS}"))

    def forget_states(self, but: int) -> None:
        """Removes what earlier rounds had learned, once round `but` is closed."""
        for path in self.states():
            number = path.stem.removeprefix(f"{STATE}-")
            if not number.isdigit() or int(number) < but:
                path.unlink(missing_ok=True)

    def read_plan(self) -> dict[str, Json]:
        """Reads the run's saved plan as JSON; raises `RunError` when it is missing or damaged."""
        return read_json(self.plan_file)

    def write_plan(self, plan: JsonObject) -> None:
        """Writes the run's plan, whole or not at all; raises `RunError` where that cannot be done."""
        write_json(self.plan_file, plan)

    def write_intake(self, plan: JsonObject | None) -> None:
        """Keeps the plan that the run's cohort was taken in with, where it is known; raises `RunError` where that
        cannot be done."""
        if plan is not None:
            write_json(self.intake_file, plan)

    def read_metrics(self) -> Metrics:
        """Reads the run's figures; raises `RunError` when they are missing or damaged."""
        return read_metrics(self.metrics_file)

    def write_metrics(self, metrics: Metrics) -> None:
        """Writes the run's figures, whole or not at all; raises `RunError` where that cannot be done."""
        write_metrics(self.metrics_file, metrics)

    def read_predictions(self) -> pl.DataFrame:
        """Reads the run's predictions, a row a candidate; raises `RunError` when they are missing or damaged."""
        return read_parquet(self.predictions_file)

    def read_participants(self) -> pl.DataFrame | None:
        """Reads who trains and tests; None where the run kept nothing of them. Raises `RunError` when damaged."""
        return read_parquet(self.participants_file) if self.participants_file.is_file() else None

    def read_callings(self) -> dict[str, Calling]:
        """By fold, what was settled on its training patients, as the run's log has it; empty where nothing was.

        Raises `RunError` where the log cannot be read.
        """
        found: dict[str, Calling] = {}
        try:
            for line in self.log_file.read_text(encoding="utf-8").splitlines() if self.log_file.is_file() else ():
                event = json.loads(line)
                if event.get("event") == CHOSEN and isinstance(event.get("calling"), dict):
                    found[str(event["fold"])] = calling_from(event["calling"])
        except (OSError, ValueError, KeyError, AttributeError, StatisticsError) as error:
            raise RunError(f"{self.log_file} is damaged: {error}") from None
        return found

    def log(self, **event: Json) -> None:
        """Adds one line to the run's log."""
        line = json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **event}, ensure_ascii=False)
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def make(self) -> None:
        """Makes the folder, empty but for the log; raises `RunError` when there is something in it already."""
        self.check_free()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            sweep(self.path)
            self.log_file.touch()
        except OSError as error:
            raise RunError(f"cannot write to {self.path}: {error.strerror}") from None

    def check_free(self) -> None:
        """Raises `RunError` when something is there already, unless a run was killed before its plan was whole."""
        out = self.path
        refuse_bucket(out)
        if out.exists() and (not out.is_dir() or any(not stillborn(file) for file in out.iterdir())):
            raise RunError(f"{out} is not empty; a run is never overwritten, choose another --out")


def stillborn(file: Path) -> bool:
    """Whether this is what a run leaves that is killed before its plan is whole: an empty log, a part of the plan."""
    part_of_plan = file.name.startswith(f".{PLAN}.") and file.name.endswith(PARTIAL)
    return part_of_plan or (file.name == LOG and file.stat().st_size == 0)


def write_parquet(path: Path, table: pl.DataFrame) -> None:
    """Writes a table, whole or not at all; raises `RunError`."""
    replace_file(path, table.write_parquet)


def read_parquet(path: Path) -> pl.DataFrame:
    """Reads a table; raises `RunError` when it is missing or damaged."""
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(f"cannot read {path}: {error}") from None
