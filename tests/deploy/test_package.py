"""A model that is handed over: whole, believed only while no byte has changed, and staging as its run does."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from fibrostage import RESEARCH_USE
from fibrostage.cohort.store import Cohort
from fibrostage.deploy.package import package
from fibrostage.ground.errors import RunError
from fibrostage.learn.explain import explain_run
from fibrostage.learn.hub import located
from fibrostage.learn.model import open_model
from fibrostage.learn.train import train
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder
from fibrostage.views.table import figure_text
from tests.conftest import plan_data


@pytest.fixture(scope="module")
def run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package") / "run"
    train(cohort, Plan.parse(plan_data()), folder, deploy=True)
    return folder


@pytest.fixture
def model(run: Path, tmp_path: Path) -> Path:
    package(run, tmp_path / "model", "a liver")
    return tmp_path / "model"


def test_it_stages_as_its_run_does(cohort: Cohort, run: Path, model: Path) -> None:
    own, handed = open_model(run), open_model(model)
    assert handed.digest == own.digest
    assert [one.probabilities for one in handed.stage(cohort)] == [one.probabilities for one in own.stage(cohort)]
    assert [path.name for path in RunFolder(model).models()] == ["model-all.safetensors"], "the one for new patients"


def test_a_changed_a_missing_and_an_added_byte_are_refused(model: Path) -> None:
    for path in sorted(model.iterdir()):
        whole = path.read_bytes()
        if path.name == "package.json":
            continue
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(RunError, match=re.escape(f"{path.name} is not what was packed")):
            open_model(model)
        path.unlink()
        with pytest.raises(RunError, match=re.escape(f"{path.name} is missing")):
            open_model(model)
        path.write_bytes(whole)
    (model / "model-9.safetensors").write_bytes(b"another")
    with pytest.raises(RunError, match=r"model-9\.safetensors was not packed"):
        open_model(model)
    (model / "model-9.safetensors").unlink()
    (model / ".gitattributes").write_text("a hub's own")
    open_model(model)


def test_a_later_format_and_a_damaged_list_are_named(model: Path) -> None:
    listed = model / "package.json"
    content = json.loads(listed.read_text())
    listed.write_text(json.dumps(content | {"format": 2, "tool": "9.0"}))
    with pytest.raises(RunError, match=r"later fibrostage \(9\.0\): its format is 2, this version reads up to 1"):
        open_model(model)
    listed.write_text(json.dumps({"format": 1}))
    with pytest.raises(RunError, match=r"package\.json is damaged: name"):
        open_model(model)


def test_the_card_has_the_runs_figures(run: Path, model: Path) -> None:
    text, metrics = (model / "README.md").read_text(), RunFolder(run).read_metrics()
    assert text.startswith("---\nlibrary_name: fibrostage\n")
    assert "\n# a liver\n" in text
    assert RESEARCH_USE in text
    assert figure_text(metrics.accuracy) in text
    assert all(figure_text(figure) in text for figure in metrics.auc_at_cut.values())
    assert f"on {metrics.n_patients} test patients" in text
    assert "nobody was left to test it on" in text
    assert "SIMULATED" not in text
    assert "## Subgroups" in text
    assert "cannot say" in text, "a model of few patients abstains, and its card says so"
    told = json.loads((model / "reference.json").read_text())
    assert set(told) == {"LSTE", "LUS"}
    assert told["LSTE"][0]["distance_quantiles"]["1"] > 0


def test_what_cannot_be_packed_is_said_and_leaves_nothing(run: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="exists; choose another --out"):
        package(run, model)
    with pytest.raises(RunError, match="is packed already"):
        package(model, tmp_path / "again")
    with pytest.raises(RunError, match="no finished run"):
        package(tmp_path / "nowhere", tmp_path / "again")
    shutil.copytree(run, tmp_path / "broken")
    (tmp_path / "broken" / "model-all.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match="cannot read the model"):
        package(tmp_path / "broken", tmp_path / "again")
    assert {path.name for path in tmp_path.iterdir()} == {"model", "broken"}


def test_it_explains_other_cohorts_and_says_so_of_its_own(cohort: Cohort, model: Path) -> None:
    with pytest.raises(RunError, match="handed over without its run"):
        explain_run(model, cohort, 1)


def test_a_hub_id_is_fetched_and_a_folder_is_not(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked = []

    def snapshot(name: str, revision: str | None = None) -> str:
        asked.append((name, revision))
        if name == "somebody/nothing":
            raise OSError("404: there is none")
        return str(model)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert located(model) == model
    assert located(Path("run")) == Path("run")
    assert open_model(located(Path("somebody/liver@v1"))).digest == open_model(model).digest
    assert asked == [("somebody/liver", "v1")]
    with pytest.raises(RunError, match=r"somebody/nothing: no folder here, and the hub did not give it \(404"):
        located(Path("somebody/nothing"))
