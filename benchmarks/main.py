"""Run the benchmarks: `python -m benchmarks.main [--only NAME] [--events N] [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from benchmarks import (
    agreement,
    cms_chain,
    cms_data,
    coverage,
    csim_throughput,
    emulate_scale,
    emulator_speed,
    evaluation,
    gpu,
    main_job,
    memory_large_file,
    memory_readers,
    mutation,
    notebook,
    reference_speed,
    rtl_speed,
    words,
)
from benchmarks.measure import StageFailed
from benchmarks.result import Result, Settings
from fpgaae.errors import FpgaaeError
from fpgaae.files import write_json

_MODULES = (
    main_job, csim_throughput, memory_large_file, memory_readers, evaluation, mutation, emulate_scale, emulator_speed,
    rtl_speed, agreement, reference_speed, coverage, cms_data, cms_chain, words, notebook, gpu,
)  # fmt: skip
BENCHMARKS: MappingProxyType[str, Callable[[Settings], Result]] = MappingProxyType(
    {module.NAME: module.run for module in _MODULES}
)
_WIDTH = 120  # of the tables where the output is no terminal


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.main", description="Measure speed and memory.")
    parser.add_argument("--only", choices=list(BENCHMARKS), help="run one benchmark")
    parser.add_argument(
        "--events", type=int, default=5_000_000, metavar="N", help="events of the large file (default 5,000,000)"
    )
    parser.add_argument("--quick", action="store_true", help="small and few: only to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures into a file")
    arguments = parser.parse_args()
    if arguments.events < 10_000:
        parser.error("--events must be at least 10000: fewer leave no batch for training")
    return arguments


def main() -> int:
    """Run the chosen benchmarks, print their tables and write their figures; a missed goal is no error."""
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    cores = len(os.sched_getaffinity(0))
    console.print(f"{cores} cores; `other cores` is what the rest of the machine kept busy meanwhile", highlight=False)
    figures = {}
    for name, benchmark in BENCHMARKS.items():
        if arguments.only not in {None, name}:
            continue
        try:
            result = benchmark(Settings(arguments.events, arguments.quick))
        except (StageFailed, FpgaaeError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        result.print(console)
        figures[name] = result.to_json()
        if arguments.json:
            write_json(arguments.json, {"cores": cores, "quick": arguments.quick, "benchmarks": figures})
    return 0


if __name__ == "__main__":
    sys.exit(main())
