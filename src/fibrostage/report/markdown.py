"""Texts in Markdown made of a template of the package."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader


def markdown_of(package: str, template: str, **told: object) -> str:
    """The text of a template in a package's folder of templates, of what is told; nothing of Markdown is escaped."""
    loader = PackageLoader(package, "templates")
    environment = Environment(loader=loader, trim_blocks=True, keep_trailing_newline=True)
    return environment.get_template(template).render(**told)
