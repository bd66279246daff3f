"""Pages of the site that stand elsewhere in the repository: notebooks, the list of decisions, changes, contributing.

They are made when the site is built and are in no second place. Documents link to the files in the repository, and on
the site those links lead to the pages, or to copies of example files.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples/notebooks").glob("*.ipynb"))
PAGES = {
    "docs/decisions": "decisions/index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    **{f"examples/notebooks/{path.name}": f"notebooks/{path.stem}.md" for path in NOTEBOOKS},
}  # what stands in the repository, and the page that shows it


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that are made here, and the example files that pages link to."""
    made = {f"notebooks/{path.stem}.md": notebook(path) for path in NOTEBOOKS}
    made["decisions/index.md"] = decisions()
    made["changes.md"] = from_root("CHANGELOG.md")
    made["contributing.md"] = from_root("CONTRIBUTING.md")
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    for path in sorted((ROOT / "examples").rglob("*")):
        if path.suffix in (".toml", ".py", ".ipynb") and "plugin" not in path.parts:
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page whose links to what stands outside the documents lead to where that is on the site."""
    if page.file.generated_by is not None:
        return markdown
    folder = posixpath.dirname(page.file.src_uri)

    def elsewhere(found: re.Match[str]) -> str:
        """A link as it must be on the site."""
        path = posixpath.normpath(posixpath.join("docs", folder, found[1]))
        target = PAGES.get(path) or (path if path.startswith("examples/") else None)
        return found[0] if target is None else f"]({posixpath.relpath(target, folder or '.')})"

    return re.sub(r"\]\((?!\w+:)([^)#]+)\)", elsewhere, markdown)


def from_root(name: str) -> str:
    """A page of the repository's root, its links to documents as they are within them."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.sub(r"<!-- .*? -->\n", "", text.replace("](docs/", "]("))


def decisions() -> str:
    """The decisions by number, each by its title."""
    lines = ["# Decisions", "", "Why things are as they are, where a newcomer would ask.", ""]
    for path in sorted((ROOT / "docs/decisions").glob("0*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        lines.append(f"- {path.name[:4]} [{title}]({path.name})")
    return "\n".join(lines) + "\n"


def notebook(path: Path) -> str:
    """A notebook's prose and code as a page, and where the notebook itself is."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"]).strip()
        parts.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
    parts.insert(1, f"The notebook itself, to be run: [{path.name}](../examples/notebooks/{path.name}).")
    return "\n\n".join(parts) + "\n"
