"""Peak memory of every stage on a file of millions of events against the bundled sample: it must not rise."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np

from benchmarks.measure import Bench, epochs, new_bench
from benchmarks.result import Goal, Result, Settings
from fpgaae.config.file import load_config
from fpgaae.data.readers import event_files
from fpgaae.errors import InputError

NAME = "memory_large_file"
STAGES = ("data", "reference", "train", "convert", "csim", "evaluate")
_MEMORY_MIB = 3 * 1024
_GROWTH = 1.5
_QUICK_EVENTS = 400_000
_CHUNK = 32_768
_BYTES_AN_EVENT = 19 * 4 * 4 + 8 + 120  # objects, group, and its share of the run folder
_SPREAD = 0.02  # relative change of pT that makes a copied event a new one


def run(settings: Settings) -> Result:
    """Run all stages on the bundled sample and on a large file made from it."""
    columns = ("stage", "sample MiB", "large file MiB", "large / sample", "sample s", "large file s", "other cores")
    result = Result(NAME, columns)
    n_events = min(settings.events, _QUICK_EVENTS) if settings.quick else settings.events
    with new_bench() as bench:
        check_disk(bench.folder, n_events)
        sample = bench.config("sample", epochs(1, 1))
        files = {process: str(files[0]) for process, files in event_files(load_config(sample), sample).items()}
        background = Path(files["background"])
        file = bench.folder / "large.h5"
        write_large_file(background, file, n_events)
        large = bench.config("large", {**epochs(1, 1), "data": {"files": {**files, "background": str(file)}}})
        _measure(result, bench, sample, large)
    return result


def _measure(result: Result, bench: Bench, sample: Path, large: Path) -> None:
    peaks, growth = [], []
    for stage in STAGES:
        small, big = bench.stage(stage, sample), bench.stage(stage, large)
        peaks.append(big.tree_peak_mib)
        growth.append(big.tree_peak_mib / small.tree_peak_mib)
        result.rows.append(
            (stage, small.tree_peak_mib, peaks[-1], growth[-1], small.seconds, big.seconds, big.other_cores)
        )
    events = sum(bench.result(large, "data/data.json")["events"]["background"].values())
    what = f"{events:,} background events"
    result.goals += [
        Goal(f"{what}, peak memory of all processes", max(peaks), _MEMORY_MIB, "MiB"),
        Goal(f"{what}, largest growth of a stage", max(growth), _GROWTH, "times"),
    ]


def check_disk(folder: Path, n_events: int) -> None:
    """Refuse to start what would fill the disk."""
    needed, free = n_events * _BYTES_AN_EVENT, shutil.disk_usage(folder).free
    if free < 2 * needed:
        raise InputError(
            f"{n_events:,} events need about {needed / 1e9:.1f} GB in {folder.parent}, and twice that should be free "
            f"(there: {free / 1e9:.1f} GB); give a smaller --events or another TMPDIR"
        )


def write_large_file(sample: Path, file: Path, n_events: int) -> None:
    """Write events drawn from a sample, each with slightly changed pT, chunk by chunk; groups stay apart by chunk."""
    rng = np.random.default_rng(1)
    with h5py.File(sample, "r") as source, h5py.File(file, "w") as target:
        particles, groups = source["Particles"][:], source["Group"][:]
        stride = int(groups.max()) + 1
        shape = (n_events, *particles.shape[1:])
        copies = target.create_dataset("Particles", shape, particles.dtype, chunks=(_CHUNK // 8, *shape[1:]))
        labels = target.create_dataset("Group", (n_events,), np.int64)
        for index, start in enumerate(range(0, n_events, _CHUNK)):
            rows = rng.integers(0, len(particles), min(_CHUNK, n_events - start))
            chunk = particles[rows]
            chunk[..., 0] *= rng.normal(1.0, _SPREAD, chunk.shape[:2]).astype(particles.dtype)
            copies[start : start + len(rows)] = chunk
            labels[start : start + len(rows)] = groups[rows] + index * stride
