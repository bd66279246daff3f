"""ONNX files say what the network says, by themselves."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.cohort.measurements import seen_by
from fibrostage.cohort.pictures import ExamPictures
from fibrostage.cohort.store import Cohort
from fibrostage.deploy import onnx_export, onnx_graphs
from fibrostage.deploy.onnx_export import OnnxWriter, export_onnx, file_stems
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.progress import SILENT
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.features import features_of
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.learn.known import KnownPictures
from fibrostage.learn.model import Model, look, open_model
from fibrostage.learn.train import train
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import Head
from fibrostage.networks.heads.spec import HeadKind
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder
from fibrostage.stats.calling import Calling
from fibrostage.stats.recalibration import LogisticMap, Recalibration, StepMap
from tests.conftest import make_source, plan_data
from tests.deploy.onnx_walk import description, member_probabilities, run, shares_of, stage
from tests.learn.dlre_plans import quick_plan

SAME = 1e-5
ROOT = Path(__file__).resolve().parents[2]

RUNS = {
    "resnet18, ordinal, mirrored": [
        "network.backbone=resnet18", "network.head=ordinal", "training.mirror=true", "evaluation.pooling=log_mean",
    ],
    "lite0, ordinal, mirrored": [
        "network.backbone=efficientnet_lite0", "network.weights=imagenet", "network.head=ordinal",
        "training.mirror=true", "evaluation.pooling=log_mean",
    ],
    "resnet18, softmax, two folds": [
        "network.backbone=resnet18", "training.mirror=false", "split.scheme=kfold", "split.folds=2",
    ],
}  # fmt: skip
QUICK = ["training.frozen_l2=0.1", "calibration.map=none"]  # neither is looked for by fits inside the training patients
CALLINGS = (
    Calling(
        Recalibration(
            (LogisticMap(0.3, 1.4), StepMap((0.1, 0.5, 0.9), (0.0, 0.4, 1.0)), LogisticMap(), LogisticMap(-0.2, 0.7)),
            50,
        )
    ),
    Calling(Recalibration((LogisticMap(2, 3), LogisticMap(), LogisticMap(), LogisticMap(-2, 3)), 50)),
)


@dataclass(frozen=True)
class Exported:
    """A model, its ONNX files, and patients in memory, of whom some lack a modality."""

    model: Model
    folder: Path
    exam: ExamPictures

    @property
    def pictures(self) -> list[dict[str, np.ndarray]]:
        """By patient and modality, pictures [n, size, size, channels]."""
        names = self.exam.modality_names
        return [
            {name: self.exam.pixels(name)[self.exam.owners(name) == row] for name in names}
            for row in range(len(self.exam.patient_ids))
        ]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Ten patients whose pictures have structures of their own. Pictures of noise alone, whose features are the same
    but for the fifth digit, make a head that multiplies rounding by thousands, PyTorch's as well as anybody's."""
    folder, rng = tmp_path_factory.mktemp("few"), np.random.default_rng(1)
    sources = make_source(folder / "source", patients=10)
    for path in sorted((folder / "source" / "pictures").iterdir()):
        pixels = np.asarray(Image.open(path)).astype(np.int64)
        structure = rng.integers(-60, 60, (5, 6)).repeat(8, 0).repeat(8, 1)
        changed = pixels + (structure[..., None] if pixels.ndim == 3 else structure)
        Image.fromarray(changed.clip(0, 255).astype(np.uint8)).save(path)
    return take_in(sources, folder / "cohort", Plan.parse(plan_data()))


