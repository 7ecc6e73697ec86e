"""Kill commands at random moments: `python -m benchmarks.kills CONFIG --count 60 [--events FILE]`.

Each command first runs undisturbed from a finished run folder without its result. Then it is killed at a random moment,
and run again: no program that it started may stay, and the files must be those of the undisturbed run, times aside.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fpgaae.files import sha256
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.folder import MANIFEST
from fpgaae.runs.stages import IMPORT, STAGES

EMULATE, EXPORT, SCAN = "emulate", "export", "scan"
_MARK = "FPGAAE_KILLED"  # a variable that all programs of one command have
_TO_END_S = 5.0
_TIMES = re.compile(r"seconds|_s$|per_second|^seal$|^finished$|git_commit")
_LEFT = (".so", ".log", ".pdf", ".html", "self_test")  # hold dates, paths, or what a linker numbers


class Command(NamedTuple):
    """What is run, and what it makes."""

    arguments: tuple[str, ...]
    made: Path


def command_of(name: str, given: argparse.Namespace, runs: Path, folder: Path) -> Command:
    """Give the command line of a stage or another command, from these runs."""
    config = given.config
    if name == EMULATE:
        return Command(
            (name, str(config), str(given.events), "--output", str(folder / name), "--runs", str(runs)), folder / name
        )
    if name == EXPORT:
        return Command((name, str(config), str(folder / name), "--runs", str(runs)), folder / name)
    if name == SCAN:
        return Command((name, str(given.scan), "--runs", str(runs), "--workers", "1"), runs / given.scan.stem)
    if name == IMPORT:
        made = open_experiment(config, runs).stage_folder(IMPORT)
        return Command((name, str(given.model), "--config", str(config), "--runs", str(runs)), made)
    return Command((name, str(config), "--runs", str(runs)), open_experiment(config, runs).stage_folder(name))


def start(command: Command) -> subprocess.Popen[bytes]:
    """Start a command as a process group of its own."""
    line = [sys.executable, "-m", "fpgaae", *command.arguments]
    return subprocess.Popen(
        line, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=os.environ | {_MARK: str(command.made)},
    )  # fmt: skip


def still_running(command: Command) -> list[str]:
    """Name what a killed command started and what is still there after some seconds."""
    mark, end = f"{_MARK}={command.made}".encode(), time.monotonic() + _TO_END_S
    while (found := list(_marked(mark))) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _marked(mark: bytes) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                yield (process / "comm").read_text().strip()


def finish(command: Command) -> str:
    """Run a command to its end, and give what it complains of."""
    process = start(command)
    said = process.communicate()[1].decode(errors="replace")
    return "" if process.returncode == 0 else said.strip()[-500:]


def contents(folder: Path) -> dict[str, Any]:
    """Give what each file holds, times aside."""
    found: dict[str, Any] = {}
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if not file.is_file() or file.name in {MANIFEST, ".lock"} or file.name.endswith(_LEFT):
            continue
        found[name] = _timeless(json.loads(file.read_text())) if file.suffix == ".json" else sha256(file)
    return found


def _timeless(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _timeless(own) for key, own in value.items() if not _TIMES.search(key)}
    return [_timeless(own) for own in value] if isinstance(value, list) else value


def lost(
    name: str, given: argparse.Namespace, scratch: Path, rng: np.random.Generator, reference: dict[str, Any]
) -> str:
    """Kill a command once and run it again; give what differs, or nothing."""
    command = _prepared(name, given, scratch)
    process = start(command)
    time.sleep(float(rng.uniform(0, reference["seconds"])))
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    running = still_running(command)
    if said := finish(command):
        return said
    left = [str(path.name) for path in command.made.parent.glob(".*") if path.name not in {".lock", ".scratch"}]
    found = contents(command.made)
    wrong = [key for key in reference["files"] | found if reference["files"].get(key) != found.get(key)]
    return ", ".join([*wrong, *(f"{entry} is left" for entry in left), *(f"{name} runs on" for name in running)])


def _prepared(name: str, given: argparse.Namespace, scratch: Path) -> Command:
    """Give the command for a fresh copy of the run folder, without what it makes."""
    shutil.rmtree(scratch, ignore_errors=True)
    folder = open_experiment(given.config, given.runs).folder
    shutil.copytree(folder, scratch / "runs" / folder.name)
    command = command_of(name, given, scratch / "runs", scratch)
    shutil.rmtree(command.made, ignore_errors=True)
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; exit code 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--commands", nargs="*", default=[*STAGES, EXPORT])
    parser.add_argument("--events", type=Path, help="an event file, for the command emulate")
    parser.add_argument("--scan", type=Path, help="a scan's YAML file, for the command scan")
    parser.add_argument("--model", type=Path, help="a model file, for the command import")
    given = parser.parse_args(arguments)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made) / "work"
        for index, name in enumerate(given.commands):
            command = _prepared(name, given, scratch)
            started = time.monotonic()
            if said := finish(command):
                raise RuntimeError(f"{name} fails undisturbed: {said}")
            reference = {"seconds": time.monotonic() - started, "files": contents(command.made)}
            for number in range(index, given.count, len(given.commands)):
                difference = lost(name, given, scratch, np.random.default_rng([given.seed, number]), reference)
                found[f"{name}: {difference or 'as undisturbed'}"] += 1
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return int(any(not key.endswith("as undisturbed") for key in found))


if __name__ == "__main__":
    sys.exit(main())
