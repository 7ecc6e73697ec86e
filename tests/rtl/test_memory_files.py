"""Tables of a written project: what a simulator would fill in or cut off is an error that names file and lines."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import networks
import pytest
from conftest import Workspace
from designs import Written, write_design

from fpgaae.config.model import Score
from fpgaae.errors import CheckFailed
from fpgaae.rtl.memory_files import check_tables, has_more_lines, with_missing_lines


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED_OVER_VARIANCE, features)
    return write_design(network, features, tmp_path_factory.mktemp("rtl"))


@pytest.fixture
def project(written: Written, tmp_path: Path) -> Path:
    shutil.copytree(written.project, tmp_path / "project")
    return tmp_path / "project"


def _table(folder: Path) -> Path:
    return max(folder.glob("*.mem"), key=lambda file: file.stat().st_size)


def test_written_tables_are_whole(project: Path) -> None:
    check_tables(project)
    assert len(list(project.glob("*/*.mem"))) > 4


def test_missing_lines_are_filled_in_a_copy_and_more_lines_are_seen(project: Path, tmp_path: Path) -> None:
    assert with_missing_lines(project, tmp_path / "none") is None
    table = _table(project / "verilog")
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-2]))
    filled = with_missing_lines(project, tmp_path / "filled")
    assert filled is not None
    found = (filled / "verilog" / table.name).read_text().splitlines()
    assert found[:-2] == [line.strip() for line in lines[:-2]]
    assert found[-1] == found[-2]
    assert (int(found[-1], 16) + 1).bit_count() == 1, "all bits of a missing line are ones"
    assert table.read_text() == "".join(lines[:-2])
    assert not has_more_lines(project)
    table.write_text("".join([*lines, lines[0]]))
    assert has_more_lines(project)


@pytest.mark.parametrize("flavour", ["verilog", "vhdl"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: "".join(lines[:-1]), "has {less} lines, and the table that reads it has {n}"),
        (lambda lines: "", "has 0 lines, and the table that reads it has {n}"),
        (lambda lines: "".join([*lines, lines[0]]), "has {more} lines, and the table that reads it has {n}"),
        (lambda lines: "".join(lines)[:-1], "ends without a newline in line {n}"),
        (lambda lines: "".join(["xyz\n", *lines[1:]]), "line 1 of {n}: 'xyz' is no hexadecimal number of"),
        (lambda lines: "".join([*lines[:-1], "FFFFF\n"]), "line {n} of {n}: 'FFFFF' is no hexadecimal number of"),
        (lambda lines: "".join([*lines[1:], lines[0]]), "does not hold the {n} entries that were traced"),
        (lambda lines: "".join([*lines[:-1], lines[0]]), "does not hold the {n} entries that were traced"),
        (lambda lines: "".join([lines[0], "\n", *lines[2:]]), "line 2 of {n}: '' is no hexadecimal number of"),
    ],
    ids=[
        "short",
        "empty",
        "long",
        "no last newline",
        "no number",
        "too wide",
        "rotated",
        "a wrong entry",
        "an empty line",
    ],
)
def test_a_damaged_table_is_named(
    flavour: str, damage: Callable[[list[str]], str], said: str, project: Path
) -> None:  # fmt: skip
    table = _table(project / flavour)
    lines = table.read_text().splitlines(keepends=True)
    n = len(lines)
    table.write_text(damage(lines))
    with pytest.raises(CheckFailed) as caught:
        check_tables(project)
    assert f"{flavour}/{table.name}" in str(caught.value)
    assert said.format(n=n, less=n - 1, more=n + 1) in str(caught.value)


def test_a_missing_table_is_named(project: Path) -> None:
    table = _table(project / "verilog")
    table.unlink()
    with pytest.raises(CheckFailed, match=rf"{table.name} is missing"):
        check_tables(project)


def test_digits_that_vhdl_can_not_read_are_named(project: Path) -> None:
    table = _table(project / "vhdl")
    lines = table.read_text().splitlines()
    table.write_text("".join(f"{line.lstrip('0') or '0'}\n" for line in lines))
    with pytest.raises(CheckFailed, match="is no hexadecimal number of"):
        check_tables(project)


def test_a_table_that_is_instantiated_in_another_way_is_named(project: Path) -> None:
    source = next(file for file in project.glob("verilog/*stage*.v") if "lookup_table #(" in file.read_text())
    source.write_text(re.sub(r"lookup_table #\((\d+), ", r"lookup_table #(.BW_IN(\1), ", source.read_text(), count=1))
    with pytest.raises(CheckFailed, match=rf"{source.name} instantiates lookup_table in another way"):
        check_tables(project)


def test_the_stage_rtl_stops_at_a_short_table(traced: Workspace, tmp_path: Path) -> None:
    networks.need("verilator")
    workspace = traced.copy(tmp_path / "copy")
    table = _table(workspace.experiment.stage_folder("trace") / "project" / "verilog")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(CheckFailed, match=rf"{table.name} has [\d,]+ lines"):
        workspace.run("rtl")