def some_patients(cohort: Cohort) -> ExamPictures:
    """P000, P003, who has no LUS, P002 without the LSTE, and P009 with fewer pictures."""
    taken = {"LSTE": [(0, 0, 2), (3, 1, 2), (9, 3, 1)], "LUS": [(0, 0, 3), (2, 2, 2), (9, 3, 3)]}
    arrays, rows = {}, {}
    for name, each in taken.items():
        own = [(np.flatnonzero(cohort.owners(name) == patient)[:count], row) for patient, row, count in each]
        arrays[name] = np.concatenate([np.array(cohort.pixels(name)[at]) for at, _ in own])
        rows[name] = np.concatenate([np.full(len(at), row) for at, row in own])
    return ExamPictures(["P000", "P003", "P002", "P009"], cohort.modalities, arrays, rows)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.long] if number else []) for number, name in enumerate(RUNS)],
)
def exported(request: pytest.FixtureRequest, few: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A model of a head, or of two, on a frozen backbone; of maps, they have all kinds there are."""
    folder = tmp_path_factory.mktemp("onnx")
    train(few, Plan.parse(plan_data(), [*RUNS[request.param], *QUICK]), folder / "run")
    model = open_model(folder / "run")
    model = replace(model, callings=CALLINGS[: len(model.members)])
    files = export_onnx(model, folder / "out")
    assert sorted(files) == sorted((folder / "out").iterdir())
    assert files[-1].name == "onnx.json"
    return Exported(model, folder / "out", some_patients(few))


@dataclass(frozen=True)
class ExportedApart(Exported):
    """What a process of its own wrote, and said on its way: what is logged once a process, and by others' modules."""

    said: str


@pytest.fixture(scope="module")
def apart(crops: Cohort, tmp_path_factory: pytest.TempPathFactory) -> ExportedApart:
    """A model of one modality whose backbone was trained, for one cut; its files come from the same network in a run
    that says it trained in bfloat16, on simulated patients."""
    folder = tmp_path_factory.mktemp("onnx")
    train(crops, quick_plan(crops, network={"name": "basic_cnn"}, staging={"task": "F2"}), folder / "run")
    shutil.copytree(folder / "run", folder / "other")
    for path in RunFolder(folder / "other").models():
        with safe_open(path, framework="pt") as file:
            plan = json.loads(file.metadata()["plan"])
            plan["training"]["precision"] = "bfloat16"
            told = {**file.metadata(), "simulated": "yes", "plan": json.dumps(plan)}
        save_file(load_file(path), path, told)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fibrostage.deploy.onnx_export import export_onnx\n"
        "from fibrostage.learn.model import open_model\n"
        "export_onnx(open_model(Path(sys.argv[1])), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-W", "default", "-c", program, str(folder / "other"), str(folder / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first = crops.owners("LSTE") < 5
    pixels, owners = np.array(crops.pixels("LSTE")[first]), crops.owners("LSTE")[first]
    exam = ExamPictures(crops.patient_ids[:5], crops.modalities, {"LSTE": pixels}, {"LSTE": owners})
    return ExportedApart(open_model(folder / "run"), folder / "out", exam, done.stdout + done.stderr)


def test_each_stream_says_what_the_network_says(exported: Exported) -> None:
    told = description(exported.folder)
    for member, (network, plan) in zip(told["members"], exported.model.members, strict=True):
        spec, mirror = BACKBONES[plan.network.backbone], plan.training.mirror
        for modality in told["modalities"]:
            name = modality["name"]
            pixels = exported.exam.pixels(name)
            z = torch.from_numpy(
                features_of(exported.exam, name, spec, network.backbone(name), "float32", SILENT, mirror)
            )
            with torch.inference_mode():
                wanted = network.head.stream(name)(z).numpy()
            assert wanted.shape[1] == told["shares"]
            for batch in (pixels[:1], pixels):
                found = shares_of(exported.folder, modality, member["streams"][name], batch)
                np.testing.assert_allclose(found, wanted[: len(batch)], rtol=SAME, atol=SAME)


def test_the_head_says_what_the_network_says(exported: Exported) -> None:
    """Also of sums far from zero, where a probability is next to nothing."""
    told, rng = description(exported.folder), np.random.default_rng(0)
    for member, (network, _) in zip(told["members"], exported.model.members, strict=True):
        head = network.head
        tables = {
            name: torch.from_numpy(rng.normal(0, 15, (50, told["shares"])).astype(np.float32))
            for name in head.modalities
        }
        for name, stream in member["streams"].items():
            tables[name][-1] = torch.tensor(stream["offset"])
            torch.testing.assert_close(tables[name][-1], head.stream(name).offset.detach(), rtol=0, atol=0)
        rows = rng.integers(-1, 49, (200, len(tables)))
        with torch.inference_mode():
            wanted = head.fuse(tables, torch.from_numpy(rows)).softmax(-1).numpy()
        inputs = {
            modality["output"]["head_input"]: tables[modality["name"]].numpy()[rows[:, column]]
            for column, modality in enumerate(told["modalities"])
        }
        found = run(exported.folder / member["head"]["file"], inputs)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-30)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=SAME)


