"""The demo has a folder of its own."""

from pathlib import Path

import pytest

from fibrostage.ground.errors import RunError
from fibrostage.study.demo import refuse_foreign, run_demo


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["notes.txt"], "holds notes.txt, made by no demo"),
        (["cohort/cohort.json", "study.toml"], "holds cohort, study.toml, made by no demo"),
        (["source/patients.csv"], "holds source, made by no demo"),
        (["a", "b", "c", "d", "e"], "holds a, b, c and 2 more, made by no demo"),
    ],
)
def test_what_others_made_is_left_alone(tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("theirs")
    before = everything(tmp_path)
    with pytest.raises(RunError, match=said):
        run_demo(tmp_path, 40, 0)
    assert everything(tmp_path) == before


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("theirs")
    with pytest.raises(RunError, match="demo is a file"):
        run_demo(tmp_path / "demo", 40, 0)


def test_an_empty_or_absent_folder_and_what_a_stopped_demo_leaves(tmp_path: Path) -> None:
    refuse_foreign(tmp_path / "absent")
    refuse_foreign(tmp_path)
    (tmp_path / ".source.partial-1-x").mkdir()
    refuse_foreign(tmp_path)
