"""The stage `data`: event files to hardware integers, splits and frozen features.

Files are coded part by part (`fpgaae.data.coding`), here or by workers that write part files. This process puts the
parts behind each other, so that the bytes of the result depend on the events and the config only.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from fpgaae.cluster import SPREADING, Do, Workers, open_workers
from fpgaae.config.experiment import Config
from fpgaae.data.coding import CodingJob, Part, code_span, code_type, coded_parts, group_end, part_events, read_part
from fpgaae.data.features import SpreadAccumulator, freeze_features
from fpgaae.data.layout import hardware_features
from fpgaae.data.parts import part_files
from fpgaae.data.readers import event_files, shard_spans
from fpgaae.data.source import WEIGHT, EventFile
from fpgaae.data.splits import SPLITS
from fpgaae.data.store import EventWriter
from fpgaae.data.tally import Tally
from fpgaae.errors import InputError
from fpgaae.files import require_space
from fpgaae.optional import installed_version, require
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import StageRun

_T = TypeVar("_T")
_WORTH_EVENTS = 5_000_000  # from which on processes save more time than they take to start


class _Shard(NamedTuple):
    """A file of a process, and the spans that it can be read in."""

    process: str
    file: EventFile
    spans: list[range]


def run_data(run: StageRun) -> DataResult:
    """Read every process, write its hardware integers by split, and freeze the features from the training split.

    Signals are not trained on: all their events belong to the test split, unless their files say a split.
    """
    config = run.config
    hardware = hardware_features(config.data.hardware)
    files = event_files(config, run.experiment.config_file)
    shards = list(_shards(files, config))
    n_events = sum(shard.spans[-1].stop for shard in shards)
    workers = _workers(run, shards, n_events)
    dtype = code_type(hardware)
    copies = 1 if workers is None else 2  # the parts, too
    require_space(run.folder, copies * n_events * len(hardware) * np.dtype(dtype).itemsize)
    spread = SpreadAccumulator(len(hardware))
    with (
        EventWriter(run.folder, len(hardware), dtype) as writer,
        run.progress.task("hardware integers", n_events) as task,
        closing(_ahead(_parts(run, shards)) if workers is None else _parts_of(workers, run, shards)) as parts,
    ):
        written = {process: _Process(process, config, writer, spread) for process in files}
        for process, own in groupby(parts, key=lambda found: found[0]):
            for _, part in own:
                written[process].take(part)
                task.advance(part.n_events)
            written[process].finish(files[process])
    features = freeze_features(hardware, spread, config.data.scaling, config.data.hardware.steps_of_features())
    return DataResult(
        events={process: own.counts for process, own in written.items()},
        feature_types=features.entries(),
        files={process: shown_files(own) for process, own in files.items()},
        seen={process: own.tally.seen() for process, own in written.items()},
        warnings=(
            *_shared_files(files, config.data.background),
            *(f"{process}: {text}" for process, own in written.items() for text in own.warnings),
        ),
    )


def _shards(files: Mapping[str, Sequence[EventFile]], config: Config) -> Iterator[_Shard]:
    """Give the files of every process in order; workers elsewhere know them by their whole paths."""
    for process, own in files.items():
        for file, spans in zip(own, shard_spans(own, config.data, part_events(config)), strict=True):
            yield _Shard(process, replace(file, path=file.path and file.path.absolute()), spans)


def _workers(run: StageRun, shards: Sequence[_Shard], n_events: int) -> Workers | None:
    """Say who writes part files; None: they are not worth it."""
    if run.workers.are_asked_for:
        require("distributed", SPREADING)
        return run.workers
    most = min(len(os.sched_getaffinity(0)), sum(len(shard.spans) for shard in shards))
    if run.workers.automatic and most > 1 and n_events >= _WORTH_EVENTS and installed_version("distributed"):
        return Workers(processes=most)
    return Workers() if _folder(run).is_dir() else None  # of a run that was killed


def _folder(run: StageRun) -> Path:
    return run.scratch.absolute() / f"parts-of-{part_events(run.config)}"


def _parts(run: StageRun, shards: Sequence[_Shard]) -> Iterator[tuple[str, Part]]:
    """Code every file here, and give its parts with their process."""
    for process, own in groupby(shards, key=lambda shard: shard.process):
        next_group = 0
        for shard in own:
            job = CodingJob(run.config, process, shard.file, next_group, Path())
            for part in coded_parts(job, range(shard.spans[-1].stop)):
                next_group = max(next_group, job.group_offset + part.next_group)
                yield process, part


def _parts_of(
    workers: Workers, run: StageRun, shards: Sequence[_Shard]
) -> Generator[tuple[str, Part]]:  # fmt: skip
    """Let workers write the parts that are not there, and give all in order."""
    with open_workers(workers) as do:
        jobs = list(_jobs(run, shards, do))
        calls = [(job, span) for job, shard in zip(jobs, shards, strict=True) for span in shard.spans]
        for (job, span), done in zip(calls, do(code_span, calls), strict=True):
            if done.failure is not None:
                raise InputError(done.failure)
            n_events = part_events(job.config)
            for file in part_files(job.parts, span.stop, n_events)[span.start // n_events :]:
                yield job.process, read_part(file)


def _jobs(run: StageRun, shards: Sequence[_Shard], do: Do) -> Iterator[CodingJob]:
    """Give the job of every file; where its groups begin depends on those of the files before it."""
    index = 0
    for process, own in groupby(shards, key=lambda shard: shard.process):
        of_process = list(own)
        jobs = []
        for shard in of_process:
            jobs.append(CodingJob(run.config, process, shard.file, 0, _folder(run) / f"{index:06d}"))
            index += 1
        if run.config.data.group_columns or len(jobs) == 1:
            yield from jobs
            continue
        # A domain's reader may give any groups, the others number the events.
        ends = (
            [shard.spans[-1].stop for shard in of_process]
            if run.config.data.reader is None
            else list(do(group_end, [(job,) for job in jobs]))
        )
        for job, offset in zip(jobs, np.cumsum([0, *ends[:-1]]).tolist(), strict=True):
            yield job._replace(group_offset=offset)


def _shared_files(files: Mapping[str, Sequence[EventFile]], background: str) -> Iterator[str]:
    """Say which signals have a file of the background, whose events are then no signal."""
    own = {(file.path.resolve(), file.selection) for file in files[background] if file.path is not None}
    for process, given in files.items():
        for file in given if process != background else ():
            if file.path is not None and (file.path.resolve(), file.selection) in own:
                yield f"{process}: {file} is a file of {background}, too, so that the same events are both"


def shown_files(files: Sequence[EventFile]) -> str:
    """Name the files of a process: the one, or the first and how many more there are."""
    first = files[0].path.name if files[0].path else files[0].name
    return first if len(files) == 1 else f"{first} and {len(files) - 1} more"


class _Process:
    """A process on its way into the event store."""

    def __init__(self, name: str, config: Config, writer: EventWriter, spread: SpreadAccumulator) -> None:
        self._name, self._config, self._writer, self._spread = name, config, writer, spread
        self._is_background = name == config.data.background
        self.counts = dict.fromkeys(SPLITS if self._is_background else SPLITS[-1:], 0)
        self.tally = Tally(config.data)
        self.warnings: list[str] = []
        self._first_group: int | None = None
        self._one_group = True
        self._weighs: dict[str, bool] = {}  # by split whose events have weights, whether one is not 0

    def take(self, part: Part) -> None:
        """Write the next part of its events."""
        self.tally.take(part.tally)
        self._spread.take(part.spread)
        if part.group is not None:
            self._first_group = part.group if self._first_group is None else self._first_group
            self._one_group &= part.one_group and part.group == self._first_group
        for name, rows in part.splits.items():
            if not len(rows.codes) and name not in self.counts:
                continue
            self.counts[name] = self.counts.get(name, 0) + len(rows.codes)
            if WEIGHT in rows.columns:
                self._weighs[name] = self._weighs.get(name, False) or bool(rows.columns[WEIGHT].any())
            self._writer.append(self._name, name, rows.codes, rows.groups, rows.columns)

    def finish(self, files: Sequence[EventFile]) -> None:
        """Look at what all its events are together.

        Raises
        ------
        InputError
            If they can't be what the config says, or are too few.
        """
        name = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more files"
        if (refusal := self.tally.refusal()) is not None:
            if self._is_background:
                raise InputError(f"{name}: {refusal}")
            self.warnings.append(refusal)
        self.warnings.extend(self.tally.warnings())
        left_out = self.tally.dropped["empty"] + self.tally.dropped["saturated"]
        if self._is_background and left_out:
            self.warnings.append(
                f"{left_out:,} of {self.tally.events:,} events were left out as empty or saturated, but the firmware "
                "gets them: rates in kHz count them as bunch crossings, of which none is accepted"
            )
        self._check_enough(name)

    def _check_enough(self, file: str) -> None:
        config = self._config
        if not sum(self.counts.values()):
            dropped = ", ".join(f"{n:,} by `{why}`" for why, n in self.tally.dropped.items() if n) or "none"
            raise InputError(
                f"{file}: of {self.tally.events:,} events none is left (left out: {dropped}); change `data.where`, "
                "`data.empty_events` or `saturated`, or give other events"
            )
        if weightless := [split for split, weighs in self._weighs.items() if self.counts[split] and not weighs]:
            raise InputError(
                f"{file}: the weights of all {self.counts[weightless[0]]:,} events of the {weightless[0]} split are 0, "
                "so that shares of them are none; correct `data.columns.weight` or set it to null"
            )
        if not self._is_background:
            if not self.counts["test"]:
                raise InputError(f"{file} leaves no events for the test split; give files or a column that has some")
            return
        if self._one_group and sum(self.counts.values()) > 1 and min(self.counts.values()) == 0:
            raise InputError(
                f"{file}: all {sum(self.counts.values()):,} events are of one group, {self._first_group}, by "
                f"`data.group`, so that they can't be divided; name a column that differs, or set `data.group` to null"
            )
        batch = max(config.training.reference.batch_size, config.training.quantized.batch_size)
        if self.counts["train"] < batch:
            raise InputError(
                f"{file} leaves {self.counts['train']} events for training, fewer than one batch of {batch}; "
                "give more events or a smaller `batch_size`"
            )
        for name in ("validation", "test"):
            if not self.counts[name]:
                raise InputError(
                    f"{file} leaves no events for the {name} split; give more events or change `data.split`"
                )


def _ahead(parts: Iterator[_T]) -> Generator[_T]:
    """Read and code the next part while this one is written, which takes as long."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = reader.submit(next, parts, None)
            yield part
