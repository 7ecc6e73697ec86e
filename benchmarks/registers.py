"""The registers of a deployed block in Verilator and, by cocotb, in Icarus: thresholds changed in a running stream.

`python -m benchmarks.registers [CONFIG] [--events 100000] [--cocotb-events 10000]`: each event must be compared with
one whole set of thresholds, and each counter and word that is read be that of the model. Without a CONFIG, which must
be traced, `l1_vae_small` is trained for an epoch.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner
from numpy.typing import NDArray
from rich.console import Console

from benchmarks import registers_protocol
from benchmarks.measure import epochs, new_bench
from benchmarks.register_model import NETWORK_HASH, Block, Follower, Operation, block_of, random_operations
from benchmarks.result import Result
from fpgaae.data.features import FeatureMap
from fpgaae.errors import CheckFailed
from fpgaae.files import load_library, write_json
from fpgaae.fixedpoint import Codes
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.design import VERILOG_FOLDER, Design, simulated_sources
from fpgaae.rtl.registers import CONTROL as CONTROL_ADDRESS
from fpgaae.rtl.registers import COUNTERS, ENABLE, SNAPSHOT, counter_names, registers_text
from fpgaae.rtl.verilator import as_sums, compile_model
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.stages import PROJECT_FOLDER

_MODEL = "l1_vae_small"
_POOL = 4000  # different events
_CLOCKS_AN_EVENT = 1.7  # with the gaps and resets below
_SHARES = (1.0, 0.5, 0.05, 1.0)  # of clocks with an event
_STRETCH = 500  # clocks
_RESETS, _RESET_CLOCKS = 12, 3
_EVENTS_AN_OPERATION = 25
_TAIL = 1500  # characters of a log


class Subject(NamedTuple):
    """A block with its registers, as Verilog, and what is known of it."""

    design: Design
    block: Block
    sources: tuple[Path, ...]
    tables: Path  # the folder from which they are read


class Stimulus(NamedTuple):
    """When resets begin and operations are due."""

    clocks: int
    resets: tuple[int, ...]
    operations: tuple[Operation, ...]


class Followed(NamedTuple):
    """What was compared, none of it wrong."""

    simulator: str
    clocks: int
    events: int
    accepted: int  # by one threshold at least
    saturated: int  # events with a saturated input that the block gave a score
    commits: int
    words: int  # that were read
    seconds: float


def subject_of(trigger: GoldenTrigger, project: Path, events: Codes, folder: Path) -> Subject:
    """Write the registers of a traced block; its trigger is asked about a pool of events."""
    design = Design.load(project)
    file = folder / f"{design.name}_registers.v"
    file.write_text(registers_text(design, trigger, NETWORK_HASH), encoding="utf-8")
    needed = [own for own in simulated_sources(project) if not own.stem.endswith("_axis")]
    sources = (file, *as_sums(needed, folder))
    return Subject(design, block_of(trigger, design, events), sources, project / VERILOG_FOLDER)


def stimulus_of(block: Block, n_events: int, n_operations: int) -> Stimulus:
    """Draw operations and resets for about so many events; all counters are read at the end."""
    rng = np.random.default_rng(1)
    clocks = int(_CLOCKS_AN_EVENT * n_events) + 1000
    operations = random_operations(rng, block, n_operations, clocks)
    operations.append(Operation(1, CONTROL_ADDRESS, ENABLE | SNAPSHOT, 15, clocks - 100))
    words = range(COUNTERS, COUNTERS + 8 * len(counter_names(len(block.trained))), 4)
    operations += [Operation(0, address, clock=clocks - 50) for address in words]
    return Stimulus(clocks, (0, *sorted(rng.integers(1000, clocks - 500, _RESETS).tolist())), tuple(operations))


def follow_in_verilator(subject: Subject, stimulus: Stimulus, build: Path) -> Followed:
    """Drive the block by `registers_driver.cpp`, and compare every clock.

    Raises
    ------
    CheckFailed
        With the first clock that is wrong.
    """
    driver = Path(__file__).with_name("registers_driver.cpp")
    build.mkdir(exist_ok=True)
    library = load_library(compile_model(f"{subject.design.name}_registers", subject.sources, driver, build))
    started, rng, block, n = time.perf_counter(), np.random.default_rng(5), subject.block, stimulus.clocks
    event = np.where(_valid(rng, n), rng.integers(len(block.words), size=n), -1)
    reset = np.zeros(n, dtype=bool)
    for at in stimulus.resets:
        reset[at : at + int(rng.integers(1, _RESET_CLOCKS + 1))] = True
    with _working_in(subject.tables):
        rows, done = _drive(library, block, event, reset, stimulus.operations)
    at_clock = {
        clock: (operation, word)
        for operation, (clock, word) in zip(stimulus.operations, done.tolist(), strict=True)
        if clock >= 0
    }
    follower, words = Follower(block), 0
    for clock, (out, own, resets) in enumerate(zip(rows.tolist(), event.tolist(), reset.tolist(), strict=True)):
        operation, word = at_clock.get(clock, (None, 0))
        write = operation if operation is not None and operation.write else None
        if operation is not None and write is None and word >= 0:  # below: a reset came before the answer
            words += 1
            if word != (expected := follower.read(operation.address)):
                raise CheckFailed(f"clock {clock}: {operation} reads 0x{word:08x} instead of 0x{expected:08x}")
        if (said := follower.edge(out, None if own < 0 else own, write, resets=resets)) is not None:
            raise CheckFailed(said)
    return _followed("Verilator", follower, words, started)


def _valid(rng: np.random.Generator, n: int) -> NDArray[np.bool_]:
    """Tell the clocks with an event, in stretches of several shares."""
    shares = rng.choice(_SHARES, n // _STRETCH + 1)
    return np.asarray(rng.random(n) < np.repeat(shares, _STRETCH)[:n])


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _drive(
    library: ctypes.CDLL, block: Block, event: Codes, reset: NDArray[np.bool_], operations: Sequence[Operation]
) -> tuple[Codes, Codes]:
    """Run the driver; give what stood at the outputs at each edge, and what became of each operation."""
    n, bits = len(event), max(word.bit_length() for word in block.words)
    n_words = max(-(-bits // 32), 1)
    pool = np.array([[word >> 32 * i & 0xFFFFFFFF for i in range(n_words)] for word in block.words], dtype=np.uint32)
    objects = np.ascontiguousarray(pool[event])
    rows, done = np.zeros((n, 3), dtype=np.int64), np.full((len(operations), 2), -2, dtype=np.int64)
    pace = np.random.default_rng(1).integers(256, size=n).astype(np.uint8)
    flags = [np.ascontiguousarray(flag, dtype=np.uint8) for flag in (event >= 0, reset)]
    table = np.array(operations, dtype=np.int64)
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    library.run.argtypes = (number, number, *[pointer] * 4, number, *[pointer] * 3)
    library.run.restype = number
    violations = library.run(
        n, n_words, objects.ctypes.data, *(flag.ctypes.data for flag in flags), pace.ctypes.data, len(table),
        table.ctypes.data, done.ctypes.data, rows.ctypes.data,
    )  # fmt: skip
    if violations:
        raise CheckFailed(f"{violations} writes have no answer, or more than one")
    return rows, done


def follow_in_icarus(subject: Subject, stimulus: Stimulus, build: Path) -> Followed:
    """Drive the block by `registers_protocol.py`.

    Raises
    ------
    CheckFailed
        With the end of cocotb's log where something is wrong.
    """
    build.mkdir(exist_ok=True)
    plan, found, log, results = (build / name for name in ("plan.json", "found.json", "test.log", "results.xml"))
    write_json(
        plan,
        {
            "block": list(subject.block), "operations": [list(own) for own in stimulus.operations],
            "resets": list(stimulus.resets), "clocks": stimulus.clocks, "seed": 3,
        },
    )  # fmt: skip
    runner, top = get_runner("icarus"), f"{subject.design.name}_registers"
    runner.build(
        sources=list(subject.sources), hdl_toplevel=top, build_dir=build, timescale=("1ns", "1ps"),
        log_file=build / "build.log",
    )  # fmt: skip
    started = time.perf_counter()
    with suppress(SystemExit):  # of a test that failed; a simulator that did not start leaves no results
        runner.test(
            hdl_toplevel=top, test_module=registers_protocol.__name__, test_dir=subject.tables, build_dir=build,
            results_xml=str(results), log_file=log,
            extra_env={
                registers_protocol.PLAN: str(plan), registers_protocol.FOUND: str(found),
                "COCOTB_REWRITE_ASSERTION_FILES": "",  # would import pytest
            },
        )  # fmt: skip
    if get_results(results) != (1, 0):
        raise CheckFailed(log.read_text(encoding="utf-8")[-_TAIL:])
    said = json.loads(found.read_text(encoding="utf-8"))
    del said["registers"]
    return Followed("Icarus", seconds=round(time.perf_counter() - started, 1), **said)


def _followed(simulator: str, follower: Follower, words: int, started: float) -> Followed:
    return Followed(
        simulator, follower.clock, follower.received, follower.accepted, follower.saturated, follower.commits, words,
        round(time.perf_counter() - started, 1),
    )  # fmt: skip


def _subject(experiment: Experiment, folder: Path) -> Subject:
    """Take the block of an experiment that is traced, with its real events and those at the edges."""
    trigger = GoldenTrigger.load(experiment.stage_folder("convert"), FeatureMap.of(experiment.result(DataResult)))
    edges = EdgeEvents.load(experiment.stage_folder("convert") / EDGES_FILE).hardware
    low, high = trigger.features.port_limits
    rng = np.random.default_rng(1)
    drawn = rng.integers(low, high + 1, size=(_POOL // 4, len(low)))
    chosen = edges[rng.integers(len(edges), size=_POOL - len(drawn))]
    project = experiment.stage_folder("trace") / PROJECT_FOLDER
    return subject_of(trigger, project, np.concatenate([drawn, chosen]), folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both simulations; exit code 1 where one differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.registers", description=__doc__)
    parser.add_argument("config", type=Path, nargs="?")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--events", type=int, default=100_000, help="about so many in Verilator")
    parser.add_argument("--cocotb-events", type=int, default=10_000, help="in Icarus, about a hundred a second")
    given = parser.parse_args(arguments)
    result = Result("registers", Followed._fields)
    with tempfile.TemporaryDirectory() as made, nullcontext() if given.config else new_bench() as bench:
        scratch = Path(made)
        if bench is not None:
            config = bench.config(_MODEL, epochs(1, 1), base=_MODEL)
            for stage in ("data", "reference", "train", "convert", "trace"):
                bench.stage(stage, config)
            given.config, given.runs = config, bench.runs
        subject = _subject(open_experiment(given.config, given.runs), scratch)
        for simulator, follow, n_events in (
            ("verilator", follow_in_verilator, given.events), ("icarus", follow_in_icarus, given.cocotb_events),
        ):  # fmt: skip
            stimulus = stimulus_of(subject.block, n_events, n_events // _EVENTS_AN_OPERATION)
            try:
                result.rows.append(tuple(follow(subject, stimulus, scratch / simulator)))
            except CheckFailed as error:
                print(f"{simulator}: {error}", file=sys.stderr)
                return 1
    result.print(Console(width=140))
    return 0


if __name__ == "__main__":
    sys.exit(main())
