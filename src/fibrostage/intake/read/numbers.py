"""A cell of a measured column → a number in the column's own unit, or why it cannot be believed."""

from __future__ import annotations

import re

from fibrostage.csv_tables.reading import BOUND, TableReading, TableRecord
from fibrostage.csv_tables.way_forward import line, number_line, quoted
from fibrostage.ground.errors import Problems
from fibrostage.ground.quantities import Quantity
from fibrostage.ground.units import unit_of

PLAIN = TableReading()
WITH_COMMA = re.compile(r"[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?")


def parse_number(
    name: str,
    row: int,
    patient: str,
    quantity: Quantity,
    text: str,
    problems: Problems,
    reading: TableReading | None = None,
    record: TableRecord | None = None,
    hints: bool = True,
) -> float | None:
    """Returns a measured value in its own unit, or None with the reason noted; it is converted only as `reading` says,
    and never repaired. With a reading, and unless `hints` are not wanted, a reason says which line of the plan would
    read the value.

    Raises `PlanError` where the reading states a unit that the quantity has not.
    """
    rules, used, hints = reading or PLAIN, record or TableRecord(), hints and reading is not None
    if not text:
        return None
    bound = BOUND.fullmatch(text) if rules.censored != "refuse" else None
    if bound and rules.censored == "missing":
        used.censored[quantity.column, text] += 1
        return None
    number = number_of(bound[2] if bound else text, rules.decimal)
    where = f"patient {patient!r}"
    if number is None:
        old = " (write a decimal point)" if re.fullmatch(r"-?\d+,\d+", text) else ""
        hint = number_line(text, rules.decimal) if hints else old
        problems.add(name, f"{where}: {quantity.column} = {text!r} is not a number{hint}", row=row, patient_id=patient)
        return None
    other = unit_of(quantity, rules.units[quantity.column]) if quantity.column in rules.units else None
    value = number if other is None else other.convert(number)
    refusal = quantity.refusal(value)
    if refusal:
        hint = unit_line(quantity, number) if hints else ""
        problems.add(name, f"{where}: {refusal}{hint}", row=row, patient_id=patient)
        return None
    if other is not None:
        used.converted[quantity.column, other.said(quantity.unit)] += 1
    if bound:
        used.censored[quantity.column, text] += 1
    return value


def number_of(text: str, decimal: str) -> float | None:
    """A text as a number, None where it is none; with a decimal comma a point is no part of one."""
    if decimal == ",":
        return float(text.replace(",", ".")) if WITH_COMMA.fullmatch(text) else None
    try:
        return float(text)
    except ValueError:
        return None


def unit_line(quantity: Quantity, number: float) -> str:
    """The line that states a unit in which a refused number could be believed; nothing where there is none."""
    fits = [one.unit for one in quantity.others.values() if quantity.refusal(one.convert(number)) is None]
    return line(f"units = {{ {quantity.column} = {quoted(fits[0])} }}") if fits else ""
