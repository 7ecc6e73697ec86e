"""Running stages as a user does, as processes of their own, and measuring what they take."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil  # type: ignore[import-untyped]
import yaml

from fpgaae.config.yaml_source import EXTENDS
from fpgaae.files import read_json

CONFIGS = Path(__file__).parent.parent / "configs"
_SAMPLING_SECONDS = 0.05
_MIB = 2**20
_TAIL_LINES = 5


class Usage(NamedTuple):
    """What a process and all its children took."""

    seconds: float
    cpu_seconds: float
    tree_peak_mib: float  # largest sampled sum of resident sizes; pages that processes share count in each
    process_peak_mib: float  # largest resident size of any one process, as the kernel recorded it
    other_cores: float  # cores that the rest of the machine kept busy meanwhile


class StageFailed(Exception):
    """A measured command ended with an error."""


def run_measured(command: Sequence[str], log: Path) -> Usage:
    """Run a command to its end, its output in `log`, and measure it with its children.

    Raises
    ------
    StageFailed
        If it exits with an error; the message holds the last lines of its output.
    """
    busy_before, started = busy_seconds(), time.perf_counter()
    tree_peak = 0
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
                if ended:
                    break
                tree_peak = max(tree_peak, _resident_bytes(process.pid))
                time.sleep(_SAMPLING_SECONDS)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                process.terminate()
                process.wait()
    seconds = time.perf_counter() - started
    if process.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])
        raise StageFailed(f"{' '.join(command)} exited with {process.returncode}:\n{tail}")
    cpu = usage.ru_utime + usage.ru_stime
    others = max(0.0, busy_seconds() - busy_before - cpu) / seconds
    return Usage(seconds, cpu, tree_peak / _MIB, usage.ru_maxrss / 1024, others)


def run_fpgaae(arguments: Sequence[str], log: Path) -> Usage:
    """Run the command line in a process of its own and measure it."""
    return run_measured([sys.executable, "-m", "fpgaae", *arguments], log)


def _resident_bytes(pid: int) -> int:
    """Add up the resident sizes of a process and its descendants."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        pass
    return total


def busy_seconds() -> float:
    """Give the time that all cores of the machine have been busy, in seconds."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


class Bench:
    """An empty runs folder and the stages that are run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"

    def stage(self, stage: str, config: Path, *options: str) -> Usage:
        """Run `fpgaae STAGE CONFIG` and measure it."""
        arguments = (stage, str(config), "--runs", str(self.runs), *options)
        return run_fpgaae(arguments, self.folder / f"{stage}.log")

    def result(self, config: Path, file: str) -> dict[str, Any]:
        """Read a result file, such as `csim/csim.json`, of an experiment."""
        return read_json(self.runs / config.stem / file)

    def config(self, name: str, changes: Mapping[str, Any], base: str = "l1_ae") -> Path:
        """Write a config that differs from a shipped one by `changes`."""
        file = self.folder / f"{name}.yaml"
        content = {EXTENDS: str(CONFIGS / f"{base}.yaml"), **changes}
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return file


@contextmanager
def new_bench() -> Iterator[Bench]:
    """Give an empty folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="fpgaae-bench-") as folder:
        yield Bench(Path(folder))


def epochs(reference: int, quantized: int) -> dict[str, Any]:
    """Give the config changes for a shorter training."""
    return {
        "training": {"reference": {"epochs": reference}, "quantized": {"epochs": quantized}},
        "pruning": {"end_epoch": quantized},
    }
