"""Thresholds over AXI4-Lite in a running stream, clock by clock against a model; and new ones from events."""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import networks
import numpy as np
import pytest
from conftest import Workspace
from numpy.typing import NDArray
from rich.console import Console

from fpgaae.cli.tables import threshold_set_table
from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.files import load_library
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.ip.registers import (
    CLEAR,
    COMMIT,
    CONTROL,
    COUNTERS,
    ENABLE,
    HASH,
    IN_FORCE,
    SNAPSHOT,
    THRESHOLDS,
    c_header,
    register_map,
    registers_text,
    system_rdl,
    threshold_writes,
)
from fpgaae.ip.thresholds import Wanted, new_thresholds
from fpgaae.progress import SilentProgress
from fpgaae.rtl.design import Design, verilog_sources
from fpgaae.rtl.verilator import compile_model
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.thresholds import ThresholdSet

_HASH = "0123456789abcdef" * 4
_EVENTS = 100_000
RATES = [{"false_positive_rate": rate} for rate in (0.1, 0.01, 0.02)]


class Operation(NamedTuple):
    """A write, or a read (write = 0), that begins at a clock or later."""

    write: int
    address: int
    word: int = 0
    strobe: int = 15
    clock: int = 0


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


def _packed(hardware: Codes, design: Design) -> NDArray[np.uint32]:
    words, low = np.zeros(len(hardware), dtype=np.int64), 0
    for place, kind in enumerate(design.inputs):
        words |= (hardware[:, place] & ((1 << kind.width) - 1)) << low
        low += kind.width
    assert low <= 32
    return words.astype(np.uint32)


def _operations(rng: np.random.Generator, scores: Codes, n: int, n_clocks: int) -> list[Operation]:
    """Give loads of thresholds, whole or in part, commits, counters, and reads of every register."""
    clocks = np.sort(rng.integers(0, n_clocks - 200, n)).tolist()
    addresses = [register.address for register in register_map(3)]
    found = []
    for clock in clocks:
        kind = rng.integers(6)
        if kind == 0:
            address = THRESHOLDS + 8 * int(rng.integers(3))
            code = max(int(rng.choice(scores)) + int(rng.integers(-1, 2)), 0)
            found.append(Operation(1, address, code, 15, clock))
        elif kind == 1:
            word, strobe = int(rng.choice([int(rng.choice(scores)), int(rng.integers(1 << 32))])), int(rng.integers(16))
            found.append(Operation(1, int(rng.choice(addresses)), word, strobe, clock))
        elif kind == 2:
            bits = int(rng.choice([COMMIT, SNAPSHOT, CLEAR, SNAPSHOT | CLEAR, COMMIT | SNAPSHOT | CLEAR]))
            found.append(Operation(1, CONTROL, bits | (ENABLE if rng.random() < 0.9 else 0), 15, clock))
        else:
            found.append(Operation(0, int(rng.choice([*addresses, 0xFFC])), clock=clock))
    return found


