"""Every command that the documents print is run as it stands, in a folder that has what they speak of.

What would take long is cut: the examples' grids (see `documented.examples`), and the options in CHEAPER and FEWER,
which are added, or put in place of others. Benchmarks are only parsed here; they run in tests/bench.
"""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from pkgutil import iter_modules

import pytest

from fibrostage import bench
from fibrostage.bench.setting import shapes
from fibrostage.cli.app import app
from tests.examples import documented
from tests.small_pictures import read_small_pictures

CHEAPER = {
    "train": ["--set", "training.epochs=1"],
    "active": ["--set", "training.epochs=2", "--set", "active.rounds=1", "--set", "active.passes=2"],
    "explain": ["--pictures", "1"],
}
FROZEN = ["--set", "network.backbone=efficientnet_lite0", "--set", "training.finetune=head"]  # in place of ResNet-50
FEWER = {"--patients": "8", "--excluded": "2", "--pictures": "1"}  # of a phantom
MODULES = [import_module(f"{bench.__name__}.{one.name}") for one in iter_modules(bench.__path__)]
BENCHMARKS = (
    "bench_active",
    "bench_oracle",
    "bench_stats",
    "bench_pool",
    "bench_train",
    "bench_intake",
    "bench_boxes",
    "bench_calibration",
    "bench_predict",
    "bench_answers",
    "bench_answers_of",
    "bench_next_exam",
    "bench_serve",
    "bench_scale",
    "bench_one_machine",
)
ELSEWHERE = (
    ["pip", "install", "."],
    ["pip", "install", ".[dicom,video]"],
    ["pip", "install", ".[dicom,serve,pacs]"],
    ["pip", "install", ".[notebook]"],
    [".venv/bin/pre-commit", "install"],
    [
        "curl",
        "-H",
        "Authorization: Bearer TOKEN",
        "-F",
        "files=@one.dcm",
        "-F",
        "files=@two.dcm",
        "http://127.0.0.1:8480/exams",
    ],
    ["echoscu", "-aet", "ORTHANC", "-aec", "FIBROSTAGE", "10.0.4.20", "11112"],
)  # need the network, or change this checkout; tried when the set-up changes


class InsteadError(Exception):
    """Raised in a benchmark's place."""


def fibrostage(words: list[str]) -> None:
    """A command in this process; raises what it raises."""
    app(words, standalone_mode=False)


def cheaper(words: list[str]) -> list[str]:
    """A command of the tool that takes seconds."""
    if words[0] == "phantom":
        asked = words if "--patients" in words else [*words, "--patients", ""]
        if "dicom" in words and "--pictures" not in words:
            asked = [*asked, "--pictures", ""]
        return [FEWER.get(before, word) for before, word in pairwise(["", *asked])]
    stand_in = FROZEN if words[0] == "active" and "mmfn-al" in words else []
    return [*words, *stand_in, *([] if "--resume" in words else CHEAPER.get(words[0], []))]


