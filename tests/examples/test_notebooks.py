"""The notebooks run from their first cell to their last, in a kernel of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "examples" / "notebooks").glob("*.ipynb"))


def kernel(folder: Path) -> KernelSpecManager:
    """This Python as the kernel, whatever kernels the machine has."""
    own = folder / "kernels" / "python3"
    own.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (own / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "Python 3", "language": "python"}))
    manager = KernelSpecManager()
    manager.kernel_dirs = [str(own.parent)]
    manager.ensure_native_kernel = False
    return manager


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_says(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "notebooks are kept without what they showed"
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.create_kernel_manager()
    client.km.kernel_spec_manager = kernel(tmp_path)
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pages = ["".join(one["data"]["text/html"]) for one in shown if "text/html" in one.get("data", {})]
    if path.stem == "first_quarter_of_an_hour":
        assert sum("SIMULATED" in page and "Research use only" in page for page in pages) == 2
    assert not any(output.output_type == "error" for output in shown)
