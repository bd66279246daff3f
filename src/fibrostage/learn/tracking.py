"""Losses and figures told to trackers while a run goes on, through Accelerate's own: none by default, and then nothing
is imported, made or computed.

They write beside the run's folder, which stays the same byte for byte. Nothing is sent anywhere: MLflow writes files,
and Weights & Biases is offline, without the computer's name, its load, code or Git.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from fibrostage import RESEARCH_USE, SIMULATED, __version__
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.files import Json
from fibrostage.learn.learner import Noted
from fibrostage.plan.commands import Reads, content_read
from fibrostage.plan.run_plan import Plan

MODULES = {"tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb"}
TITLES = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "Weights & Biases"}
SECTIONS = ("staging", "split", "network", "training", "active")  # of the plan, that trackers are told


class Watcher(Protocol):
    """What we use of Accelerate's trackers."""

    def start(self) -> None: ...

    def store_init_configuration(self, values: dict[str, Json]) -> None: ...

    def log(self, values: dict[str, float], step: int | None = None) -> None: ...

    def finish(self) -> None: ...


class Tracking:
    """A run's trackers; they are made with the first value, so that a run that fails before leaves nothing."""

    def __init__(
        self, names: Sequence[str] = (), folder: Path = Path(), about: Mapping[str, Json] | None = None
    ) -> None:
        self.names, self.folder, self.about = tuple(names), folder, dict(about or {})
        self._told: list[tuple[str, Watcher]] = []
        self._undone: list[Callable[[], None]] = []  # what puts other programs' settings back

    def epochs(self, name: str) -> Noted | None:
        """What is told the record of each epoch of a fit, under "name/loss" and so on; None where nobody is told."""
        if not self.names:
            return None
        return lambda record: self.note(name, record, int(record["epoch"]))

    def note(self, name: str, values: Mapping[str, object], step: int) -> None:
        """Tells those of `values` that are numbers, under "name/…", at an epoch or a round."""
        numbers = {
            f"{name}/{key}": float(value)
            for key, value in values.items()
            if isinstance(value, int | float) and key not in ("epoch", "round") and math.isfinite(value)
        }
        if not self.names or not numbers:
            return
        for kind, tracker in self._started():
            if kind == "wandb":  # which refuses a step that is lower than one before, as that of the next fit is
                tracker.log({**numbers, "step": float(step)})
            else:
                tracker.log(numbers, step=step)

    def _started(self) -> list[tuple[str, Watcher]]:
        if not self._told:
            for name in self.names:
                if name == "mlflow":
                    self._undone.append(keep_mlflow_here(self.folder))
                tracker = MAKERS[name](self.folder, self.folder.name.removesuffix(SUFFIX))
                tracker.start()
                tracker.store_init_configuration(self.about)
                self._told.append((name, tracker))
        return self._told

    def finish(self) -> None:
        """Lets the trackers close what they have open."""
        for _, tracker in self._told:
            tracker.finish()
        self._told = []
        while self._undone:
            self._undone.pop()()


UNTRACKED = Tracking()
SUFFIX = ".tracking"


def open_tracking(plan: Plan, cohort: Cohort, run: Path, reads: Reads, resume: bool = False) -> Tracking:
    """The trackers that a plan asks for of the run at `run`, by a command that `reads` it; UNTRACKED where it asks for
    none.

    Raises `PlanError` where a package is missing, and `RunError` where another run's trackers wrote to the folder.
    """
    asked = plan.tracking
    if not asked.to:
        return UNTRACKED
    for name in asked.to:
        if name in MODULES and find_spec(MODULES[name]) is None:
            raise PlanError(
                f'tracking.to = "{name}" needs {TITLES[name]}: install fibrostage with its extra [tracking]'
            )
    folder = Path(asked.folder) if asked.folder is not None else run.with_name(run.resolve().name + SUFFIX)
    if not resume and folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} holds what another run was tracked with; move it, or give another tracking.folder")
    return Tracking(asked.to, folder, about_run(plan, cohort, reads))


def about_run(plan: Plan, cohort: Cohort, reads: Reads) -> dict[str, Json]:
    """What trackers are told that a run is of: plain values by "section.key", nothing of a patient."""
    about: dict[str, Json] = {
        "use": RESEARCH_USE,
        "data": SIMULATED if cohort.simulated else "real",
        "cohort": cohort.name,
        "fingerprint": cohort.fingerprint,
        "fibrostage": __version__,
        "seed": plan.seed,
    }
    content = content_read(plan, reads)
    for section in SECTIONS:
        keys = content.get(section)
        for key, value in keys.items() if isinstance(keys, Mapping) else ():
            if value is not None and (section, key) != ("network", "weights"):  # which may be a path of this computer
                about[f"{section}.{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return about


def csv_tracker(folder: Path, _: str) -> Watcher:
    """A table, values.csv."""
    from fibrostage.learn.csv_tracker import CsvTracker

    return CsvTracker(folder)


def tensorboard_tracker(folder: Path, name: str) -> Watcher:
    """TensorBoard's event files, in tensorboard/."""
    from accelerate.tracking import TensorBoardTracker

    return TensorBoardTracker(name, folder / "tensorboard")


def keep_mlflow_here(folder: Path) -> Callable[[], None]:
    """Has MLflow write to files in mlflow/, whatever server it was told of before; returns what undoes that."""
    import mlflow

    before = mlflow.get_tracking_uri()
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((folder / "mlflow").resolve().as_uri())
    return lambda: mlflow.set_tracking_uri(before)


def mlflow_tracker(_: Path, name: str) -> Watcher:
    """MLflow's files, without the user's name, the program's path and Git's address, which it would note."""
    from accelerate.tracking import MLflowTracker

    noted = ("user", "source.name", "source.git.repoURL", "source.git.branch", "source.git.commit")
    return MLflowTracker("fibrostage", run_name=name, tags={f"mlflow.{tag}": "" for tag in noted})


def wandb_tracker(folder: Path, name: str) -> Watcher:
    """The offline files of Weights & Biases, in wandb/."""
    import wandb
    from accelerate.tracking import WandBTracker

    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(
        mode="offline", silent=True, console="off", disable_git=True, disable_code=True, save_code=False,
        host="", x_disable_meta=True, x_disable_stats=True, x_disable_machine_info=True,
    )  # fmt: skip
    return WandBTracker("fibrostage", name=name, dir=str(folder), settings=settings)


MAKERS: dict[str, Callable[[Path, str], Watcher]] = {
    "csv": csv_tracker,
    "tensorboard": tensorboard_tracker,
    "mlflow": mlflow_tracker,
    "wandb": wandb_tracker,
}
