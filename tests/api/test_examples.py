"""The example in every public function's docstring is run as it stands."""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
from pathlib import Path

import pytest

import fibrostage
from tests.forked import run

FUNCTIONS = [name for name in fibrostage.__all__ if inspect.isfunction(getattr(fibrostage, name))]


def examples_of(name: str) -> list[doctest.DocTest]:
    names = {public: getattr(fibrostage, public) for public in fibrostage.__all__}
    return [test for test in doctest.DocTestFinder(recurse=False).find(names[name], name, globs=names) if test.examples]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of(name: str, worked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examples_of(name)
    assert found, f"{name} has no example"
    for one in worked.iterdir():
        (tmp_path / one.name).symlink_to(one)
    if name == "write_report":
        (tmp_path / "RUN").unlink()
        shutil.copytree(worked / "RUN", tmp_path / "RUN")
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    for test in found:
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        runner.run(test, out=said.append)
        assert runner.failures == 0, "".join(said)


@pytest.mark.parametrize("document", ["docs/python.md", "docs/start.md", "README.md"])
def test_the_python_of_a_document_runs(
    document: str, worked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "COHORT").symlink_to(worked / "COHORT")
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).resolve().parents[2] / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert blocks
    for block in blocks:
        done = run("-c", block.replace("epochs=20", "epochs=1"))
        assert done.returncode == 0, done.stderr
