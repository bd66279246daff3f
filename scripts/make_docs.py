"""Writes the documents that the code decides: docs/commands.md, the tables of docs/plan, the list of functions in
docs/api.md, and the table of rooms in CONTRIBUTING.md.

.venv/bin/python scripts/make_docs.py [--check]     with --check nothing is written, and what is stale is named
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import typer.main
from plan_docs import overview_filled, page_filled

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- rooms: made by scripts/make_docs.py -->", "<!-- end of rooms -->"


def rooms() -> str:
    """The rooms from the highest to the lowest, as the layer contract has them, with what each is for."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers, torchless = contracts[0]["layers"], contracts[2]["source_modules"]
    lines = ["| room | what it is for | knows torch |", "|---|---|---|"]
    for layer in layers:
        for name in re.findall(r"fibrostage\.(\w+)", layer):
            lines.append(f"| `{name}` | {purpose(name)} | {'no' if f'fibrostage.{name}' in torchless else 'yes'} |")
    return "\n".join(lines)


def purpose(name: str) -> str:
    """The first sentence of a room's docstring."""
    folder = ROOT / "src" / "fibrostage" / name
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).rstrip(".")


def commands() -> str:
    """Every command with its arguments and options, in the groups and the order of the help."""
    from fibrostage.cli.app import app
    from fibrostage.cli.commands import COMMANDS
    from fibrostage.cli.commands.spec import GROUPS

    click: Any = typer.main.get_command(app)
    parts = [
        "# The commands\n\nMade from the commands themselves by `scripts/make_docs.py`. `fibrostage COMMAND -h` says "
        "the same on a terminal. Progress and prose go to stderr, results to stdout; `--json` prints one JSON object "
        "there."
    ]
    for group in GROUPS:
        parts.append(f"## {group}")
        for known in COMMANDS:
            if known.group == group:
                parts += described(click.commands[known.name], f"fibrostage {known.name}")
    return "\n\n".join(parts) + "\n"


def described(command: Any, name: str) -> list[str]:
    """A command, or each of the commands below it."""
    if hasattr(command, "commands"):
        below = [part for sub, one in command.commands.items() for part in described(one, f"{name} {sub}")]
        return [f"### {name}", command.help or "", *below]
    own = [p for p in command.params if p.param_type_name == "argument"]
    arguments = " ".join(written(argument) for argument in own)
    lines = [
        f"### {name}",
        (command.help or "").partition("\f")[0].strip(),
        f"```\n{name} {arguments}".rstrip() + "\n```",
    ]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    if options:
        rows = ["| option | default | meaning |", "|---|---|---|"]
        for option in options:
            default = "" if option.default in (None, False) or callable(option.default) else f"{option.default}"
            rows.append(
                f"| `{', '.join(option.opts)}` | {default} | {(option.help or '').replace('|', chr(92) + '|')} |"
            )
        lines.append("\n".join(rows))
    return lines


def written(argument: Any) -> str:
    """An argument as it is written in a command."""
    name = argument.metavar or argument.name.upper()
    name = name if argument.required else f"[{name}]"
    return f"{name}…" if argument.nargs != 1 else name


def documents() -> dict[Path, str]:
    """Every document that is made, as it must be now."""
    contributing = ROOT / "CONTRIBUTING.md"
    text = contributing.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    docs = ROOT / "docs"
    pages = {path: page_filled(path.read_text(encoding="utf-8")) for path in sorted((docs / "plan").glob("*.md"))}
    overview = overview_filled((docs / "plan.md").read_text(encoding="utf-8"), pages)
    return {
        docs / "commands.md": commands(),
        docs / "plan.md": overview,
        **pages,
        docs / "api.md": api(),
        contributing: f"{head}{BEGIN}\n{rooms()}\n{END}{tail}",
    }


def api() -> str:
    """What `import fibrostage` offers, by the room that it comes from, as mkdocstrings is told it."""
    import fibrostage

    parts = [
        "# What `import fibrostage` offers\n\nMade from the package itself by `scripts/make_docs.py`; "
        "[From Python](python.md) shows how it is used. What is not named here may change from one version to the next."
    ]
    for module in dict.fromkeys(fibrostage.WHERE.values()):
        parts.append(f"## {module.removeprefix('fibrostage.')}\n\n{purpose_of(module)}.")
        parts += [f"::: {module}.{name}" for name, where in fibrostage.WHERE.items() if where == module]
    return "\n\n".join(parts) + "\n"


def purpose_of(module: str) -> str:
    """The first sentence of a module's docstring."""
    return purpose(module.removeprefix("fibrostage.").replace(".", "/"))


def main() -> int:
    stale = []
    for path, wanted in documents().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != wanted:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'is stale' if '--check' in sys.argv else 'written'}")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