class _Registers:
    """What the registers hold, clock by clock."""

    def __init__(self, trained: Sequence[int], score_bits: int, latency: int) -> None:
        self._trained, self._largest = list(trained), (1 << score_bits) - 1
        self._sizes = latency << 24 | score_bits << 16 | len(trained)
        self.reset()

    def reset(self) -> None:
        self.enable, self.loaded, self.in_force = 1, list(self._trained), list(self._trained)
        self.counters, self.snapshot = [0] * (2 + len(self._trained)), [0] * (2 + len(self._trained))

    def read(self, address: int) -> int:
        if HASH <= address < HASH + 32:
            return int(_HASH, 16) >> 8 * (address - HASH) & 0xFFFFFFFF
        for base, values in ((COUNTERS, self.snapshot), (THRESHOLDS, self.loaded), (IN_FORCE, self.in_force)):
            if base <= address < base + 8 * len(values):
                return values[(address - base) // 8] >> 32 * (address % 8 // 4) & 0xFFFFFFFF
        return {0: 0x46504145, 4: 1, CONTROL: self.enable, 12: self._sizes}.get(address, 0)

    def step(self, score: int | None, write: Operation | None) -> list[int] | None:
        """Go on by a clock edge; give the accept bits of an event that is there."""
        above = [int(score is not None and score > code) for code in self.in_force]
        accept = None if score is None else [bit & self.enable for bit in above]
        counts = [int(score is not None and self.enable == 1)] * len(self.counters)
        control = write.word if write and write.address == CONTROL and write.strobe & 1 else None
        if control is not None and control & SNAPSHOT:
            self.snapshot = list(self.counters)
        if control is not None and control & CLEAR:
            self.counters = [0] * len(self.counters)
        for place, one in enumerate([1, int(score == self._largest), *above]):
            self.counters[place] += one & counts[place]
        if control is not None:
            self.in_force = list(self.loaded) if control & COMMIT else self.in_force
            self.enable = control & ENABLE
        if write and THRESHOLDS <= write.address < THRESHOLDS + 8 * len(self.loaded):
            self._load(write)
        return accept

    def _load(self, write: Operation) -> None:
        place, high = (write.address - THRESHOLDS) // 8, 32 * (write.address % 8 // 4)
        mask = sum(0xFF << 8 * byte for byte in range(4) if write.strobe >> byte & 1) << high
        self.loaded[place] = self.loaded[place] & ~mask | (write.word << high) & mask


Flags = NDArray[np.bool_]


def _drive(
    library: ctypes.CDLL, objects: NDArray[np.uint32], valid: Flags, reset: Flags, operations: Sequence[Operation]
) -> tuple[Codes, Codes]:
    """Run the driver; give what stood at the outputs at each edge, and what became of each operation."""
    n, objects = len(objects), np.ascontiguousarray(objects)
    rows, done = np.zeros((n, 3), dtype=np.int64), np.full((len(operations), 2), -2, dtype=np.int64)
    pace = np.random.default_rng(1).integers(256, size=n).astype(np.uint8)
    flags = [np.ascontiguousarray(flag, dtype=np.uint8) for flag in (valid, reset)]
    table = np.array(operations, dtype=np.int64)
    library.run.argtypes = (
        ctypes.c_int64, *[ctypes.c_void_p] * 4, ctypes.c_int64, *[ctypes.c_void_p] * 3,
    )  # fmt: skip
    library.run.restype = ctypes.c_int64
    violations = library.run(
        n, objects.ctypes.data, *(flag.ctypes.data for flag in flags), pace.ctypes.data, len(table), table.ctypes.data,
        done.ctypes.data, rows.ctypes.data,
    )  # fmt: skip
    assert violations == 0, "each write has one answer"
    return rows, done


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_each_event_sees_one_set_of_thresholds_and_the_counters_count_it(
    tiny: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks.need("verilator")
    project, trigger = _project(tiny), _trigger(tiny)
    design, rng = Design.load(project), np.random.default_rng(5)
    trained = trigger.accept.thresholds.tolist()
    file = tmp_path / "registers.v"
    file.write_text(registers_text(design, trained, _HASH))
    sources = [file, *(source for source in verilog_sources(project) if not source.stem.endswith("_axis"))]
    build = tmp_path / "build"
    build.mkdir()
    library = load_library(
        compile_model(f"{design.name}_registers", sources, Path(__file__).with_name("registers_driver.cpp"), build)
    )
    monkeypatch.chdir(project / "verilog")  # from where tables are read

    events = networks.events(trigger.features, 4000)
    scores = trigger.scores(events)
    n = _EVENTS + 20_000
    shown = rng.integers(len(events), size=n)
    valid = rng.random(n) < np.repeat(rng.choice([1.0, 0.5, 0.05, 1.0], n // 500), 500)
    reset = np.zeros(n, dtype=bool)
    reset[:3] = True
    for at in rng.integers(1000, n, 12).tolist():
        reset[at : at + int(rng.integers(1, 4))] = True
    operations = _operations(rng, scores, 4000, n)
    rows, done = _drive(library, _packed(events, design)[shown], valid, reset, operations)
    at = {
        clock: (operation, word)
        for operation, (clock, word) in zip(operations, done.tolist(), strict=True)
        if clock >= 0
    }
    assert len(at) > 3900
    latency = design.latency_cycles
    resets = np.concatenate([[0], np.cumsum(reset)])
    model = _Registers(trained, design.score.width, latency + 1)
    expected, seen, committed = None, 0, 0
    for clock in range(n):
        if clock > 3:
            found = rows[clock]
            assert found[0] == (expected is not None), clock
            if expected is not None:
                assert found[1] == expected[0], clock
                assert [int(found[2]) >> place & 1 for place in range(3)] == expected[1], clock
                seen += 1
        operation, word = at.get(clock, (None, 0))
        if operation is not None and not operation.write:
            assert word in {model.read(operation.address), -2}, (clock, operation)  # -2: a reset came before the answer
        if reset[clock]:
            model.reset()
            expected = None
            continue
        taken = clock - latency
        is_there = taken >= 0 and valid[taken] and resets[clock] == resets[taken]
        score = int(scores[shown[taken]]) if is_there else None
        accept = model.step(score, operation if operation is not None and operation.write else None)
        committed += bool(operation and operation.write and operation.address == CONTROL and operation.word & COMMIT)
        expected = None if score is None else (score, accept)
    assert seen > 0.6 * _EVENTS
    assert committed > 100


def test_every_register_is_described_once_and_none_overlap() -> None:
    design = Design("block", (), networks.FixedPointType(40, 20, signed=False), 8, 3, 4, 0, 0)
    registers = register_map(8)
    addresses = [register.address for register in registers]
    assert len(set(addresses)) == len(addresses) == 4 + 8 + 2 * (10 + 8 + 8)
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
