"""What `rtl` compares does not depend on how many processes share the events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import networks
import pytest
from designs import replace_once

from fpgaae.data.features import FeatureMap
from fpgaae.rtl import bench as bench_module
from fpgaae.rtl.bench import Bench, BenchFiles, Compared, compare_shares, processes_for
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.verilator import compile_rtl, compile_runtime
from fpgaae.runs.results.data import DataResult


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> BenchFiles:
    """A traced experiment of two objects, without a simulation."""
    folder = tmp_path_factory.mktemp("bench")
    workspace = networks.tiny_workspace(folder)
    workspace.run("trace")
    experiment = workspace.experiment
    trace = experiment.stage_folder("trace")
    data = experiment.stage_folder("data")
    features = FeatureMap.of(DataResult.read(data / "data.json", "run it again"))
    convert = experiment.stage_folder("convert")
    return BenchFiles(experiment.config, features, data, convert, trace, folder / "simulation.so", trace / "project")


@pytest.fixture
def shares_of_300(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "_SHARE_EVENTS", 300)


@pytest.mark.usefixtures("shares_of_300")
def test_shares_hold_every_part_once_and_in_order(files: BenchFiles) -> None:
    bench = Bench(files)
    shares = bench.shares()
    assert len(shares) > 2
    assert [source for share in shares for source in share] == bench._plan


def test_a_process_more_is_started_only_where_it_pays(files: BenchFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(files)
    assert processes_for(bench, "auto") == 1
    monkeypatch.setattr(bench_module, "_SHARE_EVENTS", 300)
    assert processes_for(bench, 2) == 2


def _compared(files: BenchFiles, processes: int) -> Compared:
    bench = Bench(files)
    compared, events = Compared.of_outputs(bench.names), 0
    for n, part in compare_shares(files, bench, processes):
        compared.merge(part)
        events += n
    assert events == bench.n_events
    compared.timing.seconds = 0.0
    return compared


@pytest.mark.slow
@pytest.mark.usefixtures("shares_of_300", "compiler")
def test_any_number_of_processes_gives_the_same_counters_and_first_mismatch(files: BenchFiles, tmp_path: Path) -> None:
    networks.need("verilator")
    verilog = files.project / "verilog"
    _damage(verilog)
    library, runtime = tmp_path / "simulation.so", compile_runtime(tmp_path / "runtime")
    compile_rtl(files.project, firmware_rtl("rtl_driver.cpp"), tmp_path / "build", library, runtime)
    damaged = replace(files, library=library)
    one, two = _compared(damaged, 1), _compared(damaged, 2)
    assert one == two
    assert 0 < one.total.mismatched_events < one.total.events
    assert one.total.first_mismatch is not None
    assert one.interpreted.passed
    assert one.timing.lost_events == 0
    assert len(one.timing.latency_cycles) == 1


def _damage(verilog: Path) -> None:
    """Flip a bit of an input where two others are set, which few events show."""
    replace_once(
        verilog / "autoencoder_trigger.v",
        r"core_input\[0\+:(\d+)\] = objects\[0\+:\d+\];",
        r"core_input[0+:\1] = objects[0+:\1] ^ (objects[1+:1] & objects[2+:1]);",
    )
