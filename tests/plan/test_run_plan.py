"""Plans: defaults, documented keys, overrides, presets, and values that are refused."""

from pathlib import Path

import pytest

from fibrostage.ground.errors import PlanError
from fibrostage.ground.stage import METAVIR
from fibrostage.plan.commands import ACTIVE, digest
from fibrostage.plan.file import apply_override
from fibrostage.plan.run_plan import Plan

MINIMAL = {"modality": [{"name": "LSTE", "kind": "elastogram"}, {"name": "LUS"}]}


def test_every_key_but_modality_has_a_default() -> None:
    plan = Plan.parse(MINIMAL)
    assert plan.fused == ("LSTE", "LUS")
    assert plan.staging.resolve().classes == ("F0", "F1", "F2", "F3", "F4")
    assert [m.stored_channels for m in plan.modality] == [3, 1]
    with pytest.raises(PlanError, match="'modality' is required"):
        Plan.parse({})


def test_the_documented_keys_are_accepted(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(
        """
        seed = 3
        [staging]
        name = "METAVIR"
        classes = ["F0", "F1", "F2", "F3", "F4"]
        cuts = ["F2", "F3", "F4"]
        [[modality]]
        name = "LSTE"
        kind = "elastogram"
        [[modality]]
        name = "LUS"
        [split]
        scheme = "holdout"
        test = 0.2
        [network]
        modalities = ["LSTE", "LUS"]
        backbone = "efficientnet_lite0"
        weights = "imagenet"
        [training]
        finetune = "head"
        epochs = 40
        [active]
        strategy = "esd"
        rounds = 10
        passes = 20
        initial = 0.1
        [evaluation]
        bootstrap = 2000
        """
    )
    plan = Plan.load(file, ["training.epochs=7", "network.modalities=['LUS']", "training.finetune=all"])
    assert (plan.seed, plan.training.epochs, plan.fused) == (3, 7, ("LUS",))
    assert plan.training.finetune == "all"  # a bare word is a string


def test_a_saved_plan_reads_back_the_same(tmp_path: Path) -> None:
    plan = Plan.parse(MINIMAL, ["seed=5"])
    file = tmp_path / "plan.json"
    file.write_text(plan.canonical())
    assert Plan.load(file) == plan
    assert digest(Plan.load(file), ACTIVE) == digest(plan, ACTIVE)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", r"unknown key 'training.epoch', did you mean 'epochs'\?"),
        ("trainin.epochs=3", r"unknown key 'trainin', did you mean 'training'\?"),
        ("network.modalities=['LSTQ']", "names 'LSTQ'.*modalities are LSTE, LUS"),
        ("network.modalities=[]", "is empty"),
        ("training.finetune=body", "training.finetune = 'body'"),
        ("split.test=1.5", "split.test = 1.5"),
        ("staging.name=Laennec", "not a known system"),
        ("staging.cuts=['F0']", "'F0' is not a cut"),
        ("seed=99999999999999999999", "seed = 99999999999999999999"),
        ("training.frozen_lr=inf", "training.frozen_lr = inf"),
        ("training.epochs=2\nseed=3", "one value at a time"),
        ("epochs", "section.key=value"),
        ("training.epochs=[1", "not a TOML value"),
    ],
)
def test_bad_values_name_what_came_and_what_is_allowed(override: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        Plan.parse(MINIMAL, [override])


def test_a_key_inside_a_modality_is_checked_too() -> None:
    with pytest.raises(PlanError, match=r"'modality.0.kinds', did you mean 'kind'\?.*valid here: name, kind"):
        Plan.parse({"modality": [{"name": "A", "kinds": "bmode"}]})


def test_a_known_systems_name_keeps_its_classes() -> None:
    with pytest.raises(PlanError, match="give your own system another name"):
        Plan.parse({**MINIMAL, "staging": {"name": "METAVIR", "classes": ["a", "b"]}})


def test_override_creates_sections() -> None:
    data: dict[str, object] = {}
    apply_override(data, "split.test = 0.3")
    assert data == {"split": {"test": 0.3}}


@pytest.mark.parametrize("text", ["not toml [", "\xff"])
def test_a_file_that_is_no_plan(tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(PlanError, match="plan.toml"):
        Plan.load(file)
    with pytest.raises(PlanError, match="no plan at"):
        Plan.load(tmp_path / "absent.toml")


def test_a_preset_lays_its_values_under_the_plan() -> None:
    plan = Plan.parse({"modality": [{"name": "LSTE", "kind": "elastogram", "size": 250}], "network": {"name": "dlre"}})
    assert (plan.network.backbone, plan.network.stream, plan.network.dropout) == ("dlre", "plain", 0.0)
    assert (plan.training.loss, plan.training.finetune, plan.split.test) == ("squared", "all", pytest.approx(1 / 3))
    own = Plan.parse(plan.model_dump(mode="json"), ["training.loss=cross_entropy", "split.test=0.2"])
    assert (own.training.loss, own.split.test) == ("cross_entropy", 0.2)
    assert Plan.parse(own.model_dump(mode="json")) == own


def test_a_task_is_what_the_network_tells_apart() -> None:
    plan = Plan.parse({"modality": [{"name": "LUS"}], "staging": {"task": "F2"}})
    assert plan.staging.resolve().classes == ("<F2", "≥F2")
    assert plan.staging.whole() == METAVIR


@pytest.mark.parametrize("name", ["two\nlines", "turned \u202eround", "a\0"])
def test_a_cohorts_name_is_one_line(name: str) -> None:
    with pytest.raises(PlanError, match=r"cohort.name = .*give one line"):
        Plan.parse({"modality": [{"name": "LUS"}], "cohort": {"name": name}})
