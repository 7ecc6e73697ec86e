"""Registers and outputs of a block whose stages are replaced: they carry every word, or the check says so."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import networks
import numpy as np
import pytest
from da4ml.cmvm.types import Precision, QInterval
from designs import Written, replace_once, write_design

from fpgaae.config.model import Score
from fpgaae.fixedpoint import parse_type
from fpgaae.rtl.parts import Parts
from fpgaae.rtl.pipeline import stage_ports
from fpgaae.rtl.register_check import check_registers, register_stimulus
from fpgaae.rtl.verilator import compile_runtime
from fpgaae.rtl.vhdl_registers import check_vhdl_registers
from fpgaae.runs.results.rtl import RegisterCheck

SEED = 3


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Written:
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED_OVER_VARIANCE, features)
    return write_design(network, features, tmp_path_factory.mktemp("rtl"))


@pytest.mark.slow
def test_registers_that_keep_a_word_and_a_score_without_its_highest_bit_are_caught(
    design: Written, tmp_path: Path
) -> None:
    networks.need("verilator")
    name = design.design.name
    stimulus = register_stimulus(design.pipeline, design.design, SEED)
    runtime = compile_runtime(tmp_path / "runtime")
    sound = Parts(design.project, tmp_path / "sound", runtime, optimization="-O0")
    sound.make_registers()
    passed = check_registers(sound.registers_library(), name, stimulus)
    assert (passed.mismatched_inputs, passed.failure) == (0, None)

    def check(file: str, which: int, pattern: str, new: str) -> RegisterCheck:
        project, source = tmp_path / f"{file}_{which}", f"verilog/{name}_{file}.v"
        shutil.copytree(design.project, project)
        replace_once(project / source, pattern, new)
        parts = Parts(project, tmp_path / f"parts_{file}_{which}", runtime, optimization="-O0")
        parts.make_registers(sound, [source])
        return check_registers(parts.registers_library(), name, stimulus)

    last = f"stage{design.design.stages - 1}_out"
    for which, (to, source) in enumerate((("stage1_inp", "stage0_out"), ("model_out", last))):
        kept = check("core", which, rf"({to}) <= ({source});", r"if (\2 != 0) \1 <= \2;")
        assert kept.mismatched_inputs == kept.inputs // 4  # each time that it gets only zeros
        assert kept.failure is not None
    cut = check("trigger", 0, r"score = (\{\d+'b0, )?core_output\[0\+:(\d+)\]", r"score = \g<1>core_output[0+:\2 - 1]")
    assert cut.failure is not None
    assert cut.failure.startswith(f"{name}_trigger: its registers or ports do not carry what the stages give at clock ")


@pytest.mark.parametrize(("interval", "sign_is_driven"), [((-5, 40, 1), True), ((-5, 20, 1), False)])
def test_a_sign_is_driven_where_it_has_a_wire(
    design: Written, interval: tuple[int, int, int], *, sign_is_driven: bool
) -> None:
    """The logic may know less of a score than its type does, which is never negative."""
    score, accept = QInterval(*interval), QInterval(0, 1, 1)
    last = SimpleNamespace(out_qint=[score, accept], shape=(1, 2), inp_kifs=np.ones(3, dtype=int))
    last.out_kifs = np.array([Precision.from_qint(kind) for kind in last.out_qint], dtype=int).T
    pipeline = SimpleNamespace(solutions=(last,))
    block = replace(design.design, score=parse_type("ap_ufixed<7,7>"), n_thresholds=1)
    given, seen = vars(register_stimulus(pipeline, block, SEED)).values()
    n_bits = given.shape[1] - 1  # of the score
    assert given[:, n_bits - 1].any() == sign_is_driven
    assert (seen[:, :n_bits] == given[:, :n_bits]).all()
    assert not seen[:, n_bits:-1].any()


def test_a_bit_that_the_vhdl_never_takes_over_is_caught(design: Written, tmp_path: Path) -> None:
    networks.need("ghdl")
    name, stimulus = design.design.name, register_stimulus(design.pipeline, design.design, SEED)
    ports = stage_ports(design.pipeline)
    sound = check_vhdl_registers(design.project, ports, stimulus, tmp_path / "sound")
    assert (sound.inputs, sound.mismatched_inputs, sound.failure) == (32, 0, None)
    project = tmp_path / "project"
    shutil.copytree(design.project, project)
    pattern, new = r"(stage1_inp) <= (stage0_out);", r"\1 <= \2; \1(3) <= \1(3);"
    replace_once(project / "vhdl" / f"{name}_core.vhd", pattern, new)
    kept = check_vhdl_registers(project, ports, stimulus, tmp_path / "kept")
    assert kept.mismatched_inputs == kept.inputs
    assert kept.failure == f"{name}_trigger (VHDL): its registers or ports do not carry what the stages give"