def bench_is_called(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark's command line is right: its function would be called."""

    def stands_in(*_values: object, **_named: object) -> None:
        raise InsteadError

    with monkeypatch.context() as patch:
        for module in MODULES:
            for name in BENCHMARKS:
                patch.setattr(module, name, stands_in, raising=False)
        with pytest.raises(InsteadError):
            fibrostage(words)
    assert {word for before, word in pairwise(words) if before == "--shape"} <= set(shapes())


def make_has(target: str) -> bool:
    """Whether the Makefile has a target."""
    lines = (documented.ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    return any(line.startswith(f"{target}:") for line in lines)


def prepare(name: str, folder: Path) -> None:
    """What a document's first command begins from."""
    documented.examples(folder)
    if name == "results.md":
        documented.breast_set(folder)
        documented.liver_set(folder)
        documented.lung_set(folder)
        return
    if name == "weights.md":
        documented.resnet50_file(folder)
        return
    if name == "labelling.md":
        documented.clinic_of_a_loop(folder)
        return
    documented.clinic(folder)
    documented.study_file(folder)
    if name == "dlre.md":
        documented.breast_set(folder)
        documented.elastograms_only(folder)
    if name == "README.md":
        documented.other_hospital(folder)
        documented.crops_cohorts(folder)
    if name == "validate.md":
        documented.other_hospital(folder)
        documented.cohort_of(folder, "COHORT")
    if name == "recipes.md":
        documented.cohorts_of_the_papers(folder)
    if name == "cohorts.md":
        documented.sites_and_months(folder)
    if name in (
        "active-learning.md",
        "methods-researcher.md",
        "performance.md",
        "predict.md",
        "report.md",
        "report-forms.md",
        "tracking.md",
    ):
        documented.cohort_of(folder, "COHORT")
    if name == "report-forms.md":
        (folder / "group.mplstyle").write_text("font.size: 9\n", encoding="utf-8")
    if name in ("pacs.md", "serve.md"):
        (folder / "TOKENS").write_text("a-token-of-sixteen-letters\n", encoding="utf-8")
        documented.cohort_of(folder, "COHORT")
        cohort, run, model = (str(folder / part) for part in ("COHORT", "RUN", "MODEL"))
        fibrostage(["train", cohort, "--out", run, "--set", "training.epochs=1"])
        fibrostage(["package", run, "--out", model])


def clear_target(words: list[str]) -> None:
    """Takes away what stood at --out, where a document shows two ways to the same (a study and a resumed run go on),
    and a ledger that is to be made anew."""
    if words[:2] == ["ledger", "import"]:
        (Path(words[2]) / "ledger.sqlite").unlink()
    if "--out" in words and "--resume" not in words and words[0] != "study":
        target = Path(words[words.index("--out") + 1])
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


@pytest.mark.parametrize("document", documented.documents(), ids=lambda path: path.name)
def test_every_command_of_a_document_runs(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("FIBROSTAGE_KEY", str(tmp_path / "intake.key"))
    folder = tmp_path / "work"
    folder.mkdir()
    read_small_pictures(monkeypatch)
    prepare(document.name, folder)
    if document.name == "scale.md":
        request.getfixturevalue("bucket").named("hospital").put_folder(folder / "ARCHIVE", "exams")
    documented.cut_recipes(monkeypatch)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FIBROSTAGE_WEIGHTS", "WEIGHTS")
    monkeypatch.setattr("fibrostage.annotate.serve.serve", lambda *_: None)  # tests/annotate has it open
    monkeypatch.setattr("fibrostage.serve.listen.serve", lambda *_: None)  # tests/serve has them open
    monkeypatch.setattr("fibrostage.serve.node.open_node", lambda *_: nullcontext())
    monkeypatch.setattr("fibrostage.deploy.patient_page.pdf_of", documented.sheets_once())
    monkeypatch.setattr(
        "fibrostage.ground.shards.RayShards.__call__", documented.in_this_process
    )  # tests/ground has one
    monkeypatch.setattr("fibrostage.intake.pulled.pull", documented.pull_archive)
    monkeypatch.setattr("fibrostage.networks.weights.from_hub", lambda _: Path("WEIGHTS/resnet50.pth"))
    for program, *words in documented.commands_of(document):
        if program == "make":
            assert make_has(words[0])
        elif program == "python":
            fewer = ["--rounds", "2"] if "examples/clinic/play.py" in words else []
            documented.script([*words, *fewer], monkeypatch)
        elif program == "fibrostage" and words[0] == "bench":
            bench_is_called(words, monkeypatch)
        elif program == "fibrostage":
            clear_target(words)
            if words[:2] == ["loop", "answer"]:
                documented.fill_in(Path(words[3]))
            if words[:2] == ["loop", "export"] and "--boxes" in words:
                documented.draw_a_box(Path(words[2]))
            fibrostage(cheaper(words))
        else:
            assert [program, *words] in ELSEWHERE
