"""Files read on a cluster: the same cohort, byte for byte, as read on this machine."""

from __future__ import annotations

from pathlib import Path

from fibrostage.ground.shards import RayShards
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.take_in import take_in
from fibrostage.plan.run_plan import Plan
from tests.conftest import make_source, plan_data


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file under a folder by its name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_two_nodes_make_the_same_cohort_byte_for_byte(two_nodes: str, tmp_path: Path) -> None:
    sources, plan = make_source(tmp_path / "source"), Plan.parse(plan_data())
    (tmp_path / "source" / "pictures" / "P001_LSTE_0.png").write_bytes(b"no picture")
    made = []
    for name, engine in (("here", None), ("there", RayShards(two_nodes))):
        take_in(sources, tmp_path / name / "cohort", plan, choices=Choices(skip_bad=True, engine=engine))
        made.append(bytes_of(tmp_path / name))
    assert made[0] == made[1]
    assert b"P001_LSTE_0" in made[0]["cohort/exclusions.csv"]
    assert "cohort/pixels/LUS.npy" in made[0]
