"""Results made by hand that every figure of the report can be drawn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from fibrostage.analysis.attributions import Inside
from fibrostage.analysis.judged import KeptRun
from fibrostage.ground.stage import METAVIR
from fibrostage.report.attribution import Attribution, attribution_figure
from fibrostage.report.results import Diagnosis, Results
from fibrostage.results.examples import ExamplePatient, ExamplePatients, ExamplePicture
from fibrostage.results.metrics import ParticipantFlow
from fibrostage.results.predictions import scores_of
from fibrostage.stats.calling import Calling
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.rule_in_out import cut_scores
from tests.results.made import made_metrics

FLOW = ParticipantFlow(
    enrolled=90,
    excluded={"no biopsy within three months of the elastography examination": 12, "antiviral treatment": 3},
    studied=75,
    unlabelled=4,
    pictures=1234,
    pictures_left_out=7,
    test=25,
    training=50,
)
PLAN = {"staging": {"name": "METAVIR"}}


def predictions(n: int, seed: int) -> pl.DataFrame:
    """Test patients whose probabilities say something of their stages."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 5
    table = np.exp(2 * np.eye(5)[truth] + rng.normal(size=(n, 5)))
    table /= table.sum(axis=1, keepdims=True)
    frame = pl.DataFrame(
        {"patient_id": [f"P{k}" for k in range(n)], "stage": [f"F{k}" for k in truth], "split": "test"}
    )
    return frame.with_columns([pl.Series(f"p_{k}", table[:, k]) for k in range(5)])


def curves(methods: Sequence[str], strategies: Sequence[str]) -> pl.DataFrame:
    """Two runs' learning curves of four rounds."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "method": method, "strategy": strategy, "seed": seed, "fold": "0", "round": k, "share": 0.1 + 0.3 * k,
            "auc_macro": 0.7 + 0.05 * k + rng.normal() / 50, "n_patients": 24,
        }
        for method in methods for strategy in strategies for seed in (0, 1) for k in range(4)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def run(simulated: bool = False) -> Results:
    """A run that asked by one strategy."""
    metrics = made_metrics(simulated=simulated, n_patients=60, n_by_stage=dict.fromkeys(METAVIR.classes, 12))
    found = {"LSTE": predictions(60, 0)}
    return Results("a run", METAVIR, [metrics], [PLAN], found, curves(["LSTE"], ["esd"]), flow=FLOW)


def manuscript(n: int = 100, simulated: bool = True) -> Results:
    """A run on n test patients that keeps who they are; as many others trained, of whom models that had not seen them
    said the same."""
    told = predictions(n, 0).with_columns(fold=pl.lit("0.0"))
    found = scores_of(told, METAVIR)
    calling = Calling(cuts=cut_scores(found.stages, found.probabilities))
    people = pl.DataFrame(
        {
            "patient_id": [*(f"P{k}" for k in range(n)), *(f"T{k}" for k in range(n))],
            "stage": [f"F{k % 5}" for k in range(n)] * 2,
            "cohort": ["test"] * n + ["train"] * n,
            "modalities": ["all modalities"] * (2 * n),
            "sex": [("f", "m", "m")[k % 3] for k in range(2 * n)],
            "te": [4.0 + 3 * (k % 5) + (k % 7) / 3 for k in range(2 * n)],
        }
    )
    kept = KeptRun("LSTE+LUS", 0, None, told, {"0.0": calling}, people)
    metrics = [made_metrics(simulated=simulated, n_patients=n, method="LSTE+LUS")]
    parts = {"LSTE+LUS": told, "LUS": predictions(n, 1), "LSTE": predictions(n, 2)}
    parts = pl.concat([own.drop("fold", strict=False).with_columns(method=pl.lit(name)) for name, own in parts.items()])
    return Results(
        "a run", METAVIR, metrics, [PLAN], {"LSTE+LUS": told}, kept=(kept,), by_modality=parts,
        examples=examples(simulated),
    )  # fmt: skip


def examples(simulated: bool) -> ExamplePatients:
    """A patient who was called rightly, with pictures, and one called wrongly, of whom there is a table alone."""
    rng = np.random.default_rng(5)
    pictures = tuple(
        ExamplePicture(name, share, rng.integers(0, 255, (24, 32, 3)).astype(np.uint8), rng.normal(size=(8, 8)), box)
        for name, share, box in (("LSTE", 0.8, (4, 4, 9, 9)), ("LUS", -0.2, None))
    )
    said = dict(zip(METAVIR.classes, (0.1, 0.1, 0.6, 0.1, 0.1), strict=True))
    right = ExamplePatient("P2", "F2", "F2", 7, said, {"LSTE": 0.8, "LUS": -0.2}, {"LSTE": 3, "LUS": 1}, pictures)
    wrong = ExamplePatient("P4", "F4", "F2", 3, said, {"table": -0.1}, {"table": 1}, ())
    return ExamplePatients(100, simulated, (right, wrong))


def study(simulated: bool = False) -> Results:
    """A study of two methods, four of whose strategies' last rounds are drawn."""
    strategies = ["random", "esd", "entropy", "margin"]
    found = {f"{m} {s.upper()}": predictions(60, k) for k, (m, s) in enumerate(
        (m, s) for m in ("LSTE", "LSTE+SSTE+LUS") for s in strategies[:2])}  # fmt: skip
    metrics = [made_metrics(simulated=simulated, n_patients=60)] * 4
    short = ParticipantFlow(enrolled=60, excluded={}, studied=60, unlabelled=0, pictures=240, pictures_left_out=0)
    return Results(
        "a study", METAVIR, metrics, [PLAN] * 4, found, curves(["LSTE", "LSTE+SSTE+LUS"], strategies), flow=short
    )


def supervised(simulated: bool = False, markers: Sequence[str] = ("2D-SWE", "APRI", "FIB-4")) -> Results:
    """A supervised study of a network beside markers, with the attribution of its run."""
    rng = np.random.default_rng(1)
    rows = [
        {
            "seed": 0, "cut": cut, "split": split, "method": method, "kind": "network", "patient_id": f"{split}{k}",
            "stage": f"F{k % 5}", "score": k % 5 + rng.normal() * (1 + index),
        }
        for cut in METAVIR.cuts for split in ("test", "train") for index, method in enumerate(("LSTE+LUS", *markers))
        for k in range(40)
    ]  # fmt: skip
    empty = pl.DataFrame()
    found = Diagnosis("LSTE+LUS", 0.95, empty, pl.DataFrame(rows), empty, empty, empty)
    table = pl.DataFrame({"stage": ["F0", "F4", None], "called": ["F1", "F4", "F2"], "share_inside": [0.3, 0.5, None]})
    maps = rng.normal(size=(3, 8, 8)).astype(np.float16)
    pictures, boxes = rng.integers(0, 255, (3, 32, 32, 3)).astype(np.uint8), np.array([[4, 4, 9, 9]] * 2 + [[0] * 4])
    drawn = attribution_figure(table, maps, pictures, boxes, simulated)
    seen = Attribution("LSTE F2", "occlusion", Inside(Estimate(0.4, 0.3, 0.5), 0.2, 3), drawn)
    metrics = [made_metrics(simulated=simulated)]
    return Results("networks beside markers", METAVIR, metrics, [PLAN], diagnosis=found, attributions=(seen,))
