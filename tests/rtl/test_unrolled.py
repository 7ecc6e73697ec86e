"""What is between the stages is followed over the clocks: proven where other events can't be seen, else with events."""

from __future__ import annotations

import shutil
from pathlib import Path

import networks
import pytest
from designs import Written, replace_once, write_design

from fpgaae.config.model import Score
from fpgaae.errors import CheckFailed
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.prove.verilog import Verilog
from fpgaae.rtl.pipeline import stages_by_module
from fpgaae.rtl.register_proof import registers_differ
from fpgaae.rtl.stage_proof import StageProver, abc_program, require_abc
from fpgaae.rtl.unrolled import UnrolledProof, compare_unrolled

pytestmark = pytest.mark.skipif(abc_program() is None, reason="needs yosys with ABC")
CORE, TRIGGER = (f"verilog/autoencoder_{name}.v" for name in ("core", "trigger"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    features = networks.feature_map()
    return write_design(networks.random_network(Score.MU_SQUARED, features), features, tmp_path_factory.mktemp("rtl"))


@pytest.fixture(scope="module")
def prover(written: Written, tmp_path_factory: pytest.TempPathFactory) -> StageProver:
    stages = stages_by_module("autoencoder", written.pipeline)
    return StageProver(stages, require_abc(), tmp_path_factory.mktemp("traced"))


def followed(written: Written, prover: StageProver, folder: Path, file: str, pattern: str, new: str) -> UnrolledProof:
    """Damage a copy whose registers are then not found to be those that were written, and follow them."""
    project = Path(shutil.copytree(written.project, folder / "project"))
    replace_once(project / file, pattern, new)
    assert registers_differ(project, written.pipeline, written.design.results, folder / "registers") is not None
    return compare_unrolled(prover, project, written.pipeline, folder / "clocks")


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (r"stage1_inp <= stage0_out;", "stage1_inp <= ~~stage0_out;"),
        (r"stage3_inp <= stage2_out;", "if (stage2_out != 0) stage3_inp <= stage2_out;"),  # which it never is
    ],
)
def test_what_no_event_can_see_is_proven(
    written: Written, prover: StageProver, tmp_path: Path, pattern: str, new: str
) -> None:
    assert followed(written, prover, tmp_path, CORE, pattern, new) == UnrolledProof(True, None)


def test_events_are_found_of_which_one_stays_where_the_next_belongs(
    written: Written, prover: StageProver, tmp_path: Path
) -> None:  # fmt: skip
    new = "if (model_inp != 0) stage0_inp <= model_inp;"
    found = followed(written, prover, tmp_path, CORE, r"stage0_inp <= model_inp;", new)
    assert not found.equal
    assert found.events is not None
    assert found.events[-1] == 0
    assert any(found.events[:-1])


def test_an_event_is_found_that_sets_a_bit_which_is_cut_off(
    written: Written, prover: StageProver, tmp_path: Path
) -> None:  # fmt: skip
    found = followed(written, prover, tmp_path, TRIGGER, r"score = core_output\[0\+:10\]", "score = core_output[0+:9]")
    assert not found.equal
    assert found.events is not None
    trigger = GoldenTrigger(written.features, written.network)
    words = Verilog(written.project, trigger, written.pipeline, tmp_path).words(found.events[-1])
    assert trigger.score_and_decisions(words[None])[0, 0] >= 1 << 9


def test_what_takes_more_events_than_are_searched_is_not_proven(
    written: Written, prover: StageProver, tmp_path: Path
) -> None:  # fmt: skip
    new = "begin : each_eighth reg [2:0] n; n <= n + 1; stage1_inp <= n == 7 ? ~stage0_out : stage0_out; end"
    found = followed(written, prover, tmp_path, CORE, r"stage1_inp <= stage0_out;", new)
    assert found == UnrolledProof(False, None)


def test_what_is_no_gate_is_named(written: Written, prover: StageProver, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match=r"more than gates and registers: .* is a \$_DFF_N_"):
        followed(written, prover, tmp_path, CORE, "posedge clk", "negedge clk")
