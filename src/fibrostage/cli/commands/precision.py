"""`fibrostage precision`: what a number of patients can show, and how many patients a study needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import out, print_json
from fibrostage.cli.options import AsJson, Confidence

if TYPE_CHECKING:
    from fibrostage.stats.sample_size import Needed

FIRST = "patients"  # what 'precision 34' asks


class NumberFirst(TyperGroup):
    """Commands of which one need not be named: a number, or an option, begins its arguments."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads arguments, with the command put in where they begin with a number or an option other than help."""
        first = args[0] if args else ""
        if first not in ("-h", "--help") and (first.startswith("-") or first[:1].isdigit()):
            args = [FIRST, *args]
        return super().parse_args(ctx, args)


precision = typer.Typer(
    cls=NumberFirst,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What a number of patients can show, and how many patients a study needs. 'precision 34' asks the first.",
)

Prevalence = Annotated[float, typer.Option(help="Share of the patients that is positive at the cut.")]
HopedAuc = Annotated[float, typer.Option("--auc", help="The AUC hoped for.")]
Width = Annotated[float, typer.Option(help="How wide the interval may be, end to end.")]
Pictures = Annotated[float, typer.Option(help="Pictures of a patient that are counted one by one, on average.")]
Alike = Annotated[
    float, typer.Option("--icc", help="How alike a patient's pictures are, 0 to 1: of hits or of scores.")
]
Spread = Annotated[float, typer.Option("--cv", help="How the number of pictures varies: standard deviation / mean.")]


def show_needed(needed: Needed, as_json: bool) -> None:
    """Prints what a study needs, as JSON or as a table."""
    from fibrostage.cli.render import show
    from fibrostage.views.planning import needed_view

    if as_json:
        print_json(needed.as_dict())
    else:
        show(needed_view(needed))


