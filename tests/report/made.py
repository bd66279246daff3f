"""Results made by hand that every figure of the report can be drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from fibrostage.analysis.attributions import Inside
from fibrostage.analysis.judged import KeptRun
from fibrostage.ground.stage import METAVIR, Staging
from fibrostage.report.attribution import Attribution, attribution_figure
from fibrostage.report.read_results import kept_together
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
AREA = Estimate(0.9, 0.8, 0.95)
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


def one_cut(n: int = 100) -> Results:
    """The same run as `manuscript`, of a network that learned ≥F2 alone."""
    made, names = manuscript(n, False), ("<F2", "≥F2")
    own = made.kept[0]
    high = pl.sum_horizontal("p_2", "p_3", "p_4")
    stage = pl.when(pl.col("stage") < "F2").then(pl.lit("<F2")).otherwise(pl.lit("≥F2"))
    told = own.predictions.select(
        "patient_id", "split", "fold", stage=stage, p_0=1 - high, p_1=high
    )  # fmt: skip
    calling = Calling(cuts=own.callings["0.0"].cuts[1:2])
    metrics = [made_metrics(n_patients=n, method="LSTE+LUS", classes=names, auc_at_cut={"≥F2": AREA},
                            n_by_stage=dict.fromkeys(names, n // 2))]  # fmt: skip
    return replace(
        made, staging=Staging("METAVIR", names, names[1:]), metrics=metrics,
        plans=[{"staging": {"name": "METAVIR", "task": "F2"}}], predictions={"LSTE+LUS": told}, by_modality=None,
        kept=(replace(own, predictions=told, callings={"0.0": calling}),), examples=None,
    )  # fmt: skip


def asked() -> Results:
    """A study of two networks by two strategies, two seeds each: patients 0–39 test in one, 20–59 in the other."""
    stages = {f"P{k}": f"F{k % 5}" for k in range(100)}
    kept = {}
    for index, name in enumerate(("LSTE RAND", "LSTE ESD", "LSTE+LUS RAND", "LSTE+LUS ESD")):
        runs = []
        for seed in (0, 1):
            tests = [f"P{k}" for k in range(20 * seed, 20 * seed + 40)]
            table = predictions(100, 10 * index + seed).filter(pl.col("patient_id").is_in(tests))
            known = pl.DataFrame(
                {
                    "patient_id": list(stages), "stage": list(stages.values()),
                    "cohort": ["test" if one in tests else "train" for one in stages],
                    "modalities": ["all modalities"] * 100, "sex": ["f", "m"] * 50,
                    "te": [4.0 + 3 * (k % 5) + (k % 7) / 3 for k in range(100)],
                }
            )  # fmt: skip
            told = table.with_columns(fold=pl.lit("0.0"), seed=pl.lit(seed))
            strategy = "random" if name.endswith("RAND") else "esd"
            runs.append(KeptRun(name, seed, None, told, {}, known, strategy))
        kept[name] = kept_together(runs, name)
    metrics = [made_metrics(n_patients=40, strategy="random")] * 8
    found = {name: one.predictions for name, one in kept.items()}
    ordered = sorted(kept.values(), key=lambda one: -one.method.count("+"))
    return Results("a study", METAVIR, metrics, [PLAN] * 8, found, table=asked_table(), kept=tuple(ordered), flow=FLOW)


def asked_table() -> pl.DataFrame:
    """The results table of a study that asked."""
    rows = [
        {"method": method, "strategy": strategy, "runs": 2, "n_patients": 40, "accuracy": 0.5, "auc_macro": 0.8}
        for method in ("LSTE", "LSTE+LUS") for strategy in ("random", "esd")
    ]  # fmt: skip
    return pl.DataFrame(rows)


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
