"""Thresholds loaded into the simulated registers: decisions equal to golden ones, and every damage is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import networks
import numpy as np
import pytest
from designs import Written, write_design
from results import rtl_result
from rich.console import Console

from fpgaae.cli.summary import summarize
from fpgaae.config.model import Score
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.loaded_thresholds import Loads
from fpgaae.rtl.loaded_registers import compare_loads, compile_loads
from fpgaae.rtl.registers import registers_text
from fpgaae.rtl.simulate import _failure_around
from fpgaae.rtl.verilator import compile_runtime
from fpgaae.runs.results.rtl import RegisterLoads

SEED = 4


class Block(NamedTuple):
    """A written block, what is loaded into it, and the text of its registers."""

    written: Written
    loads: Loads
    registers: str
    runtime: Sequence[str]

    def check(self, registers: str, folder: Path) -> RegisterLoads:
        """Simulate it with other registers."""
        library = compile_loads(self.written.project, registers, folder / "loads", self.runtime)
        return compare_loads(library, self.written.project, self.loads)


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Block:
    networks.need("verilator")
    features, folder = networks.feature_map(1), tmp_path_factory.mktemp("loads")
    network = networks.reloadable_thresholds(networks.random_network(Score.MU_SQUARED, features, seed=2))
    trigger, written = (
        GoldenTrigger(features, network),
        write_design(network, features, tmp_path_factory.mktemp("project")),
    )
    stimuli = SimpleNamespace(few=lambda *_, **__: [(None, networks.events(features, 100)[:60])])
    loads = Loads.of(trigger, stimuli, SEED)  # type: ignore[arg-type]
    return Block(written, loads, registers_text(written.design, trigger, "0" * 64), compile_runtime(folder / "runtime"))


def test_every_set_that_is_loaded_decides_as_the_golden_block_does(block: Block, tmp_path: Path) -> None:
    found = block.check(block.registers, tmp_path)
    assert found == RegisterLoads(passed=True, failure=None, sets=len(block.loads.sets), events=60, mismatched_events=0)
    assert found.sets > 40
    assert len(np.unique(block.loads.accept.reshape(found.sets, -1), axis=0)) > 15, "sets decide differently"


@pytest.mark.parametrize(
    ("old", "new", "sets", "said"),
    [
        ("if (commit) in_force[k]", "if (commit && k != 1) in_force[k]", None, "with the thresholds"),
        ("score} > in_force[g]", "score} >= in_force[g]", None, "with the thresholds"),
        ("in_force[k] <= TRAINED[64*k+:64]", "in_force[k] <= TRAINED[63:0]", None, "with the thresholds"),
        ("s_axi_wready  = write", "s_axi_wready  = 1'b0", 1, "do not take write 0 of 7 within 64 clocks"),
        ("out_valid <= valid;", "out_valid <= valid && in_force[0] == TRAINED[63:0];", 1,
         "gave 0 results for 60 events"),
    ],
    ids=["not committed", "at the threshold", "reset", "no answer", "no result"],
)  # fmt: skip
def test_damaged_registers_are_caught(
    block: Block, tmp_path: Path, old: str, new: str, sets: int | None, said: str
) -> None:  # fmt: skip
    assert block.registers.count(old) == 1
    found = block.check(block.registers.replace(old, new), tmp_path)
    assert not found.passed
    assert said in (found.failure or "")
    assert sets in {None, found.sets}
    assert (found.mismatched_events > 0) == (sets is None)


def test_the_outcome_is_said_and_fails_the_stage() -> None:
    loads = RegisterLoads(passed=False, failure="event 3", sets=2, events=60, mismatched_events=4)
    assert _failure_around((), loads) == "the block with registers: event 3"
    assert _failure_around((), replace(loads, passed=True, failure=None)) is None
    console = Console(width=200, file=None)
    with console.capture() as captured:
        console.print(summarize("rtl", rtl_result(reloaded_thresholds=loads)))
    assert "with 2 sets of thresholds in the registers: 4 results of 60 events behind each differ" in captured.get()
