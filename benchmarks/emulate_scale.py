"""`fpgaae emulate` on a file of millions of events: time, and peak memory of all its processes together."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Bench, Usage, epochs, new_bench, run_fpgaae
from benchmarks.memory_large_file import check_disk, write_large_file
from benchmarks.result import Goal, Result, Settings
from fpgaae.config.file import load_config
from fpgaae.data.readers import event_files
from fpgaae.files import sha256

NAME = "emulate_scale"
_EVENTS, _QUICK_EVENTS = 10_000_000, 400_000
_MEMORY_MIB = 2 * 1024


def run(settings: Settings) -> Result:
    """Score one large file made from the bundled sample, with one worker and with two."""
    result = Result(NAME, ("workers", "events", "s", "events/s", "peak MiB of all processes", "other cores"))
    n_events = _QUICK_EVENTS if settings.quick else _EVENTS
    with new_bench() as bench:
        check_disk(bench.folder, n_events)
        config = bench.config("l1_ae", epochs(1, 1))
        for stage in ("data", "reference", "train", "convert"):
            bench.stage(stage, config)
        file = bench.folder / "large.h5"
        write_large_file(Path(str(event_files(load_config(config), config)["background"][0])), file, n_events)
        usages = {workers: _emulate(bench, config, file, workers) for workers in (1, 2)}
        for workers, usage in usages.items():
            speed = n_events / usage.seconds
            result.rows.append(
                (str(workers), n_events, usage.seconds, speed, usage.tree_peak_mib, usage.other_cores)
            )  # fmt: skip
        one, two = (sha256(_output(bench, workers) / "large_scores.h5") for workers in usages)
    peak = max(usage.tree_peak_mib for usage in usages.values())
    result.goals += [
        Goal(f"{n_events:,} events, peak memory of all processes", peak, _MEMORY_MIB, "MiB"),
        Goal("one and two workers write the same bytes", float(one == two), 1, "", at_least=True),
    ]
    return result


def _output(bench: Bench, workers: int) -> Path:
    return bench.folder / f"scores{workers}"


def _emulate(bench: Bench, config: Path, file: Path, workers: int) -> Usage:
    options = ("--output", str(_output(bench, workers)), "--workers", str(workers), "--runs", str(bench.runs))
    return run_fpgaae(("emulate", str(config), str(file), *options), bench.folder / "emulate.log")
