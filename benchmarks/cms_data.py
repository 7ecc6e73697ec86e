"""Speed and memory of the stage `data` on shards of the public CMS set's schema, against reading them by pyarrow."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet
import yaml

from benchmarks.measure import CONFIGS, new_bench, run_measured
from benchmarks.memory_large_file import check_disk
from benchmarks.result import Goal, Result, Settings
from fpgaae.config.file import load_config
from fpgaae.data.cms_shards import ZERO_BIAS, ShardSettings, write_shards

NAME = "cms_data"
_EVENTS, _QUICK_EVENTS, _SHARDS = 5_000_000, 50_000, 20
_EVENTS_PER_SECOND = 250_000  # on two cores
_MEMORY_MIB = 2048


def run(settings: Settings) -> Result:
    """Write shards, read their columns by pyarrow alone, and make their events ready by `fpgaae data`."""
    n_events = _QUICK_EVENTS if settings.quick else _EVENTS
    result = Result(NAME, ("reader", "events", "s", "CPU s", "events/s", "peak MiB", "other cores"))
    with new_bench() as bench:
        check_disk(bench.folder, n_events)
        made = ShardSettings(n_events, 1000, n_events // _SHARDS, (), menu_bits=4)
        files = write_shards(bench.folder, made)[ZERO_BIAS]
        config = _config(bench.folder, files[0].parent)
        command = [sys.executable, "-m", "benchmarks.cms_data", str(config), *map(str, files)]
        alone = run_measured(command, bench.folder / "read.log")
        seconds = float((bench.folder / "read.log").read_text().split()[-1])
        result.rows.append(("pyarrow alone", n_events, seconds, alone.cpu_seconds, n_events / seconds,
                            alone.tree_peak_mib, alone.other_cores))  # fmt: skip
        stage = [sys.executable, "-m", "fpgaae", "data", str(config), "--runs", str(bench.folder / "runs")]
        usage = run_measured(stage, bench.folder / "data.log")
        result.rows.append(("fpgaae data", n_events, usage.seconds, usage.cpu_seconds, n_events / usage.seconds,
                            usage.tree_peak_mib, usage.other_cores))  # fmt: skip
    speed = n_events / usage.seconds
    result.goals.append(Goal("events a second of `data`, start included", speed, _EVENTS_PER_SECOND, "1/s", True))
    result.goals.append(Goal("most memory of `data`", usage.tree_peak_mib, _MEMORY_MIB, "MiB"))
    result.goals.append(Goal("time of `data` to that of pyarrow alone", usage.seconds / seconds, 10, ""))
    return result


def _config(folder: Path, shards: Path) -> Path:
    file = folder / "cms.yaml"
    content: dict[str, Any] = {"extends": [str(CONFIGS / "l1_ae.yaml"), "preset:cmsl1t_parquet"]}
    content |= {"data": {"files": {"background": str(shards)}}}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def _read(config: Path, files: list[Path]) -> float:
    """Read the columns that the config names, and give the seconds."""
    data = load_config(config).data
    columns = [name for kind in (data.table.objects if data.table else {}).values() for _, name in kind if name]
    columns += [*data.columns.named.values(), *data.group_columns, "split", "order"]
    started = time.perf_counter()
    for file in files:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches(columns=columns):
            del batch
    return time.perf_counter() - started


if __name__ == "__main__":
    print(_read(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
