"""Adders of three values: the module against integers, its primitives against those of Yosys, and which sums join."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import networks
import numpy as np
import pytest
from da4ml.cmvm.types import CombLogic
from da4ml.trace import FixedVariableArray, FixedVariableArrayInput, comb_trace

from fpgaae.rtl.arithmetic import HARDWARE, exact_ranges
from fpgaae.rtl.design import CELLS, THREE_INPUT_ADDER
from fpgaae.rtl.logic_graph import write_stage
from fpgaae.rtl.pipeline import interpretable
from fpgaae.rtl.schedule import cut
from fpgaae.rtl.stage_proof import require_abc
from fpgaae.rtl.templates import firmware_rtl, wrapper_text
from fpgaae.rtl.three_input import choose_pairs, lut_bits, merged, pairs_of, terms
from fpgaae.rtl.verilator import as_sums

VECTORS = 60


class Adder(NamedTuple):
    """The parameters of one adder."""

    widths: list[int]
    signs: list[int]
    bits: int
    shifts: list[int]
    minus: list[int]  # of the second and the third value


def adders(n: int) -> list[Adder]:
    """Draw parameters, of every combination of subtracted values."""
    rng = np.random.default_rng(5)
    drawn = []
    for _, minus in zip(range(n), [*product((0, 1), repeat=2)] * n, strict=False):
        widths, shifts = rng.integers(1, 13, 3).tolist(), rng.integers(0, 5, 3).tolist()
        drawn.append(
            Adder(widths, rng.integers(0, 2, 3).tolist(), int(rng.integers(max(shifts) + 1, 20)), shifts, list(minus))
        )
    return drawn


def bench(adders: list[Adder], values: list[np.ndarray[Any, Any]]) -> str:
    """Write a module that prints the sums of all vectors, an adder a line."""
    lines = ["module bench;"]
    for index, (adder, given) in enumerate(zip(adders, values, strict=True)):
        numbers = ", ".join(map(str, (*adder.widths, *adder.signs, adder.bits, *adder.shifts, *adder.minus)))
        names = [f"in{index}_{place}" for place in range(3)]
        lines += [f"reg [{width - 1}:0] {name};" for width, name in zip(adder.widths, names, strict=True)]
        lines.append(f"wire [{adder.bits - 1}:0] out{index};")
        lines.append(f"{THREE_INPUT_ADDER} #({numbers}) adder{index} ({', '.join(names)}, out{index});")
        steps = [
            " ".join(f"{name} = {code};" for name, code in zip(names, row, strict=True))
            + f' #1 $write("%0d ", out{index});'
            for row in given.tolist()
        ]
        lines.append(f'initial begin #{1000 * index}; {" ".join(steps)} $write("\\n"); end')
    return "\n".join([*lines, "endmodule", ""])


@pytest.mark.parametrize("has_primitives", [1, 0])
def test_the_module_adds_as_integers_do(tmp_path: Path, has_primitives: int) -> None:
    networks.need("iverilog")
    rng, drawn = np.random.default_rng(6), adders(48)
    values = [np.stack([rng.integers(0, 1 << width, VECTORS) for width in adder.widths], axis=1) for adder in drawn]
    (tmp_path / "bench.v").write_text(bench(drawn, values))
    (tmp_path / "adder.v").write_text(wrapper_text(f"{THREE_INPUT_ADDER}.v", {"HAS_PRIMITIVES": has_primitives}))
    sources = [tmp_path / "bench.v", tmp_path / "adder.v", firmware_rtl(CELLS)]
    program = tmp_path / "bench.vvp"
    subprocess.run(["iverilog", "-s", "bench", "-o", str(program), *map(str, sources)], check=True, capture_output=True)
    said = subprocess.run(["vvp", str(program)], check=True, capture_output=True, text=True).stdout
    for adder, given, line in zip(drawn, values, said.splitlines(), strict=True):
        signed = given - (given >> np.array(adder.widths) - 1 & adder.signs) * (1 << np.array(adder.widths))
        total = ((signed << np.array(adder.shifts)) * (1 - 2 * np.array([0, *adder.minus]))).sum(axis=1)
        assert [int(word) for word in line.split()] == (total % (1 << adder.bits)).tolist(), adder


def test_only_an_adder_that_was_not_edited_is_simulated_as_a_sum(tmp_path: Path) -> None:
    (source := tmp_path / f"{THREE_INPUT_ADDER}.v").write_text(wrapper_text(source.name, {"HAS_PRIMITIVES": 1}))
    other, sums = as_sums([tmp_path / "mux.v", source], tmp_path)
    assert other == tmp_path / "mux.v"
    assert "HAS_PRIMITIVES = 0;" in sums.read_text()
    source.write_text(source.read_text() + "// edited\n")
    assert as_sums([source], tmp_path) == [source]


def test_an_adder_whose_models_were_edited_is_simulated_as_it_is(tmp_path: Path) -> None:
    (source := tmp_path / f"{THREE_INPUT_ADDER}.v").write_text(wrapper_text(source.name, {"HAS_PRIMITIVES": 1}))
    models = Path(shutil.copy(firmware_rtl(CELLS), tmp_path))
    assert as_sums([source, models], tmp_path) == [tmp_path / "sums" / source.name, models]
    models.write_text(models.read_text().replace("S | DI", "S & DI"))
    assert as_sums([source, models], tmp_path) == [source, models]


def test_the_primitives_compute_what_those_of_yosys_do(tmp_path: Path) -> None:
    """Yosys proves both, for every input; the tables of the adders are those that are tried."""
    networks.need("yosys")
    share = Path(str(shutil.which("yosys"))).resolve().parent.parent / "share" / "yosys" / "xilinx" / "cells_sim.v"
    text = share.read_text()
    theirs = [re.search(rf"module {name}\b.*?endmodule", text, re.DOTALL) for name in ("LUT6_2", "CARRY8")]
    found = "\n".join(match[0] for match in theirs if match)
    (tmp_path / "theirs.v").write_text(re.sub(r"\b(LUT6_2|CARRY8)\b", r"\1_OF_YOSYS", found))
    for index, (cell, table) in enumerate(
        [("CARRY8", None), ("LUT6_2", "69966996E8E8E8E8"), ("LUT6_2", "0123456789ABCDEF")]
    ):
        given = f"chparam -set INIT 64'h{table} {cell} {cell}_OF_YOSYS; " if table else ""
        fixed = "-set in_CI_TOP 0 " if cell == "CARRY8" else ""
        script = (
            f"read_verilog {firmware_rtl(CELLS)}; read_verilog {tmp_path / 'theirs.v'}; {given}proc; "
            f"miter -equiv -make_outputs {cell} {cell}_OF_YOSYS both; hierarchy -top both; flatten; opt_clean; "
            f"sat -verify -prove trigger 0 {fixed}both"
        )
        done = subprocess.run(["yosys", "-p", script], check=False, capture_output=True, text=True)
        assert done.returncode == 0, (index, done.stdout[-2000:], done.stderr)


def logic() -> CombLogic:
    """Trace sums of sums, one of which something else reads, too."""
    with exact_ranges():
        ports = FixedVariableArrayInput((6,), HARDWARE)
        a, b, c, d, e, f = (port.quantize(1, 5 + place, 0) for place, port in enumerate(ports._vars))
        shared = a + b
        outputs = [(c - d) - e * 4.0, f - (shared + c), shared * 2.0 + 5, ((a - c) + 3) - f, e - (d + (b - f))]
        return comb_trace(ports, FixedVariableArray(np.array(outputs, dtype=object)))


def test_a_sum_that_something_else_reads_stays_apart() -> None:
    traced = logic()
    read, pairs = traced.ref_count.tolist(), choose_pairs(traced)
    assert pairs
    assert all(read[inner] == 1 for inner in pairs.values())
    assert not set(pairs) & set(pairs.values())


def test_the_cost_is_that_of_the_adders_which_are_written() -> None:
    traced = logic()
    pairs = choose_pairs(traced)
    joined = merged(traced, pairs)
    assert pairs_of(joined) == pairs
    saved = [
        lut_bits(traced, outer, terms(traced, outer))
        + lut_bits(traced, inner, terms(traced, inner))
        - lut_bits(traced, outer, terms(traced, outer, inner))
        for outer, inner in pairs.items()
    ]
    assert min(saved) > 0


@pytest.mark.parametrize("depth", [1.0, 1.5, 2.0, 3.0, 5.0])
def test_adders_of_three_values_take_no_more_stages_and_give_the_same(depth: float) -> None:
    traced = logic()
    events = np.random.default_rng(1).integers(0, 32, (200, 6)).astype(np.float64)
    apart, joined = (cut(traced, depth, three_inputs=three) for three in (False, True))
    assert len(joined.solutions) <= len(apart.solutions)
    assert any(pairs_of(stage) for stage in joined.solutions) == (depth >= 1.5)
    values = events
    for stage in joined.solutions:
        values = interpretable(stage).predict(values)
    np.testing.assert_array_equal(values, traced.predict(events))


def test_both_graphs_of_a_stage_are_equal(tmp_path: Path) -> None:
    """The one that adds three values at once and the one that adds two after two compute the same for every input."""
    (stage,) = cut(logic(), 20.0, three_inputs=True).solutions
    assert pairs_of(stage)
    for joins_sums in (True, False):
        write_stage(stage, tmp_path / f"{joins_sums}.aig", joins_sums=joins_sums)
    command = [require_abc(), "-c", f"&cec {tmp_path / 'True.aig'} {tmp_path / 'False.aig'}"]
    assert "Networks are equivalent" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert (tmp_path / "True.aig").read_bytes() != (tmp_path / "False.aig").read_bytes()