def test_each_member_pools_patients_as_the_model_does(exported: Exported) -> None:
    for number, (network, plan) in enumerate(exported.model.members):
        wanted = look(network, plan, exported.exam, KnownPictures(), SILENT)
        assert wanted.rows.tolist() == [0, 1, 2, 3]
        found = member_probabilities(exported.folder, number, exported.pictures)
        np.testing.assert_allclose(found, wanted.probabilities, rtol=0, atol=SAME)


def test_somebody_without_pytorch_stages_patients(exported: Exported, tmp_path: Path) -> None:
    """By the files and onnx.json alone, in a process that has neither PyTorch nor this package."""
    arrays = {f"{row}/{name}": own for row, each in enumerate(exported.pictures) for name, own in each.items()}
    np.savez(tmp_path / "pictures.npz", **arrays)
    program = (
        "import sys, json\n"
        "sys.modules.update(torch=None, fibrostage=None)\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from tests.deploy.onnx_walk import stage\n"
        "folder, file = map(Path, sys.argv[1:])\n"
        "patients = [{}, {}, {}, {}]\n"
        "for key, own in np.load(file).items():\n"
        "    row, name = key.split('/')\n"
        "    patients[int(row)][name] = own\n"
        "print(json.dumps(stage(folder, patients).tolist()))\n"
    )
    command = [sys.executable, "-c", program, str(exported.folder), str(tmp_path / "pictures.npz")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = [list(one.probabilities.values()) for one in exported.model.stage(exported.exam)]
    np.testing.assert_allclose(json.loads(done.stdout), wanted, rtol=0, atol=SAME)


def test_a_trained_backbone_of_one_modality_in_whatever_precision(apart: ExportedApart) -> None:
    wanted = [list(one.probabilities.values()) for one in apart.model.stage(apart.exam, keep=False)]
    found = stage(apart.folder, apart.pictures)
    assert found.shape == (5, 2)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=SAME)
    told = description(apart.folder)
    assert told["classes"] == ["<F2", "≥F2"]
    assert [modality["in_the_graph"]["mirror"] for modality in told["modalities"]] == [False]


def test_measurements_beside_pictures_are_a_file_of_their_own(few: Cohort, tmp_path: Path) -> None:
    n = len(few.patients)
    swe = [None if row == 3 else 4.0 + row for row in range(n)]
    labs = replace(
        few,
        patients=few.patients.with_columns(pl.Series("swe", swe), pl.Series("age", [40.0 + row for row in range(n)])),
    )
    table = {"name": "labs", "kind": "table", "columns": ["swe", "age"], "log": ["swe"]}
    plan = Plan.parse({**plan_data(), "modality": [*plan_data()["modality"], table]}, QUICK)
    train(labs, plan, tmp_path / "run")
    model = open_model(tmp_path / "run")
    export_onnx(model, tmp_path / "out")
    seen = seen_by(labs, plan)
    patients = [
        {
            name: (seen.measurements[name] if name == "labs" else seen.pixels(name))[seen.owners(name) == row]
            for name in plan.fused
        }
        for row in range(n)
    ]
    told = description(tmp_path / "out")["modalities"][-1]
    assert (told["kind"], told["columns"], told["log"]) == ("table", ["swe", "age"], ["swe"])
    wanted = {one.patient_id: list(one.probabilities.values()) for one in model.stage(seen)}
    np.testing.assert_allclose(stage(tmp_path / "out", patients), list(wanted.values()), rtol=0, atol=SAME)