@precision.command()
def patients(
    patients: Annotated[int, typer.Argument(help="How many patients will be tested.")],
    prevalence: Prevalence = 0.3,
    auc: HopedAuc = 0.85,
    accuracy: Annotated[float, typer.Option(help="The accuracy hoped for.")] = 0.7,
    width: Annotated[float, typer.Option(help="Also: patients for an AUC interval this wide.")] = 0.1,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """The intervals to expect of a number of patients, before the study is done."""
    from fibrostage.stats.precision import expected_precision, patients_for

    found = expected_precision(patients, prevalence, auc, accuracy, confidence)
    enough = patients_for(width, prevalence, auc, confidence)
    if as_json:
        print_json(
            {
                "n": found.n,
                "positives": found.positives,
                "accuracy": found.accuracy.as_dict(),
                "auc": found.auc.as_dict(),
                "confidence": confidence,
                "width": width,
                "n_for_width": enough,
            }
        )
        return
    out.print(f"{found.n} patients, {found.positives} positive, {100 * confidence:g} % intervals to expect:")
    out.print(f"  accuracy {found.accuracy}\n  AUC      {found.auc}")
    out.print(f"an AUC of {auc:g} within ±{width / 2:g} needs about {enough} patients")


@precision.command()
def auc(
    auc: HopedAuc = 0.85,
    prevalence: Prevalence = 0.3,
    width: Width = 0.1,
    pictures: Pictures = 1,
    icc: Alike = 0.0,
    cv: Spread = 0.0,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """The patients for an AUC whose interval is no wider than asked for."""
    from fibrostage.stats.sample_size import size_of_auc

    show_needed(size_of_auc(auc, prevalence, width, confidence).of_pictures(pictures, icc, cv), as_json)


@precision.command()
def difference(
    auc: HopedAuc = 0.85,
    other: Annotated[float, typer.Option(help="The AUC of the score it is compared with, on the same patients.")] = 0.8,
    correlation: Annotated[
        float, typer.Option(help="How the two scores correlate within negatives and within positives.")
    ] = 0.5,
    prevalence: Prevalence = 0.3,
    power: Annotated[float, typer.Option(help="The probability of finding the difference.")] = 0.8,
    patients: Annotated[int | None, typer.Option(help="The other way round: the power that so many have.")] = None,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """The patients on whom the paired test finds the difference of two AUCs."""
    from fibrostage.stats.sample_size import power_of_difference, size_of_difference

    if patients is None:
        show_needed(size_of_difference(auc, other, correlation, prevalence, power, confidence), as_json)
        return
    reached = power_of_difference(patients, auc, other, correlation, prevalence, confidence)
    if as_json:
        print_json({"n": patients, "power": reached})
    else:
        out.print(f"{patients} patients find an AUC of {auc:g} against {other:g} with power {reached:.2f}")


@precision.command()
def rates(
    sensitivity: Annotated[float, typer.Option(help="The sensitivity hoped for.")] = 0.85,
    specificity: Annotated[float, typer.Option(help="The specificity hoped for.")] = 0.8,
    prevalence: Prevalence = 0.3,
    width: Width = 0.1,
    pictures: Pictures = 1,
    icc: Alike = 0.0,
    cv: Spread = 0.0,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """The patients for a sensitivity and a specificity whose intervals are no wider than asked for."""
    from fibrostage.stats.sample_size import size_of_rates

    needed = size_of_rates(sensitivity, specificity, prevalence, width, confidence)
    show_needed(needed.of_pictures(pictures, icc, cv), as_json)


@precision.command()
def validation(
    auc: HopedAuc = 0.85,
    prevalence: Prevalence = 0.3,
    width: Annotated[float, typer.Option(help="How wide the interval of the AUC may be.")] = 0.1,
    ratio_width: Annotated[float, typer.Option(help="How wide that of observed over expected positives may be.")] = 0.4,
    slope_width: Annotated[float, typer.Option(help="How wide that of the calibration slope may be.")] = 0.4,
    mean: Annotated[
        float | None, typer.Option(help="Mean of the model's logits, where it is known; with --sd.")
    ] = None,
    sd: Annotated[float | None, typer.Option(help="Their standard deviation; with --mean.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="A probability to act on: also the net benefit there.")
    ] = None,
    sensitivity: Annotated[float, typer.Option(help="The sensitivity hoped for at --threshold.")] = 0.85,
    specificity: Annotated[float, typer.Option(help="The specificity hoped for at --threshold.")] = 0.8,
    benefit_width: Annotated[float, typer.Option(help="How wide that of the standardised net benefit may be.")] = 0.2,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """The patients to validate a model on: calibration, AUC and net benefit known well enough (Riley 2021).

    \f
    Raises `PlanError` where one of --mean and --sd comes without the other.
    """
    from fibrostage.ground.errors import PlanError
    from fibrostage.stats.linear_predictor import normal_predictor, predictor_of_auc
    from fibrostage.stats.validation_size import Benefit, Widths, size_of_validation

    if (mean is None) != (sd is None):
        raise PlanError("--mean and --sd go together: the model's logits are normal with both")
    known = mean is not None and sd is not None
    predictor = normal_predictor(mean, sd) if known else predictor_of_auc(auc, prevalence)  # type: ignore[arg-type]
    benefit = None if threshold is None else Benefit(threshold, sensitivity, specificity, benefit_width)
    widths = Widths(ratio_width, slope_width, width)
    show_needed(size_of_validation(auc, predictor, widths, benefit, prevalence, confidence), as_json)


@precision.command()
def development(
    parameters: Annotated[int, typer.Option(help="Candidate parameters: measurements, and terms of them.")],
    auc: Annotated[float | None, typer.Option(help="The AUC hoped for; 0.85 where --r2 is not given.")] = None,
    r2: Annotated[float | None, typer.Option(help="Or Cox and Snell's R² of a model that there is.")] = None,
    prevalence: Prevalence = 0.3,
    shrinkage: Annotated[float, typer.Option(help="The expected shrinkage that is borne.")] = 0.9,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """The patients to develop a model of one cut on (Riley 2019): little shrinkage, little optimism, a known risk."""
    from fibrostage.stats.development_size import size_of_development

    hoped = 0.85 if auc is None and r2 is None else auc
    show_needed(size_of_development(parameters, prevalence, hoped, r2, shrinkage, confidence), as_json)


COMMAND = Command("precision", "Compare and report", precision)
