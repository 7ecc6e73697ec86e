"""Damaged copies of a traced project: each kind is made, parts are built anew, and the check of `rtl` catches them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import networks
import numpy as np
import pytest
from conftest import Workspace
from designs import Written, write_design

from fpgaae.config.model import Score
from fpgaae.files import load_library, read_json
from fpgaae.hls.mutant import make_mutants
from fpgaae.hls.verdicts import missed_sentence
from fpgaae.progress import SilentProgress
from fpgaae.rtl import mutation
from fpgaae.rtl.mutants import VERILOG_KINDS
from fpgaae.rtl.mutation import run_mutation
from fpgaae.rtl.parts import Parts, _same_texts
from fpgaae.rtl.rtl_sources import Damage, RtlSources
from fpgaae.rtl.verilator import RtlSimulation, compile_runtime
from fpgaae.rtl.vhdl_mutants import VHDL_KINDS
from fpgaae.runs.record import as_json

_KINDS = (*VERILOG_KINDS, *VHDL_KINDS)


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Written:
    features = networks.feature_map()
    network = networks.random_network(Score.MU_SQUARED_OVER_VARIANCE, features)
    return write_design(network, features, tmp_path_factory.mktemp("rtl"))


def test_every_kind_is_made_or_named(design: Written) -> None:
    sources = RtlSources(design.project)
    made = make_mutants(sources, _KINDS, 150, seed=2)
    absent = {kind.damage for kind in made.not_made}
    assert {mutant.damage.value for mutant in made.mutants} == {damage.value for damage in Damage} - absent
    assert len(absent) < 6, absent
    assert made == make_mutants(sources, _KINDS, 150, seed=2)
    for mutant in made.mutants:
        assert all(text != sources.text(file) for file, text in mutant.edits.items()), mutant.description


@pytest.mark.slow
def test_a_design_in_parts_gives_the_golden_codes(design: Written, tmp_path: Path) -> None:
    networks.need("verilator")
    parts = Parts(design.project, tmp_path / "parts", compile_runtime(tmp_path / "runtime"), optimization="-O0")
    parts.make()
    _load_libraries_of_the_same_names(parts.library().parent, tmp_path / "other")
    hardware = networks.events(design.features, 500)
    with RtlSimulation(parts.library(), design.project) as simulation:
        streamed = simulation.stream(hardware)
    np.testing.assert_array_equal(streamed.codes, networks.golden(design.network, design.features, hardware))
    assert streamed.clocks[0] == design.design.latency_cycles


def _load_libraries_of_the_same_names(parts: Path, folder: Path) -> None:
    """Load empty libraries that have the names of the stages, as those of another design may."""
    folder.mkdir()
    for file in parts.glob("*_stage*.so"):
        for name in (file.name, f"$ORIGIN/{file.name}"):
            command = ["g++", "-shared", "-x", "c++", "/dev/null", f"-Wl,-soname,{name}", "-o", str(folder / file.name)]
            subprocess.run(command, check=True, timeout=60)
            load_library(folder / file.name)


@pytest.mark.slow
@pytest.mark.usefixtures("without_proofs")
def test_mutants_of_verilog_vhdl_and_tables_are_caught(
    traced: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("verilator", "ghdl"):
        networks.need(program)
    workspace = traced.copy(tmp_path / "copy")
    assert workspace.run("rtl").result.passed
    few = {
        Damage.RESET, Damage.TLAST, Damage.EXCHANGED_OBJECTS, Damage.REGISTER, Damage.VHDL_STATE,
        Damage.CONSTANT, Damage.VHDL_CONSTANT,
    }  # fmt: skip
    monkeypatch.setattr(mutation, "VERILOG_KINDS", [kind for kind in VERILOG_KINDS if kind.damage in few])
    monkeypatch.setattr(mutation, "VHDL_KINDS", [kind for kind in VHDL_KINDS if kind.damage in few])
    result = run_mutation(workspace.experiment, 8, SilentProgress())
    assert result.passed, missed_sentence(result)
    assert result.caught >= 6
    by_proof = [entry for entry in result.mutants if entry.by == "proof" and entry.outcome == "caught"]
    assert by_proof
    assert all("is not what was traced for model_inp = 0x" in entry.detail for entry in by_proof)
    assert as_json(result) == read_json(workspace.experiment.stage_folder("rtl") / "mutants.json")
    monkeypatch.setattr(mutation, "find_tool", lambda _: None)
    without = mutation._make(RtlSources(workspace.experiment.stage_folder("trace") / "project"), 4, seed=1)
    assert any("GHDL is not installed" in kind.reason for kind in without.not_made)


def test_programs_are_the_same_but_for_comments_and_folders(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    text = 'int x; // made\n    // of {0}\nVL_FATAL_MT("{0}/core.v", 3);\n'
    for folder in (first, second):
        folder.mkdir()
        (folder / "Vstage.cpp").write_text(text.replace("{0}", str(folder)))
    assert _same_texts(first, second)
    (second / "Vstage.cpp").write_text(text.replace("{0}", str(second)).replace("int x", "int y"))
    assert not _same_texts(first, second)
