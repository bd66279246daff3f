"""A run becomes a folder that can be handed over: what stages new patients, how their files are read, how well it was
tested, and a list that tells whether a byte has changed since."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np

from fibrostage import __version__
from fibrostage.deploy.card import card
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json, new_folder, refuse_bucket, write_json, write_text
from fibrostage.learn.model import Model, open_model
from fibrostage.report.read_results import read_run
from fibrostage.results.model_folder import CARD, Package, is_packaged, seal
from fibrostage.results.run_folder import RunFolder
from fibrostage.views.subgroups import subgroups_view
from fibrostage.views.table import TableView

QUANTILES = (0.5, 0.9, 0.99, 1.0)


def package(run: Path, out: Path, name: str | None = None, onnx: bool = False) -> Package:
    """Writes a finished run's model to a new folder and returns its list; with `onnx`, networks for use without PyTorch
    too.

    What is written is tried: the folder is opened as whoever gets it will. Raises `RunError` where there is something
    at `out`, where the run holds no model, or where it cannot be written; nothing is left then.
    """
    source = RunFolder(run)
    if is_packaged(run):
        raise RunError(f"{run} is packed already; copy the folder")
    refuse_bucket(out)
    if out.exists():
        raise RunError(f"{out} exists; choose another --out")
    if not source.finished:
        raise RunError(f"{run} holds no finished run with figures; make one with 'fibrostage train'")
    model, metrics = open_model(run), source.read_metrics()
    called, made = name or source.name, time.strftime("%Y-%m-%dT%H:%M:%S%z")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror}") from None
    with new_folder(out) as work:
        for path in (*source.models(), source.plan_file, source.metrics_file):
            shutil.copyfile(path, work / path.name)
        if source.intake_file.is_file():
            shutil.copyfile(source.intake_file, work / source.intake_file.name)
        write_json(work / "reference.json", reference(model))
        write_text(work / CARD, card(called, model, metrics, made, subgroups(source)))
        if onnx:
            from fibrostage.deploy.onnx_export import export_onnx

            export_onnx(model, work / "onnx")
        packed = seal(work, called, __version__, made)
        open_model(work)
    return packed


def subgroups(run: RunFolder) -> TableView | None:
    """The table of how well the run's network did in each kind of its test patients; None where it was not kept who
    they are, or nothing of them could be compared."""
    results = read_run(run)
    tables = [own for _, own in results.subgroups]
    return subgroups_view(tables, results.staging, results.simulated) if tables and tables[0] else None


def reference(model: Model) -> dict[str, Json]:
    """What the model knows of its training pictures, by modality, for people and other programs: the model's own files
    have it too."""
    told: dict[str, Json] = {}
    for name in model.plan.fused:
        members: list[Json] = []
        for (network, _), known in zip(model.members, model.known, strict=True):
            bounds = network.head.stream(name).bounds
            distances = None if bounds is None or bounds.distances is None else bounds.distances.numpy()
            members.append(
                {
                    "devices": list(known.devices.get(name, ())),
                    "quality": dict(known.quality.get(name, {})),
                    "mean_share": known.baseline.get(name),
                    "distance_quantiles": None
                    if distances is None
                    else {f"{q:g}": round(float(np.quantile(distances, q)), 5) for q in QUANTILES},
                }
            )
        told[name] = members
    return told
