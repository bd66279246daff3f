"""precision and the commands below it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fibrostage.cli.app import app


def ask(*words: str):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, ["precision", *words])


def test_a_number_alone_asks_what_so_many_patients_show() -> None:
    short, long = ask("34", "--json"), ask("patients", "34", "--json")
    assert json.loads(short.stdout) == json.loads(long.stdout)
    assert json.loads(ask("--prevalence", "0.5", "34", "--json").stdout)["positives"] == 17
    assert "within ±0.05 needs about" in ask("34").stdout


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["auc"], ["AUC"]),
        (["difference"], ["difference"]),
        (["rates"], ["sensitivity", "specificity"]),
        (["validation"], ["O/E", "calibration slope", "AUC"]),
        (["validation", "--mean", "-1.2", "--sd", "1.9", "--threshold", "0.3"],
         ["O/E", "calibration slope", "AUC", "net benefit"]),
        (["development", "--parameters", "10"], ["shrinkage", "optimism", "overall risk"]),
    ],
)  # fmt: skip
def test_what_a_study_needs_is_its_most_demanding_criterion(words: list[str], names: list[str]) -> None:
    content = json.loads(ask(*words, "--json").stdout)
    assert [one["name"] for one in content["criteria"]] == names
    assert content["n"] == max(one["n"] for one in content["criteria"])
    shown = ask(*words).stdout
    assert shown.startswith(f"{content['n']:,} patients, {content['positives']:,} of them positive")


def test_pictures_and_power_the_other_way_round() -> None:
    alone, several = (json.loads(ask("auc", *more, "--json").stdout)["n"] for more in ([], ["--pictures", "5"]))
    assert several == -(-alone // 5), "pictures that have nothing in common are worth as many patients"
    assert json.loads(ask("auc", "--pictures", "5", "--icc", "1", "--json").stdout)["n"] == alone
    n = json.loads(ask("difference", "--json").stdout)["n"]
    assert json.loads(ask("difference", "--patients", str(n), "--json").stdout)["power"] == pytest.approx(0.8, abs=0.01)
    assert "with power 0.80" in ask("difference", "--patients", str(n)).stdout


def test_what_is_no_question_is_said() -> None:
    assert "No such command 'validaton'. Did you mean 'validation'?" in ask("validaton").output
    assert "--mean and --sd go together" in str(ask("validation", "--mean", "3").exception)
    assert "AUC hoped for lies between 0.5 and 1" in str(
        ask("development", "--parameters", "3", "--auc", "0.4").exception
    )
