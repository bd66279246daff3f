"""From stored pictures to patients' probabilities by onnx.json and the files it names: no PyTorch, and nothing of the
package. Written along the `steps` of onnx.json."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Pictures = Mapping[str, np.ndarray]  # of one patient: by modality [n, size, size, channels] uint8


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def description(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "onnx.json").read_text(encoding="utf-8"), parse_constant=refuse)


def run(file: Path, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    (result,) = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"]).run(None, dict(inputs))
    return result


def shares_of(folder: Path, told: Mapping[str, Any], stream: Mapping[str, Any], pixels: np.ndarray) -> np.ndarray:
    """The shares [n, K] of pictures [n, size, size, channels], one batch."""
    assert list(pixels.shape[1:]) == told["input"]["shape"][1:]
    return run(folder / stream["file"], {told["input"]["name"]: pixels})


def member_probabilities(folder: Path, number: int, patients: Sequence[Pictures]) -> np.ndarray:
    """What a member says of patients, pooled [P, classes], before it is recalibrated."""
    told = description(folder)
    member = told["members"][number]
    candidates: list[list[np.ndarray]] = []
    owners: list[int] = []
    tables = []
    for modality in told["modalities"]:
        pixels = [one[modality["name"]] for one in patients]
        table = shares_of(folder, modality, member["streams"][modality["name"]], np.concatenate(pixels))
        tables.append(np.split(table, np.cumsum([len(each) for each in pixels])[:-1]))
    for row in range(len(patients)):
        choices = [
            own[row] if len(own[row]) else np.array([member["streams"][modality["name"]]["offset"]], np.float32)
            for modality, own in zip(told["modalities"], tables, strict=True)
        ]
        combinations = list(itertools.product(*choices))
        assert len(combinations) <= told["candidates"]["at_most"]
        candidates += [list(one) for one in combinations]
        owners += [row] * len(combinations)
    inputs = {
        modality["output"]["head_input"]: np.stack([one[column] for one in candidates])
        for column, modality in enumerate(told["modalities"])
    }
    answers = run(folder / member["head"]["file"], inputs).astype(np.float64)
    return np.stack([pool(told["pooling"]["name"], answers[np.array(owners) == row]) for row in range(len(patients))])


def pool(name: str, own: np.ndarray) -> np.ndarray:
    """One patient's candidates [n, classes] → [classes]."""
    if name == "pair_mean":
        return own.mean(axis=0)
    assert name == "log_mean"
    means = np.log(np.maximum(own, 1.1754944e-38)).mean(axis=0)
    powers = np.exp(means - means.max())
    return powers / powers.sum()


def recalibrated(told: Mapping[str, Any], recalibration: Mapping[str, Any] | None, table: np.ndarray) -> np.ndarray:
    if recalibration is None:
        return table
    edge, floor = told["recalibration"]["edge"], told["recalibration"]["floor"]
    whole = [np.ones(len(table))]
    for k, cut in enumerate(recalibration["cuts"], start=1):
        above = table[:, k:].sum(axis=1)
        if "slope" in cut:
            inside = np.clip(above, edge, 1 - edge)
            mapped = 1 / (1 + np.exp(-(cut["intercept"] + cut["slope"] * np.log(inside / (1 - inside)))))
        else:
            mapped = np.interp(above, cut["at"], cut["to"])
        whole.append(mapped if k == 1 else np.minimum(mapped, whole[-1]))
    whole.append(np.zeros(len(table)))
    between = np.maximum(-np.diff(np.stack(whole, axis=1), axis=1), floor)
    return between / between.sum(axis=1, keepdims=True)


def stage(folder: Path, patients: Sequence[Pictures]) -> np.ndarray:
    """Patients' probabilities [P, classes]."""
    told = description(folder)
    assert told["format"] == 1
    mean = np.mean(
        [
            recalibrated(told, member["calling"]["recalibration"], member_probabilities(folder, number, patients))
            for number, member in enumerate(told["members"])
        ],
        axis=0,
    )
    raised = np.maximum(mean, told["least"])
    certain = mean.min(axis=1, keepdims=True) < told["least"]
    return np.where(certain, raised / raised.sum(axis=1, keepdims=True), mean)
