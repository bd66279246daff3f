"""The tables of a plan's keys, made from the plan's own sections: what is allowed and the default from pydantic's
schema, the meaning from the docstring under each field, and which other key's value a key needs from
`plan.commands.idle_keys`.

A page under docs/plan says which sections it is about, `<!-- keys: split, evaluation -->`; the rest of it is written by
hand.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fibrostage.plan.commands import READERS, idle_keys
from fibrostage.plan.file import is_section
from fibrostage.plan.presets import PRESETS
from fibrostage.plan.run_plan import Plan

KEYS, END = re.compile(r"<!-- keys: ([\w, ]+) -->"), "<!-- end of keys -->"
SECTIONS, END_SECTIONS = "<!-- sections -->", "<!-- end of sections -->"
NAMED, END_NAMED = "<!-- networks by name -->", "<!-- end of networks by name -->"
REPEATED = ("modality", "rule", "stiffness", "mask")  # [[…]], as often as there are such things
GATES = {  # keys whose value decides whether others are read, and the values that they take here
    "training.finetune": ("head", "last", "all"),
    "training.optimiser": ("adamw", "sgd"),
    "training.cover": ("pictures", "candidates"),
    "training.frozen_l2": ("chosen", 0.1),
    "split.scheme": ("holdout", "kfold", "column"),
}


def page_filled(text: str) -> str:
    """A page with the tables of the sections that it names, those of today."""
    for found in KEYS.finditer(text):
        tables = [table_of(name.strip()) for name in found[1].split(",")]
        head, _, rest = text.partition(found[0])
        text = f"{head}{found[0]}\n{chr(10).join(tables)}\n{END}{rest.partition(END)[2]}"
    if NAMED in text:
        head, _, rest = text.partition(NAMED)
        text = f"{head}{NAMED}\n{presets()}\n{END_NAMED}{rest.partition(END_NAMED)[2]}"
    return text


def overview_filled(text: str, pages: dict[Path, str]) -> str:
    """The overview with the list of sections: which command reads each, and on which page it stands.

    Raises `ValueError` for a section that stands on no page, or on two.
    """
    where = [(name.strip(), path) for path, page in pages.items() for name in KEYS.search(page)[1].split(",")]  # type: ignore[index]
    if sorted(name for name, _ in where) != sorted(Plan.model_fields):
        raise ValueError(
            f"of the plan's sections {sorted(Plan.model_fields)} the pages have {sorted(n for n, _ in where)}"
        )
    lines = ["| section | what it says | read by |", "|---|---|---|"]
    for name in Plan.model_fields:
        path = dict(where)[name]
        readers = [one.command for one in READERS if name in (*one.sections, *one.kept)]
        lines.append(
            f"| [`{title(name)}`](plan/{path.name}#{name}) | {about(name)} | {', '.join(f'`{r}`' for r in readers)} |"
        )
    head, _, rest = text.partition(SECTIONS)
    body = "\n".join(lines)
    return f"{head}{SECTIONS}\n{body}\n{END_SECTIONS}{rest.partition(END_SECTIONS)[2]}"


def title(name: str) -> str:
    """A section as it is written in a plan; a key that stands before all sections by its own name."""
    if section_of(name) is None:
        return name
    return f"[[{name}]]" if name in REPEATED else f"[{name}]"


def section_of(name: str) -> type[BaseModel] | None:
    """The section under a name of the plan; None of a key that stands before all sections."""
    return inner(Plan.model_fields[name].annotation)


def inner(annotation: Any) -> type[BaseModel] | None:
    """The section within an annotation, where there is one."""
    return next((one for one in (annotation, *getattr(annotation, "__args__", ())) if is_section(one)), None)


def about(name: str) -> str:
    """The first sentence of a section's docstring, or what a lone key means."""
    section = section_of(name)
    text = meanings(Plan)[name] if section is None else " ".join((section.__doc__ or "").split())
    return linked(re.split(r"(?<=\.)\s", text)[0], "")


def table_of(name: str) -> str:
    """A heading and the keys of a section; of a lone key its one row."""
    heading = f"\n## {title(name)} {{ #{name} }}\n"
    section = section_of(name)
    lines = [heading] if section is None else [heading, f"{linked(' '.join((section.__doc__ or '').split()))}\n"]
    lines += ['<div class="keys" markdown>\n', "| key | allowed | default | meaning |", "|---|---|---|---|"]
    lines += [row(Plan, name, name, name)] if section is None else rows(section, name, "")
    return "\n".join([*lines, "\n</div>"])


