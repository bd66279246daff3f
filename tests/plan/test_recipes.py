"""The published systems by name: what they resolve to, and that each key says whose it is."""

import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from fibrostage.cli.app import app
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, WeightsError
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import make_head
from fibrostage.plan.commands import ACTIVE, TRAIN
from fibrostage.plan.recipes import RECIPES
from fibrostage.plan.run_plan import Plan

OF_PLANS = tuple(name for name in RECIPES.names() if not RECIPES[name].of_study)


def resolved(name: str, cohort: Cohort, *overrides: str) -> Plan:
    reads = ACTIVE if "active" in RECIPES[name].data else TRAIN
    return plan_for(cohort, RECIPES[name].data, overrides, name, reads)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", RECIPES.names())
def test_every_key_says_whose_it_is(name: str) -> None:
    lines = [line for line in RECIPES[name].text.splitlines() if re.match(r"[\w.\"]+ = ", line)]
    assert lines
    for line in lines:
        assert re.search(r"# (paper|ours)\b", line), line


@pytest.mark.parametrize("name", ["mmfn", "mmfn-al"])
def test_the_fusion_network_is_the_published_one(name: str, cohort: Cohort) -> None:
    """§3: ResNet-50 a stream, 2048 → 256, squeeze-excitation, 256 · n → 5, one cross-entropy, everything trained."""
    plan = resolved(name, cohort, "network.weights=random")
    assert (plan.network.backbone, plan.training.finetune, plan.training.stream_loss) == ("resnet50", "all", 0.0)
    assert plan.split.require == ("LSTE", "LUS")
    spec = BACKBONES[plan.network.backbone]
    head = make_head(plan.network, plan.fused, dict.fromkeys(plan.fused, spec.features), 5)
    stream = head.stream("LSTE")
    assert (stream.reduce.in_features, stream.reduce.out_features) == (2048, 256)  # type: ignore[union-attr]
    assert sum(head.stream(one).classify.in_features for one in plan.fused) == 256 * 2
    assert parameters(spec.build()) == 23_508_032  # torchvision's 25,557,032 without its ImageNet layer's 2,049,000
    assert RECIPES[name].data["network"]["weights"] == "imagenet"
    if name == "mmfn-al":
        assert (plan.active.strategy, plan.active.unit, plan.active.warm_start) == ("esd", "candidate", True)


@pytest.mark.parametrize(
    ("name", "backbone", "count"), [("resnet50", "resnet50", 23_508_032), ("incepv3", "inception_v3", 21_785_568)]
)
def test_the_baselines_end_in_one_linear_layer(name: str, backbone: str, count: int, cohort: Cohort) -> None:
    plan = resolved(name, cohort, "network.weights=random")
    assert (plan.network.backbone, plan.network.stream, plan.fused) == (backbone, "plain", ("LSTE",))
    assert parameters(BACKBONES[backbone].build()) == count


@pytest.mark.parametrize("name", ["dlre", "dlre-basic", "dlre-transfer"])
def test_dlre_is_fitted_by_gradient_descent_on_squared_errors(name: str, crops: Cohort, tmp_path: Path) -> None:
    source = tmp_path / "lesions.pth"
    torch.save(BACKBONES["dlre"].build().state_dict(), source)
    overrides = [f"network.weights={source}"] if name == "dlre-transfer" else []
    plan = resolved(name, crops, *overrides, "staging.task=F3")
    training = plan.training
    assert (training.loss, training.optimiser, training.class_weights) == ("squared", "sgd", False)
    assert (training.average, training.schedule) == (0.0, "constant")
    assert (plan.network.backbone, plan.split.test) == ("dlre", 0.3266)
    assert training.finetune == ("last" if name == "dlre-transfer" else "all")


def test_missing_weights_say_which_file_and_what_can_stand_in(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIBROSTAGE_WEIGHTS", raising=False)
    told = r"resnet50-0676ba61.pth, published at https.*SHA-256 0676ba61b679.*efficientnet_lite0.*can stand in"
    with pytest.raises(WeightsError, match=told):
        resolved("mmfn", cohort)
    assert resolved("mmfn", cohort, "network.backbone=efficientnet_lite0").network.weights == "imagenet"


def test_a_plan_lies_over_its_recipe_and_set_over_both(cohort: Cohort, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[training]\nepochs = 3\nbatch = 4\n[network]\nweights = 'imagenet'\n")
    words = ["train", str(cohort.path), "--recipe", "dlre", "--plan", str(file), "--out", str(tmp_path / "run")]
    small = ["network.name=mmfn", "network.backbone=efficientnet_lite0", "training.epochs=1", "training.finetune=head"]
    sets = [word for one in small for word in ("--set", one)]
    told = CliRunner().invoke(app, [*words, *sets])
    assert told.exit_code == 0, told.output
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert (plan["training"]["epochs"], plan["training"]["batch"], plan["split"]["test"]) == (1, 4, 0.3266)
    assert plan["training"]["loss"] == "squared"
    assert "efficientnet_lite0 from imagenet, frozen, softmax head, on LSTE; recipe dlre" in told.stderr


def test_recipes_are_listed_and_shown_and_unknown_ones_named() -> None:
    listed = CliRunner().invoke(app, ["recipes", "--json"])
    assert [one["name"] for one in json.loads(listed.stdout)["recipes"]] == list(RECIPES.names())
    assert "dlre-transfer" in CliRunner().invoke(app, ["recipes"]).stdout
    assert CliRunner().invoke(app, ["recipes", "show", "mmfn"]).stdout == RECIPES["mmfn"].text
    with pytest.raises(PlanError, match="unknown recipe 'mmfm', did you mean 'mmfn'"):
        RECIPES["mmfm"]
