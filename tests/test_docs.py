"""What the documents say is so: every plan key is described, and the examples parse."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from fibrostage.active.modifiers import MODIFIERS
from fibrostage.active.strategies import STRATEGIES
from fibrostage.analysis.marker_table import column_of
from fibrostage.markers import MARKERS
from fibrostage.plan.commands import idle_keys
from fibrostage.plan.file import is_section
from fibrostage.plan.run_plan import Plan
from fibrostage.plan.training import TrainingPlan
from fibrostage.study.study_plan import StudyPlan

ROOT = Path(__file__).resolve().parents[1]


def keys(section: type[BaseModel]) -> list[str]:
    found = []
    for name, field in section.model_fields.items():
        annotation = field.annotation
        inner = next((a for a in getattr(annotation, "__args__", (annotation,)) if is_section(a)), None)
        found += keys(inner) if inner else [name]
    return found


def test_every_plan_key_is_documented() -> None:
    text = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", text))
    assert [key for key in keys(Plan) if key not in documented] == []


def test_the_plans_head_says_which_keys_matter_for_which_finetune() -> None:
    text = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
    said = dict(re.findall(r'^\| "(head|last|all)" \| .*? \| (.*) \|$', text, re.M))
    always = re.findall(r"`(\w+)`", text.partition("Whatever it is,")[2].partition(" are read.")[0])
    only = {tune: set(re.findall(r"`(\w+)`", keys)) for tune, keys in said.items()}
    only["all"] = only["last"] - {"boundary"}
    fields = {"finetune", *always}
    for tune, keys in only.items():
        cover_all = [f"training.finetune={tune}", "training.optimiser=sgd"]
        plan = Plan.parse({"modality": [{"name": "LUS"}]}, cover_all)
        idle = {key.partition(".")[2] for key in idle_keys(plan) if key.startswith("training.")} - {"momentum"}
        if tune == "head":
            idle |= {"momentum", "together"}
        assert {*TrainingPlan.model_fields} - idle == fields | keys


def test_every_marker_and_its_columns_are_documented() -> None:
    text = (ROOT / "docs" / "markers.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", text))
    for marker in MARKERS:
        assert {column_of(marker), *(need.column for need in marker.needs)} <= documented
        assert marker.speed is None or marker.speed.column in documented


def test_documents_that_the_code_decides_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}: call 'make docs'"


def test_the_readmes_plan_is_a_plan() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    assert Plan.parse(tomllib.loads(block)).fused == ("LSTE", "LUS")


PLANS = sorted(path for path in (ROOT / "examples").rglob("*.toml") if path.name != "pyproject.toml")


@pytest.mark.parametrize("path", PLANS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_example_plans_parse(path: Path) -> None:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    if "grid" in data:
        StudyPlan.model_validate(data)
    else:
        seen = data.get("network", {}).get("modalities", ["LEFT", "RIGHT"])
        data.setdefault("modality", [{"name": name} for name in seen])
        Plan.parse(data)


def test_every_strategy_and_modifier_is_documented() -> None:
    text = (ROOT / "docs" / "active-learning.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", text))
    assert {*STRATEGIES.names(), *MODIFIERS.names()} <= documented
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.S)
    assert set(StudyPlan.model_validate(tomllib.loads(block)).grid.networks) == {"softmax", "ordinal"}


def test_the_documents_link_to_files_that_exist() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
