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
from fibrostage.study.study_plan import StudyPlan

ROOT = Path(__file__).resolve().parents[1]


def keys(section: type[BaseModel]) -> list[str]:
    found = []
    for name, field in section.model_fields.items():
        annotation = field.annotation
        inner = next((a for a in getattr(annotation, "__args__", (annotation,)) if is_section(a)), None)
        found += keys(inner) if inner else [name]
    return found


def test_every_plan_key_stands_on_one_page_with_its_meaning() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "plan").glob("*.md"))
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \| (.+) \| (.{10,}) \|$", pages, re.M)
    assert sorted(key.rpartition(".")[2] for key, *_ in rows) == sorted(keys(Plan))


def test_the_pages_say_which_keys_matter_for_which_finetune() -> None:
    text = (ROOT / "docs" / "plan" / "training.md").read_text(encoding="utf-8").partition("## [training]")[2]
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", text, re.M)
    for tune in ("head", "last", "all"):
        overrides = [f"training.finetune={tune}", *(["training.optimiser=sgd"] if tune != "head" else [])]
        idle = idle_keys(Plan.parse({"modality": [{"name": "LUS"}]}, overrides))
        unread = {key.partition(".")[2] for key in idle if key.startswith("training.")}
        said = {key for key, meaning in rows if f'"{tune}"' not in needed(meaning)}
        assert said == unread


def needed(meaning: str) -> str:
    """The values of training.finetune with which a key is read, as its row has them; all of them where it says none."""
    found = re.search(r"`training.finetune` = (.*?)(?: and |\.$)", meaning)
    return found[1] if found else '"head" "last" "all"'


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
