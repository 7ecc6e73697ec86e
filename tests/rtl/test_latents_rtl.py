"""The port of the latents in Verilog and VHDL: equal to the golden codes, proven, and damage to it alone is seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import networks
import numpy as np
import pytest
from designs import Written, replace_once, write_design

from fpgaae.config.model import Score
from fpgaae.golden.latents import LATENTS_LAYER, with_latents
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.comparison import compare_codes
from fpgaae.hls.mutant import make_mutants
from fpgaae.ip.ipxact import stream_ports
from fpgaae.place.harness import Harness, harness_text
from fpgaae.prove.traced import traced_differs
from fpgaae.rtl.design import Design
from fpgaae.rtl.ghdl import simulate_vhdl
from fpgaae.rtl.mutants import VERILOG_KINDS
from fpgaae.rtl.parts import Parts
from fpgaae.rtl.pipeline import stage_ports, stages_by_module
from fpgaae.rtl.register_check import check_registers, register_stimulus
from fpgaae.rtl.register_proof import registers_differ
from fpgaae.rtl.registers import registers_text
from fpgaae.rtl.rtl_sources import Damage, RtlSources
from fpgaae.rtl.stage_proof import StageProver, require_abc
from fpgaae.rtl.trace import trace_trigger
from fpgaae.rtl.unrolled import compare_unrolled
from fpgaae.rtl.verilator import RtlSimulation, compile_runtime
from fpgaae.rtl.vhdl_mutants import VHDL_KINDS
from fpgaae.rtl.vhdl_registers import check_vhdl_registers
from fpgaae.rtl.wrapper_proof import prove_wrapper
from fpgaae.rtl.wrappers import Stimulus, drive_wrappers

SEED = 3
TRIGGER, CORE, VALID, AXIS = (f"verilog/autoencoder_{name}.v" for name in ("trigger", "core", "valid", "axis"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    features = networks.feature_map()
    network = with_latents(networks.random_network(Score.MU_SQUARED, features))
    return write_design(network, features, tmp_path_factory.mktemp("rtl"))


@pytest.fixture
def damaged(written: Written, tmp_path: Path) -> Written:
    return written._replace(project=Path(shutil.copytree(written.project, tmp_path / "project")))


def trigger_of(written: Written) -> GoldenTrigger:
    """Give the golden block."""
    return GoldenTrigger(written.features, written.network)


@pytest.mark.parametrize("score", [Score.SQUARED_ERROR, Score.MU_SQUARED_OVER_VARIANCE], ids=lambda score: score.value)
def test_the_traced_logic_puts_the_latents_behind_the_decisions(score: Score) -> None:
    features = networks.feature_map()
    trigger = GoldenTrigger(features, with_latents(networks.random_network(score, features)))
    hardware = networks.events(features, 500)
    golden = trigger.results(hardware)
    latents = golden[:, 1 + trigger.accept.size :]
    np.testing.assert_array_equal(latents, trigger.run(hardware)[LATENTS_LAYER].codes)
    assert all(len(np.unique(column)) > 1 for column in latents.T)
    found = trace_trigger(trigger).logic.predict(hardware.astype(np.float64), n_threads=1)
    np.testing.assert_array_equal(found, golden)


def test_a_block_without_the_port_is_written_as_ever(tmp_path: Path) -> None:
    """No wrapper knows of latents then, and `design.json` does not, either."""
    features = networks.feature_map()
    written = write_design(networks.random_network(Score.MU_SQUARED, features), features, tmp_path)
    texts = [file.read_text() for file in tmp_path.rglob("*") if file.suffix in {".v", ".vhd", ".json"}]
    texts += [harness_text(written.design, 4), registers_text(written.design, trigger_of(written), "0" * 64)]
    for text in texts:
        assert "latent" not in text
        assert "@" not in text.replace("always @", "")
    assert Design.load(tmp_path) == written.design


def test_the_design_says_what_comes_out(written: Written) -> None:
    design = written.design
    assert Design.load(written.project) == design
    assert [kind.width for kind in design.results] == [10, 1, 1, 1, 5, 5, 5]
    assert design.output_bits == {"score": 10, "accept": 3, "latents": 15}
    assert [design.result_name(place) for place in (0, 3, 4)] == ["score", "decision 2", "latent 0"]
    stream = next(port for port in stream_ports(design) if port.name == "m_axis_tdata")
    assert stream.width == 32
    assert "then 3 latents of 5 bits" in stream.meaning
    assert "out_latents <= latents;" in registers_text(design, trigger_of(written), "0" * 64)
    for text in (harness_text(design, 4), (written.project / AXIS).read_text()):
        assert "{latents, accept, score}" in text.replace("last[LATENCY-1], ", "")
        assert "@" not in text.replace("always @", "")


@pytest.fixture(scope="module")
def simulation(written: Written, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    networks.need("verilator")
    folder = tmp_path_factory.mktemp("parts")
    parts = Parts(written.project, folder / "parts", compile_runtime(folder / "runtime"), optimization="-O0")
    parts.make()
    parts.make_registers()
    return parts


@pytest.mark.slow
def test_the_verilog_and_its_wrappers_give_the_golden_latents(written: Written, simulation: Parts) -> None:
    hardware = networks.events(written.features, 500)
    golden = networks.golden(written.network, written.features, hardware)
    assert golden[:, 4:].min() < 0, "the latents have signs"
    with RtlSimulation(simulation.library(), written.project) as opened:
        streamed = opened.stream(hardware)
        np.testing.assert_array_equal(streamed.codes, golden)
        for check in drive_wrappers(opened, written.project, Stimulus(hardware, golden, 3), SEED):
            assert (check.mismatched_events, check.failure) == (0, None)
        wrong = golden.copy()
        wrong[:, 5] ^= 1
        for check in drive_wrappers(opened, written.project, Stimulus(hardware, wrong, 3), SEED):
            assert "and latents [" in (check.failure or "")
        tensors = GoldenTrigger(written.features, written.network).run(hardware)
        compared = compare_codes(trigger_of(written).of_outputs(wrong), tensors, "random", 0)
        assert (compared.mismatched_in(LATENTS_LAYER), compared.score_mismatches, compared.decision_flips) == (
            len(wrong),
            0,
            0,
        )
        assert compared.mismatched_in("hidden") is None
    stimulus = register_stimulus(written.pipeline, written.design, SEED)
    assert check_registers(simulation.registers_library(), "autoencoder", stimulus).failure is None


def test_the_pieces_with_latents_are_proven(written: Written, tmp_path: Path) -> None:
    networks.need("yosys")
    assert traced_differs(trigger_of(written), written.pipeline) is None
    types = trigger_of(written).result_types
    assert registers_differ(written.project, written.pipeline, types, tmp_path / "registers") is None
    assert prove_wrapper(written.project, "valid", tmp_path / "wrappers").failure is None


@pytest.mark.slow
def test_the_stream_with_latents_is_proven_and_exchanged_bits_are_not(damaged: Written, tmp_path: Path) -> None:
    networks.need("yosys")
    assert prove_wrapper(damaged.project, "axis", tmp_path / "sound").failure is None
    replace_once(damaged.project / AXIS, r"\], latents, accept, score\}", "], accept, latents, score}")
    assert prove_wrapper(damaged.project, "axis", tmp_path / "exchanged").failure is not None


@pytest.mark.parametrize(
    ("file", "pattern", "new", "said"),
    [
        (
            TRIGGER,
            r"latents\[0\+:5\] = core_output\[13",
            "latents[0+:5] = core_output[14",
            "bit 0 of latents is bit 14",
        ),
        (TRIGGER, r"latents\[5\+:5\] = core", "latents[5+:5] = ~core", r"a \$not"),
        (
            TRIGGER,
            r"assign latents\[10\+:5\] = .*;",
            "assign latents[10+:5] = 5'b0;",
            "bit 10 of latents is the constant",
        ),
        (TRIGGER, r"\[15 - 1:0\] latents", "[14 - 1:0] latents", None),
    ],
)
def test_damage_to_the_port_alone_is_not_proven(
    damaged: Written, tmp_path: Path, file: str, pattern: str, new: str, said: str | None
) -> None:  # fmt: skip
    networks.need("yosys")
    replace_once(damaged.project / file, pattern, new)
    types = trigger_of(damaged).result_types
    found = registers_differ(damaged.project, damaged.pipeline, types, tmp_path / "registers")
    assert found is not None
    assert said is None or said.replace("\\", "") in found


@pytest.mark.slow
def test_a_latent_that_keeps_a_bit_is_followed_over_the_clocks(damaged: Written, tmp_path: Path) -> None:
    networks.need("yosys")
    last = f"stage{damaged.design.stages - 1}_out"
    replace_once(damaged.project / CORE, rf"model_out <= {last};", f"model_out <= {last} | (model_out & (1 << 13));")
    prover = StageProver(stages_by_module("autoencoder", damaged.pipeline), require_abc(), tmp_path / "traced")
    found = compare_unrolled(prover, damaged.project, damaged.pipeline, tmp_path / "clocks")
    assert not found.equal
    assert found.events


@pytest.mark.slow
def test_a_latent_that_takes_another_ones_bits_is_caught_in_the_simulation(
    damaged: Written, simulation: Parts, tmp_path: Path
) -> None:
    replace_once(damaged.project / TRIGGER, r"core_output\[13\+:5\]", "core_output[18+:5]")
    parts = Parts(damaged.project, tmp_path / "parts", compile_runtime(tmp_path / "runtime"), optimization="-O0")
    parts.make(simulation)
    parts.make_registers(simulation, [TRIGGER])
    hardware = networks.events(damaged.features, 200)
    golden = networks.golden(damaged.network, damaged.features, hardware)
    with RtlSimulation(parts.library(), damaged.project) as opened:
        wrong = opened.stream(hardware).codes != golden
    assert wrong[:, 4].any()
    assert not np.delete(wrong, 4, axis=1).any()
    stimulus = register_stimulus(damaged.pipeline, damaged.design, SEED)
    assert check_registers(parts.registers_library(), "autoencoder", stimulus).failure is not None


def test_the_vhdl_gives_the_golden_latents_and_one_of_others_bits_is_caught(damaged: Written, tmp_path: Path) -> None:
    networks.need("ghdl")
    hardware = networks.events(damaged.features, 60)
    golden = networks.golden(damaged.network, damaged.features, hardware)
    np.testing.assert_array_equal(simulate_vhdl(damaged.project, hardware, tmp_path / "sound"), golden)
    stimulus, ports = register_stimulus(damaged.pipeline, damaged.design, SEED), stage_ports(damaged.pipeline)
    assert check_vhdl_registers(damaged.project, ports, stimulus, tmp_path / "registers").failure is None
    vhdl = damaged.project / "vhdl" / "autoencoder_trigger.vhd"
    replace_once(vhdl, r"core_output\(17 downto 13\)", "core_output(22 downto 18)")
    wrong = simulate_vhdl(damaged.project, hardware, tmp_path / "damaged") != golden
    assert wrong[:, 4].any()
    assert not np.delete(wrong, 4, axis=1).any()
    assert check_vhdl_registers(damaged.project, ports, stimulus, tmp_path / "kept").failure is not None


def test_mutants_of_the_latents_are_made(written: Written) -> None:
    kinds = [kind for kind in (*VERILOG_KINDS, *VHDL_KINDS) if kind.damage in {Damage.LATENTS, Damage.VHDL_LATENTS}]
    made = make_mutants(RtlSources(written.project), kinds, 12, seed=2)
    assert {file for mutant in made.mutants for file in mutant.edits} == {TRIGGER, AXIS, "vhdl/autoencoder_trigger.vhd"}
    assert made.not_made == ()


@pytest.mark.parametrize("lanes", [1, 8])
def test_the_harness_takes_signed_latents_out_of_its_groups(written: Written, lanes: int) -> None:
    harness = Harness(written.design, lanes)
    golden = np.array([[1000, 1, 0, 1, -16, 15, -1], [3, 0, 1, 0, 7, -8, 0]])
    n_out = -(-written.design.result_bits // lanes)
    outputs = []
    for row in golden.tolist():
        word, low = 0, 0
        for code, kind in zip(row, written.design.results, strict=True):
            word |= (code & ((1 << kind.width) - 1)) << low
            low += kind.width
        outputs += [word >> lanes * place & ((1 << lanes) - 1) for place in reversed(range(n_out))]
    found = harness.codes(np.array(outputs, dtype=np.uint8), n_out * np.arange(len(golden)))
    np.testing.assert_array_equal(found, golden)