def test_what_is_said_of_the_files(exported: Exported) -> None:
    told, plan = description(exported.folder), exported.model.plan
    several = len(exported.model.members) > 1
    names = {"LSTE": "stream-LSTE", "LUS": "stream-LUS"}
    for number, member in enumerate(told["members"]):
        suffix = f"-{number}.onnx" if several else ".onnx"
        files = {name: stream["file"] for name, stream in member["streams"].items()}
        assert files == {name: stem + suffix for name, stem in names.items()}
        assert member["head"]["file"] == f"head{suffix}"
        for file in (*member["streams"].values(), member["head"]):
            content = (exported.folder / file["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
            model = onnx.load_model_from_string(content)
            onnx.checker.check_model(model, full_check=True)
            assert {each.key: each.value for each in model.metadata_props} == {"notice": RESEARCH_USE}
            assert [each.version for each in model.opset_import if each.domain == ""] == [told["opset"]] == [18]
        assert member["calling"] == json.loads(json.dumps(exported.model.callings[number].as_dict()))
    assert told["notice"] == RESEARCH_USE
    assert told["simulated"] is False
    assert told["model"] == exported.model.digest
    assert told["classes"] == ["F0", "F1", "F2", "F3", "F4"]
    assert told["pooling"]["name"] == plan.evaluation.pooling
    lste, lus = told["modalities"]
    assert (lste["input"]["shape"], lus["input"]["shape"]) == (["n", 32, 32, 3], ["n", 32, 32, 1])
    assert (lste["input"]["colours"], lus["input"]["colours"]) == ("RGB", "grey")
    assert lus["in_the_graph"]["mirror"] == plan.training.mirror


def test_nothing_of_the_machine_is_in_the_files(exported: Exported) -> None:
    said = (str(ROOT), "site-packages", str(exported.folder), ".py")
    for file in exported.folder.glob("*.onnx"):
        model = onnx.load(file)
        for weights in model.graph.initializer:
            weights.ClearField("raw_data")
        assert [one for one in said if one.encode() in model.SerializeToString()] == [], file.name
    assert [one for one in said if one in (exported.folder / "onnx.json").read_text()] == []


@pytest.mark.parametrize(("size", "channels"), [(32, 3), (224, 1), (300, 1), (512, 3)])
def test_pictures_become_what_the_network_was_trained_on(size: int, channels: int) -> None:
    spec = BACKBONES["resnet18"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, channels), dtype=np.uint8)
    found = onnx_graphs.StoredToNormalised(size, spec)(torch.from_numpy(pixels))
    torch.testing.assert_close(found, normalise(as_tensor(pixels, spec), spec), rtol=0, atol=2e-6)


def test_an_export_says_nothing(apart: ExportedApart) -> None:
    assert apart.said == ""


def test_simulated_patients_are_said_to_be(apart: ExportedApart) -> None:
    told = description(apart.folder)
    assert told["simulated"] is True
    for notice in (told["notice"], *(onnx.load(file).doc_string for file in apart.folder.glob("*.onnx"))):
        assert notice.startswith(SIMULATED)
        assert notice.endswith(RESEARCH_USE)


def test_a_file_that_says_otherwise_is_not_kept(
    apart: ExportedApart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = onnx_export.answers

    def wrong(content: bytes, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return right(content, inputs) + 0.01

    def written(self: OnnxWriter, network: object, plan: object, modality: object, file: str) -> None:
        (self.folder / file).touch()
        self.written[file] = ""

    monkeypatch.setattr(onnx_export, "answers", wrong)
    monkeypatch.setattr(OnnxWriter, "stream", written)
    with pytest.raises(RunError, match=r"the head 'softmax': as ONNX it gives other numbers .* differ by 0.01"):
        export_onnx(apart.model, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


class Branching(torch.nn.Module):
    """A link that looks at its numbers, which no graph can."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.outputs = classes

    def forward(self, total: torch.Tensor) -> torch.Tensor:
        return total * 2 if bool(total.max() > 1) else total


def test_a_network_that_cannot_be_traced_is_refused(tmp_path: Path) -> None:
    head = Head(["A"], {"A": 4}, 3, kind=HeadKind("branching", Branching))
    with onnx_graphs.quiet(), pytest.raises(RunError, match=r"the head 'branching' cannot be exported as ONNX: \w"):
        OnnxWriter(tmp_path, "").head(head, ["share_A"], "head.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_lacking_or_taken_is_said(
    apart: ExportedApart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunError, match="exists and is not empty; choose another folder"):
        export_onnx(apart.model, apart.folder)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot write to"):
        export_onnx(apart.model, tmp_path / "file")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(PlanError, match=r"install fibrostage with its extra \[onnx\]"):
        export_onnx(apart.model, tmp_path / "out")


def test_modalities_have_safe_names_of_their_own() -> None:
    names = ["LSTE", "lste", "a/b", "a_b", "../x", "A-1", "Ä ö", "é è", "a_b_2", "x" * 300]
    stems = file_stems(names)
    assert stems["LSTE"] == "LSTE"
    assert stems["A-1"] == "A-1"
    assert len({stem.casefold() for stem in stems.values()}) == len(names)
    for stem in stems.values():
        assert set(stem) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
        assert len(stem) < 70
