"""Compare what two checkouts make of the shipped configs: golden networks and result files, but for times and versions.

    python -m benchmarks.same_results make OUT [CONFIG ...] [--python OTHER/.venv/bin/python] [--short]
    python -m benchmarks.same_results compare OUT OTHER_OUT [--but REGEX]

`make` runs every shipped config through its stages with the package of a Python environment (this one, or that of
another checkout). `--short` takes few events, two epochs and few replicas: what is compared is the code, not the
physics. `compare` exits with 1 and names each file and key that differs.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shipped_configs import shipped_configs, shortened
from fpgaae.config.file import read_config

_FIRMWARE_STAGES = ("data", "reference", "train", "convert", "csim", "evaluate")
_METHOD_STAGES = ("data", "reference", "explore")
_WITH_RTL = frozenset({"l1_vae_small", "l1_student"})  # those that are traced in seconds
_TIMES = frozenset({
    "events_per_second", "seconds", "wall_time_s", "finished", "compile_seconds", "versions", "git_commit",
    "fpgaae_version", "project_dir", "device", "tool", "duration_s",
})  # fmt: skip
_RUN = """
import sys
from fpgaae.__main__ import main

config, *stages = sys.argv[1:]
for stage in stages:  # in one process: TensorFlow comes up once
    sys.argv[1:] = [stage, config, "--runs", "runs"]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
"""


def make(out: Path, python: str, names: Sequence[str], *, short: bool) -> int:
    """Run the shipped configs into `OUT/runs`; what ends in an error is said, and the others go on."""
    failed = 0
    for file in shipped_configs(names):
        config = shortened(file, out / "configs") if short else file
        started = time.perf_counter()
        log = out / "logs" / f"{file.stem}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as output:  # in `out`, where no other package shadows that of `python`
            command = [python, "-c", _RUN, str(config.resolve()), *_stages(file)]
            done = subprocess.run(command, cwd=out, stdout=output, stderr=subprocess.STDOUT, check=False)
        print(f"{file.stem}: exit {done.returncode}, {time.perf_counter() - started:.0f} s", flush=True)
        failed += done.returncode != 0
    return min(failed, 1)


def _stages(file: Path) -> tuple[str, ...]:
    if read_config(file).content.get("method"):
        return _METHOD_STAGES
    return (*_FIRMWARE_STAGES, "trace") if file.stem in _WITH_RTL else _FIRMWARE_STAGES


def compare(first: Path, second: Path, but: str | None = None) -> int:
    """Name every difference between two outputs of `make`, but for keys that are meant to differ; 0 for none."""
    differences = left_out = n_files = 0
    found = [{file.relative_to(out) for file in _results(out)} for out in (first, second)]
    for file in sorted(found[0] ^ found[1]):
        print(f"{file}: only in {first if file in found[0] else second}")
        differences += 1
    for file in sorted(found[0] & found[1]):
        n_files += 1
        for what in _differences(first / file, second / file):
            if but is not None and re.search(but, f"{file}: {what}"):
                left_out += 1
                continue
            print(f"{file}: {what}")
            differences += 1
    print(f"{n_files} files compared, {differences} differences, {left_out} left out")
    return 1 if differences or not n_files else 0


def _results(out: Path) -> Iterator[Path]:
    for file in (out / "runs").glob("*/*/*"):
        if (file.suffix == ".json" and file.name != "manifest.json") or file.name in {"golden.npz", "events.h5"}:
            yield file


def _differences(first: Path, second: Path) -> Iterator[str]:
    if first.suffix == ".json":
        a, b = (json.loads(file.read_text(encoding="utf-8")) for file in (first, second))
        yield from _json_differences(a, b, "")
    elif first.suffix == ".npz":
        with np.load(first) as one, np.load(second) as other:
            if set(one) != set(other):
                yield f"arrays {sorted(set(one) ^ set(other))}"
            yield from (f"array {name}" for name in sorted(set(one) & set(other)) if not _equal(one[name], other[name]))
    elif first.stat().st_size != second.stat().st_size:
        yield f"{first.stat().st_size} against {second.stat().st_size} bytes"


def _equal(a: Any, b: Any) -> bool:  # noqa: ANN401
    return a.dtype == b.dtype and np.array_equal(a, b)


def _json_differences(a: Any, b: Any, key: str) -> Iterator[str]:  # noqa: ANN401
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in [*a, *(name for name in b if name not in a)]:
            if name in _TIMES:
                continue
            if name not in a or name not in b:
                yield f"{key}.{name} is only in one"
            else:
                yield from _json_differences(a[name], b[name], f"{key}.{name}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _json_differences(x, y, f"{key}[{index}]")
    elif a != b:
        yield f"{key}: {a!r:.80} against {b!r:.80}"


def main() -> int:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_results", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="run the shipped configs")
    making.add_argument("out", type=Path)
    making.add_argument("names", nargs="*", metavar="CONFIG", help="names of configs; none: all")
    making.add_argument("--python", default=sys.executable, help="the interpreter of the checkout's environment")
    making.add_argument("--short", action="store_true", help="two epochs and few replicas")
    comparing = commands.add_parser("compare", help="compare two outputs")
    comparing.add_argument("first", type=Path)
    comparing.add_argument("second", type=Path)
    comparing.add_argument("--but", metavar="REGEX", help="leave out differences that it finds in `FILE: KEY ...`")
    arguments = parser.parse_args()
    if arguments.command == "make":
        return make(arguments.out, arguments.python, arguments.names, short=arguments.short)
    return compare(arguments.first, arguments.second, arguments.but)


if __name__ == "__main__":
    sys.exit(main())
