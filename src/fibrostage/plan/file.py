"""A plan's file and its overrides: TOML in, `--set section.key=value`, and pydantic's errors in words of ours."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fibrostage.ground.errors import PlanError, nearest
from fibrostage.ground.files import LARGEST_TEXT, read_whole


def read_plan_file(path: Path) -> dict[str, Any]:
    """Reads a plan file's content, unvalidated; TOML unless the name ends in .json.

    Raises `PlanError` where the file is missing, cannot be read, is not valid, or holds no table.
    """
    try:
        text = read_whole(path, LARGEST_TEXT).decode("utf-8-sig")
    except FileNotFoundError:
        raise PlanError(f"no plan at {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"cannot read the plan {path}: {error}") from None
    try:
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{path} is not valid {path.suffix.lstrip('.') or 'TOML'}: {error}") from None
    if not isinstance(content, dict):
        raise PlanError(f"{path} holds no table of sections and keys, which a plan is")
    return content


def apply_override(data: dict[str, Any], override: str) -> None:
    """Puts `section.key=value` into plan data, in place; the value is TOML, and a bare word is a string.

    Raises `PlanError` where it is not of that form, the value is neither, or a step of the path is no section.
    """
    key, equals, text = override.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise PlanError(f"--set {override!r}: write it as section.key=value, e.g. training.epochs=20")
    try:
        parsed = tomllib.loads(f"value = {text}")
        if list(parsed) != ["value"]:
            raise PlanError(f"--set {override!r}: one value at a time")
        value = parsed["value"]
    except tomllib.TOMLDecodeError:
        if not re.fullmatch(r"[\w./:@+-]+", text.strip()):
            raise PlanError(
                f"--set {override!r}: {text!r} is not a TOML value; quote strings and lists for "
                'your shell, e.g. --set \'network.modalities=["LSTE", "LUS"]\''
            ) from None
        value = text.strip()
    target: Any = data
    for step in path[:-1]:
        target = target.setdefault(step, {})
        if not isinstance(target, dict):
            raise PlanError(f"--set {override!r}: {step!r} is not a section of the plan")
    target[path[-1]] = value


def laid_over(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Returns plan data with other plan data laid over it, section by section.

    Raises `PlanError` where a section would be laid over what is none.
    """
    result = dict(base)
    for key, value in more.items():
        before = result.get(key, {})
        if isinstance(value, Mapping):
            if not isinstance(before, Mapping):
                raise PlanError(f"{key} = {before!r} must be a section of the plan")
            result[key] = laid_over(before, value)
        else:
            result[key] = value
    return result


def explain(error: ValidationError, source: str, root: type[BaseModel]) -> str:
    """Pydantic's errors as one line each, naming the key, what is allowed and what came."""
    lines = []
    for item in error.errors():
        location = [str(step) for step in item["loc"]]
        key = ".".join(location) or source
        if item["type"] == "extra_forbidden":
            valid = section_keys(item["loc"][:-1], root)
            lines.append(f"{source}: unknown key {key!r}{nearest(location[-1], valid)}; valid here: {', '.join(valid)}")
        elif item["type"] == "missing":
            lines.append(f"{source}: {key!r} is required")
        else:
            lines.append(f"{source}: {key} = {item['input']!r}: {item['msg']}")
    return "\n".join(lines)


def section_keys(location: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """The valid keys of the section at a location within a plan."""
    section = root
    for step in location:
        if isinstance(step, str):
            annotation: Any = section.model_fields[step].annotation
            section = next((a for a in get_args(annotation) if is_section(a)), annotation)
    return list(section.model_fields)


def is_section(annotation: Any) -> bool:
    """Says whether an annotation is a section of a plan."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
