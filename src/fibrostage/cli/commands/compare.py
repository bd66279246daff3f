"""`fibrostage compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibrostage.cli.commands.spec import Command
from fibrostage.cli.console import out, print_json, show_caveats, tell
from fibrostage.cli.options import AsJson, Classes, Confidence, Encoding, split
from fibrostage.cli.render import show
from fibrostage.ground.errors import IntakeError

PLOTS = (".svg", ".pdf", ".png")


def compare(
    table: Annotated[Path, typer.Argument(metavar="S.csv", help="A row a patient (or an image, with --cluster).")],
    truth: Annotated[str, typer.Option(help="Column of 1 and 0, or with --ordinal of stages.")],
    score: Annotated[list[str] | None, typer.Option(help="A score that is high in disease (repeat for more).")] = None,
    lower: Annotated[list[str] | None, typer.Option(help="A score that is low in disease.")] = None,
    positive: Annotated[list[str] | None, typer.Option(help="A label of the truth that counts as positive.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column that names the patient of each row.")] = None,
    ordinal: Annotated[bool, typer.Option("--ordinal", help="The truth is stages: Obuchowski index and cuts.")] = False,
    classes: Classes = None,
    penalty: Annotated[str, typer.Option(help="Of the Obuchowski index: linear or unit.")] = "linear",
    reference: Annotated[
        str | None, typer.Option(help="Compare this score with every other, instead of each with each.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="A new folder that keeps the comparison, for 'fibrostage report'.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the ROC curves: a .svg, .pdf or .png file.")] = None,
    encoding: Encoding = "utf-8",
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """Compare scores against one truth: AUCs, paired differences, and what may be concluded.

    \f
    Raises `IntakeError` where --plot does not end in .svg, .pdf or .png.
    """
    from fibrostage.analysis.conclusion import as_dict, conclusion
    from fibrostage.api.scores import compare as compare_scores
    from fibrostage.ground.files import check_new
    from fibrostage.views.comparison import comparison_views
    from fibrostage.views.table import marked

    if plot is not None and plot.suffix.lower() not in PLOTS:
        raise IntakeError(f"--plot {plot} must end in {', '.join(PLOTS[:-1])} or {PLOTS[-1]}")
    if target is not None:
        check_new(target)
    made = compare_scores(
        table, truth, score or (), lower=lower or (), positive=positive or (), cluster=cluster, ordinal=ordinal,
        classes=split(classes), penalty=penalty, reference=reference, encoding=encoding,  # type: ignore[arg-type]
        confidence=confidence,
    )  # fmt: skip
    if as_json:
        print_json(as_dict(made))
    else:
        for view in comparison_views(made):
            show(view)
        out.print(conclusion(made), markup=False, soft_wrap=True)
    show_caveats(made.caveats, made.simulated)
    if target is not None:
        from fibrostage.report.compared import write_comparison

        write_comparison(made, table, encoding, target)
        tell(f"comparison in {target}; next: fibrostage report {target}")
    if plot is not None:
        from fibrostage.report.roc import scores_figure
        from fibrostage.report.style import write_figure

        named = f"{truth}: {', '.join(made.question.every)}"
        write_figure(scores_figure(made), plot, marked(named, made.simulated))
        tell(f"ROC curves in {plot}")


COMMAND = Command("compare", "Compare and report", compare)
