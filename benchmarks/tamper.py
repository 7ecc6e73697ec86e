"""Change the files of a finished run folder and of `emulate`'s output one by one: `python -m benchmarks.tamper CONFIG`.

Each file has a byte flipped, is cut in half, and is removed; a JSON file also has a number changed. The next stage that
reads it, or a second `emulate`, must name the file. `--events FILE` scores that file first, into a folder of its own.
With `--unworked` that stage is stopped where its work would begin, unless only the work reads the file: so every file
of a folder can be tried.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpgaae import pipeline
from fpgaae.data.readers import event_hashes
from fpgaae.emulator.emulate import EmulateOptions, emulate
from fpgaae.errors import CheckFailed, FpgaaeError
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.run import RunOptions, StageRun, run_stage
from fpgaae.runs.stages import STAGES

NAMED, MISSED, ANEW = "named", "missed", "made anew"


class Case(NamedTuple):
    """A file below a folder, and what was done to it."""

    file: str
    change: str


def flip(content: bytes) -> bytes:
    """Flip the lowest bit of the byte in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut(content: bytes) -> bytes:
    """Leave the first half."""
    return content[: len(content) // 2]


def renumber(content: bytes) -> bytes | None:
    """Add one to the last number of a JSON file; None of what has none."""
    try:
        root = json.loads(content)
    except ValueError:
        return None
    place = max(_numbers(root), default=None, key=len)
    if place is None:
        return None
    holder: Any = root
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] += 1
    return json.dumps(root, indent=2).encode()


def _numbers(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield place
    for key in keys:
        yield from _numbers(value[key], (*place, key))


_CHANGES: dict[str, Callable[[bytes], bytes | None]] = {"flipped": flip, "cut": cut, "renumbered": renumber}


def tampered(folder: Path, scratch: Path, files: Sequence[str]) -> Iterator[tuple[Case, Path]]:
    """Give a copy of a folder for each change of each file."""
    for name in files:
        content = (folder / name).read_bytes()
        for change, make in (*_CHANGES.items(), ("removed", None)):
            new = make(content) if make is not None and content else None
            if make is not None and (new is None or new == content):
                continue
            copy = scratch / folder.name
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy, copy_function=os.link)  # what is written anew is renamed into its place
            (copy / name).unlink()
            if new is not None:
                (copy / name).write_bytes(new)
            yield Case(name, change), copy


def reader_of(stage: str) -> str:
    """Give the first stage that needs the results of another, or else takes them in; itself where there is none."""
    needing = (name for name, spec in STAGES.items() if stage in spec.upstream)
    taking = (name for name, spec in STAGES.items() if stage in spec.optional)
    return (*needing, *taking, stage)[0]


def judge_stage(experiment: Experiment, stage: str, name: str, *, works: bool = True) -> str:
    """Run a stage on a changed folder, or up to its work; it must say the name of the file."""
    try:
        if works:
            outcome = pipeline.run(experiment, stage, RunOptions())
        else:
            hashes = event_hashes(experiment.config, experiment.config_file)
            outcome = run_stage(experiment, pipeline.result_kind(stage), _stop, hashes, RunOptions())
    except FpgaaeError as error:
        is_named = Path(name).name in str(error) or f"{experiment.stage_folder(name.partition('/')[0])} has no" in str(
            error
        )
        return NAMED if is_named else f"{MISSED}: {error}"
    if not outcome.was_current and name.startswith(f"{stage}/"):
        return ANEW
    edited = (*outcome.edited, *getattr(outcome.result, "edited_files", ()))
    return NAMED if any(Path(name).name in file for file in edited) else MISSED


def _stop(_: StageRun) -> StageResult:
    raise CheckFailed("the work would begin")


def judge_scores(experiment: Experiment, events: Path, folder: Path, name: str) -> str:
    """Score the same events into a changed folder: the file is named, or made anew as it was."""
    try:
        failed = emulate(experiment, [events], folder, EmulateOptions(workers=1)).failed
    except FpgaaeError as error:
        return NAMED if name in str(error) else f"{MISSED}: {error}"
    return NAMED if any(name in said for said in failed.values()) else ANEW


def files_of(folder: Path, most: int) -> list[str]:
    """Give the files below a folder, evenly left out where there are more than that."""
    found = sorted(
        str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and file.name != ".lock"
    )
    return found[:: max(1, -(-len(found) // most))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; exit code 1 where a change was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tamper", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--stages", nargs="*", default=list(STAGES))
    parser.add_argument("--most", type=int, default=10_000, help="files of a stage")
    parser.add_argument("--events", type=Path, help="an event file to score")
    parser.add_argument("--unworked", action="store_true", help="stop each stage where its work would begin")
    given = parser.parse_args(arguments)
    experiment = open_experiment(given.config, given.runs)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir=given.runs) as made:
        scratch = Path(made)
        for stage in given.stages:
            if experiment.stage_folder(stage).is_dir():
                reader = reader_of(stage)
                works = not (given.unworked and stage in STAGES[reader].upstream)
                files = [f"{stage}/{name}" for name in files_of(experiment.stage_folder(stage), given.most)]
                for case, copy in tampered(experiment.folder, scratch, files):
                    changed = open_experiment(given.config, copy.parent)
                    _count(found, case, judge_stage(changed, reader, case.file, works=works))
        if given.events is not None:
            scores = scratch / "scores"
            emulate(experiment, [given.events], scores, EmulateOptions(workers=1))
            for case, copy in tampered(scores, scratch / "changed", files_of(scores, given.most)):
                _count(found, case, judge_scores(experiment, given.events, copy, case.file))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return int(any(verdict.startswith(MISSED) for verdict in found))


def _count(found: Counter[str], case: Case, verdict: str) -> None:
    found[verdict.partition(":")[0]] += 1
    if verdict.startswith(MISSED):
        sys.stdout.write(f"{case.file} {case.change}: {verdict}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
