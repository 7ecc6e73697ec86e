"""Twenty shards of the public CMS set's schema from `data` to `csim` in one command, with its memory.

`python -m benchmarks.cms_chain --events N` runs it alone, with any number of events.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.measure import Bench, epochs, new_bench, run_fpgaae
from benchmarks.memory_large_file import check_disk
from benchmarks.result import Goal, Result, Settings
from benchmarks.shipped_configs import CMS, made_up_shards

NAME = "cms_chain"
_QUICK_EVENTS = 50_000
_MEMORY_MIB = 2048
_STAGES = ("data", "reference", "train", "convert", "csim")


def run(settings: Settings) -> Result:
    """Run `configs/cms_l1.yaml`, trained for an epoch, on as many made-up events as were asked for."""
    return chain(_QUICK_EVENTS if settings.quick else settings.events)


def chain(n_events: int) -> Result:
    """Write shards of some zero-bias events, a tenth as many of a signal, and run all stages up to `csim` on them."""
    result = Result(NAME, ("stages", "events", "s", "CPU s", "peak MiB", "other cores"))
    with new_bench() as bench:
        check_disk(bench.folder, n_events)
        config = _config(bench, n_events)
        usage = run_fpgaae(["run", str(config), "--to", "csim", "--runs", str(bench.runs)], bench.folder / "run.log")
        for stage in _STAGES:
            seconds = bench.result(config, f"{stage}/manifest.json")["wall_time_s"]
            result.rows.append((stage, n_events, seconds, "", "", ""))
        csim = bench.result(config, "csim/csim.json")
    result.rows.append(
        ("all", n_events, usage.seconds, usage.cpu_seconds, usage.tree_peak_mib, usage.other_cores)
    )  # fmt: skip
    equal = csim["events"] - csim["mismatched_events"]
    result.goals += [
        Goal("most memory of all stages", usage.tree_peak_mib, _MEMORY_MIB, "MiB"),
        Goal("simulated events that are golden in every layer", equal, csim["events"], "events", at_least=True),
    ]
    return result


def _config(bench: Bench, n_events: int) -> Path:
    files = made_up_shards(bench.folder, n_events)
    return bench.config("cms", {"data": {"files": files}, **epochs(1, 1)}, base=CMS)


def main() -> None:
    """Run it alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cms_chain", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000, metavar="N", help="zero-bias events")
    chain(parser.parse_args().events).print(Console(width=None if sys.stdout.isatty() else 120))


if __name__ == "__main__":
    main()
