"""Thresholds over AXI4-Lite in a running stream, in two simulators against a model; and new ones from events."""

from __future__ import annotations

import json
import re
from pathlib import Path

import networks
import numpy as np
import pytest
from conftest import Workspace
from rich.console import Console

from benchmarks.registers import Subject, follow_in_icarus, follow_in_verilator, stimulus_of, subject_of
from fpgaae.cli.tables import threshold_set_table
from fpgaae.data.features import FeatureMap
from fpgaae.errors import CheckFailed, InputError
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.ip.thresholds import Wanted, new_thresholds
from fpgaae.progress import SilentProgress
from fpgaae.rtl.design import Design
from fpgaae.rtl.registers import (
    COMMIT,
    CONTROL,
    ENABLE,
    THRESHOLDS,
    c_header,
    register_map,
    system_rdl,
    threshold_writes,
)
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.thresholds import ThresholdSet

RATES = [{"false_positive_rate": rate} for rate in (0.1, 0.01, 0.02)]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Give a small experiment that is traced."""
    workspace = networks.tiny_workspace(tmp_path_factory.mktemp("tiny"), trigger={"thresholds": RATES})
    workspace.run("trace")
    return workspace


def _trigger(workspace: Workspace) -> GoldenTrigger:
    return GoldenTrigger(FeatureMap.of(workspace.experiment.result(DataResult)), workspace.network)


def _project(workspace: Workspace) -> Path:
    return workspace.experiment.stage_folder("trace") / "project"


@pytest.fixture
def subject(tiny: Workspace, tmp_path: Path) -> Subject:
    """Give the block with its registers, and a pool of events some of which saturate."""
    trigger = _trigger(tiny)
    events = networks.events(trigger.features, 2000)
    found = subject_of(trigger, _project(tiny), events, tmp_path)
    assert 0.02 < np.mean(found.block.saturated) < 0.98
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_each_event_sees_one_set_of_thresholds_and_the_counters_count_it(subject: Subject, tmp_path: Path) -> None:
    networks.need("verilator")
    found = follow_in_verilator(subject, stimulus_of(subject.block, 10_000, 400), tmp_path / "verilator")
    assert found.events > 6000
    assert min(found.accepted, found.saturated) > 500
    assert found.commits > 20
    assert found.words > 150


@pytest.mark.slow
def test_a_stream_under_cocotb_sees_one_set_of_thresholds_and_the_counters_count_it(
    subject: Subject, tmp_path: Path
) -> None:
    networks.need("iverilog")
    found = follow_in_icarus(subject, stimulus_of(subject.block, 2000, 200), tmp_path / "icarus")
    assert found.events > 1000
    assert min(found.accepted, found.saturated) > 100
    assert found.commits > 5
    assert found.words > 40


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if (commit) in_force[k] <= loaded[k];", "if (commit && k == 0) in_force[k] <= loaded[k];"),
        ("always @(posedge aclk) was_beyond <= beyond;", "always @(posedge aclk) was_beyond <= beyond & ~1;"),
        ("assign saturated = line[BLOCK_LATENCY-2];", "assign saturated = |was_beyond;"),
        ("(clear ? 64'd0 : counter[k]) + {63'd0, counts[k]}", "clear ? 64'd0 : counter[k] + {63'd0, counts[k]}"),
        ("end else if (s_axi_bready) s_axi_bvalid <= 1'b0;", "end else s_axi_bvalid <= 1'b0;"),
        ("end else if (s_axi_rready) s_axi_rvalid <= 1'b0;", "end else s_axi_rvalid <= 1'b0;"),
        ("(!s_axi_rvalid || s_axi_rready)", "1'b1"),
    ],
    ids=["half a set", "a slot", "early", "lost at CLEAR", "answer taken back", "word taken back", "word overwritten"],
)
def test_damaged_registers_are_caught_under_cocotb(subject: Subject, tmp_path: Path, old: str, new: str) -> None:
    networks.need("iverilog")
    text = subject.sources[0].read_text()
    assert old in text
    subject.sources[0].write_text(text.replace(old, new))
    with pytest.raises(CheckFailed, match="AssertionError"):
        follow_in_icarus(subject, stimulus_of(subject.block, 1000, 500), tmp_path / "icarus")


def test_every_register_is_described_once_and_none_overlap() -> None:
    design = Design("block", (), networks.FixedPointType(40, 20, signed=False), 8, 3, 4, 0, 0)
    registers = register_map(8)
    addresses = [register.address for register in registers]
    assert len(set(addresses)) == len(addresses) == 4 + 8 + 2 * (11 + 8 + 8)
    assert all(address % 4 == 0 and address < 4096 for address in addresses)
    described = re.findall(r"} (\w+) @ 0x([0-9A-F]{3});", system_rdl(design))
    assert [(name, int(address, 16)) for name, address in described] == [(own.name, own.address) for own in registers]
    header = c_header(design)
    assert all(f"BLOCK_{own.name.upper()} 0x{own.address:03X}" in header for own in registers)


def test_a_set_of_thresholds_is_written_low_word_first_and_put_in_force_last() -> None:
    assert threshold_writes([5, 3 << 32 | 7], 40) == [
        (0x200, 5), (0x204, 0), (0x208, 7), (0x20C, 3), (0x008, ENABLE | COMMIT),
    ]  # fmt: skip


@pytest.mark.parametrize("code", [-1, 1 << 40])
def test_a_code_that_no_score_has_is_refused(code: int) -> None:
    with pytest.raises(InputError, match=rf"threshold 1 is {code}, and a register takes 0 to {(1 << 40) - 1}"):
        threshold_writes([0, code], 40)


def test_new_events_give_new_thresholds_as_register_writes(tiny: Workspace, tmp_path: Path) -> None:
    output = tmp_path / "set.json"
    file = tiny.folder / "signal.h5"
    result = _choose(tiny, [file, tiny.folder / "background.h5"], output)
    assert 1500 < result.events <= 1900
    content = json.loads(output.read_text())
    words = {int(own["address"], 16): int(own["word"], 16) for own in content["writes"]}
    assert list(words)[-1] == CONTROL
    for place, own in enumerate(result.thresholds):
        assert words[THRESHOLDS + 8 * place] | words[THRESHOLDS + 8 * place + 4] << 32 == own.code
        rate = own.false_positive_rate
        assert rate.low <= rate.value <= own.requested_false_positive_rate
        assert rate.value <= rate.high
        assert own.rate_khz.value == pytest.approx(rate.value * 28_608.8, rel=0.2)
    assert content["converted"] == tiny.network.accept.thresholds.tolist()
    assert [own["name"] for own in content["files"]] == ["signal.h5", "background.h5"]
    in_doubt = sum(own.doubt is not None for own in result.thresholds)
    assert sum("is in doubt" in line for line in _lines(result)) == in_doubt == 3, "too few groups"
    with pytest.raises(InputError, match="exists already"):
        _choose(tiny, [file], output)
    with pytest.raises(InputError, match=r"signal\.h5 is given twice"):
        _choose(tiny, [file, file], tmp_path / "other.json")
    with pytest.raises(InputError, match=r"nowhere\.h5 does not exist"):
        _choose(tiny, [tmp_path / "nowhere.h5"], tmp_path / "other.json")
    other = _choose(tiny, [file], tmp_path / "rates.json", 20000.0, 300.0, 30.0)
    assert [own.requested_rate_khz for own in other.thresholds] == pytest.approx([20000.0, 300.0, 30.0])
    assert other.thresholds[0].code < other.thresholds[1].code
    for rates, said in (
        ((1.0,), "1 rates are given, and the block has 3"),
        ((1.0, 0.0, 2.0), "--rate-khz 0 is not between"),
    ):
        with pytest.raises(InputError, match=said):
            _choose(tiny, [file], tmp_path / "none.json", *rates)
    with pytest.raises(InputError, match=r"--rate-khz 30000 is not between 0 and 28608\.8"):
        _choose(tiny, [file], tmp_path / "none.json", 30000.0, 1.0, 1.0)


def _lines(result: ThresholdSet) -> list[str]:
    console = Console(width=300, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(threshold_set_table(result))
    return capture.get().splitlines()


def _choose(tiny: Workspace, files: list[Path], output: Path, *rates_khz: float) -> ThresholdSet:
    return new_thresholds(tiny.experiment, Wanted(files, output, rates_khz), SilentProgress())