def rows(section: type[BaseModel], path: str, before: str) -> list[str]:
    """A row a key, those of a section within the section by their whole names."""
    found = []
    for key, field in section.model_fields.items():
        within = inner(field.annotation)
        if within is not None:
            found += rows(within, f"{path}.{key}", f"{before}{key}.")
        else:
            found.append(row(section, key, f"{before}{key}", f"{path}.{key}"))
    return found


def row(section: type[BaseModel], key: str, shown: str, path: str) -> str:
    """One row of a table: the key, what is allowed, the default, what it means and which other keys it needs."""
    schema = section.model_json_schema()
    own = schema["properties"][key]
    default = "–" if key in schema.get("required", ()) else toml_of(own.get("default"))
    needs = " and ".join(needed().get(path, ()))
    cells = [
        f"`{shown}`",
        allowed(own),
        default,
        linked(meanings(section)[key]) + (f" Only with {needs}." if needs else ""),
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def meanings(section: type[BaseModel]) -> dict[str, str]:
    """The docstring under each field of a section; raises `KeyError` later where one has none."""
    tree = ast.parse(inspect.getsource(section))
    assert isinstance(tree.body[0], ast.ClassDef)
    found = {}
    for field, after in itertools.pairwise(tree.body[0].body):
        says = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and says:
            found[field.target.id] = " ".join(str(after.value.value).split())
    return found


def linked(text: str, up: str = "../") -> str:
    """Documents that a text names, as links from a page under docs/plan."""
    return re.sub(r"docs/([\w-]+)\.md", rf"[\1]({up}\1.md)", text)


def toml_of(value: object) -> str:
    """A default as it stands in a plan; "none" where nothing is set."""
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, list):
        return f"`[{', '.join(toml_of(one).strip('`') for one in value)}]`"
    return f"`{value}`"


def allowed(schema: dict[str, Any]) -> str:
    """What a key may be, in words, from its JSON schema."""
    if "anyOf" in schema:
        parts = [allowed(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(parts))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(toml_of(value) for value in values)
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return f"{'whole number' if kind == 'integer' else 'number'}{bounds(schema)}"
    if kind == "array" and "prefixItems" in schema:
        return f"{len(schema['prefixItems'])} numbers"
    if kind == "array":
        return f"list of {several(allowed(schema.get('items', {})))}"
    return {"boolean": "`true`, `false`", "string": "text", "object": "table"}.get(str(kind), "text")


def several(words: str) -> str:
    """What a list holds, in the plural where it is a word."""
    first, _, rest = words.partition(" ")
    return {"text": "texts", "whole": f"whole {rest.replace('number', 'numbers')}", "number": f"numbers {rest}"}.get(
        first, words
    ).strip()


def bounds(schema: dict[str, Any]) -> str:
    """From where to where a number goes."""
    words = []
    for key, word in (
        ("minimum", "from"),
        ("exclusiveMinimum", "above"),
        ("maximum", "to"),
        ("exclusiveMaximum", "below"),
    ):
        if key in schema:
            words.append(f"{word} {schema[key]:g}" if schema[key] < 1e6 else f"{word} {schema[key]:.0f}")
    return f" {' '.join(words)}" if words else ""


@functools.cache
def needed() -> dict[str, list[str]]:
    """By key, "section.key", the values that other keys must have for it to be read: found by trying all of them."""
    plans = [dict(zip(GATES, values, strict=True)) for values in itertools.product(*GATES.values())]
    idle = [
        idle_keys(Plan.parse({"modality": [{"name": "LUS"}]}, [f"{k}={v}" for k, v in one.items()])) for one in plans
    ]
    result: dict[str, list[str]] = {}
    for key in set().union(*idle):
        reading = [plan for plan, unread in zip(plans, idle, strict=True) if key not in unread]
        for gate, values in GATES.items():
            kept = [value for value in values if any(plan[gate] == value for plan in reading)]
            if len(kept) < len(values):
                result.setdefault(key, []).append(f"`{gate}` = {' or '.join(map(toml_of, kept))}")
    return result


def presets() -> str:
    """What each network's name means, which cannot be otherwise under it, and what it suggests."""
    lines = ["| `network.name` | what it is | means | suggests |", "|---|---|---|---|"]
    for one in PRESETS:
        cells = [
            ", ".join(f"`{s}.{k} = {toml_of(v).strip('`')}`" for s, keys in values.items() for k, v in keys.items())
            for values in (one.means, one.suggests)
        ]
        lines.append(f'| `"{one.name}"` | {one.about} | {cells[0]} | {cells[1]} |')
    return "\n".join(lines)
