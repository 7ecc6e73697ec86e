"""The stage `data`: event files to hardware integers, splits and frozen features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.data.features import SpreadAccumulator, freeze_features
from fpgaae.data.integers import narrow_event_codes
from fpgaae.data.layout import HardwareFeature, hardware_features
from fpgaae.data.readers import count_all_events, event_files, read_events
from fpgaae.data.source import WEIGHT, EventChunk, EventFile
from fpgaae.data.splits import SPLITS, split_of_groups, split_of_signal_groups
from fpgaae.data.store import EventWriter
from fpgaae.data.tally import Tally
from fpgaae.errors import InputError
from fpgaae.files import require_space
from fpgaae.progress import Task
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import StageRun

_T = TypeVar("_T")
_Codes: TypeAlias = NDArray[np.signedinteger]
_TEST = SPLITS.index("test")


def run_data(run: StageRun) -> DataResult:
    """Read every process, write its hardware integers by split, and freeze the features from the training split.

    Signals are not trained on: all their events belong to the test split, unless their files say a split.
    """
    config = run.config
    hardware = hardware_features(config.data.hardware)
    files = event_files(config, run.experiment.config_file)
    sizes = {process: sum(count_all_events(shards, config.data)) for process, shards in files.items()}
    dtype = _narrowest(hardware)
    require_space(run.folder, sum(sizes.values()) * len(hardware) * np.dtype(dtype).itemsize)
    spread = SpreadAccumulator(len(hardware))
    with (
        EventWriter(run.folder, len(hardware), dtype) as writer,
        run.progress.task("hardware integers", sum(sizes.values())) as task,
    ):
        written = {process: _Process(process, config, writer, spread) for process in files}
        for process, own in written.items():
            own.write(files[process], task)
    features = freeze_features(hardware, spread, config.data.scaling, config.data.hardware.steps_of_features())
    return DataResult(
        events={process: own.counts for process, own in written.items()},
        feature_types=features.entries(),
        files={process: shown_files(shards) for process, shards in files.items()},
        seen={process: own.tally.seen() for process, own in written.items()},
        warnings=(
            *_shared_files(files, config.data.background),
            *(f"{process}: {text}" for process, own in written.items() for text in own.warnings),
        ),
    )


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
        self._weights: dict[str, float] = {}  # by split, where events have some
        self._next_group = 0  # of a file whose events have no group in common with those of the files before

    def write(self, files: Sequence[EventFile], task: Task) -> None:
        """Write all events of the process.

        Raises
        ------
        InputError
            If they can't be what the config says, or are too few.
        """
        for file in files:
            offset = self._next_group
            for chunk, codes in _ahead(self._coded(file)):
                self._write_chunk(chunk, codes, file, offset)
                task.advance(len(codes))
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

    def _coded(self, file: EventFile) -> Iterator[tuple[EventChunk, _Codes]]:
        """Read a file, and give its events with their hardware integers, (n, n_features)."""
        for chunk in read_events(file, self._config.data):
            if self._is_background:
                _check_columns(self._config, chunk, file)
            yield chunk, narrow_event_codes(chunk, self._config.data, self._writer.dtype)

    def _write_chunk(self, chunk: EventChunk, codes: _Codes, file: EventFile, group_offset: int) -> None:
        kept = self.tally.add(chunk, codes)
        groups = chunk.groups
        if not self._config.data.group_columns:
            groups = groups + group_offset
            self._next_group = max(self._next_group, int(groups.max(initial=-1)) + 1)
        self._look_for_groups(groups[kept])
        overflow = self.tally.overflow_slots(chunk)
        split = self._split(chunk, file, groups)
        for index, name in enumerate(SPLITS):
            mine = kept & (split == index)
            if not mine.any() and name not in self.counts:
                continue
            self.counts[name] = self.counts.get(name, 0) + int(np.count_nonzero(mine))
            columns = {column: values[mine] for column, values in chunk.columns.items()}
            if WEIGHT in columns:
                self._weights[name] = self._weights.get(name, 0.0) + float(columns[WEIGHT].sum())
            own = codes[mine]
            self._writer.append(self._name, name, own, groups[mine], columns)
            if name == "train" and self._is_background:
                self._spread.add(own, None if overflow is None else overflow[mine])

    def _split(self, chunk: EventChunk, file: EventFile, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the split of each event: as the file or its column says, or by its group."""
        if file.split:
            return np.full(len(groups), SPLITS.index(file.split))
        if chunk.splits is not None:
            return chunk.splits
        split_of = split_of_groups if self._is_background else split_of_signal_groups
        return split_of(groups, self._config.data.split, self._config.split_seed)

    def _look_for_groups(self, groups: NDArray[np.int64]) -> None:
        if self._one_group and groups.size:
            self._first_group = int(groups[0]) if self._first_group is None else self._first_group
            self._one_group = bool((groups == self._first_group).all())

    def _check_enough(self, file: str) -> None:
        config = self._config
        if not sum(self.counts.values()):
            dropped = ", ".join(f"{n:,} by `{why}`" for why, n in self.tally.dropped.items() if n) or "none"
            raise InputError(
                f"{file}: of {self.tally.events:,} events none is left (left out: {dropped}); change `data.where`, "
                "`data.empty_events` or `saturated`, or give other events"
            )
        if weightless := [split for split, total in self._weights.items() if self.counts[split] and not total]:
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


def _ahead(chunks: Iterator[_T]) -> Iterator[_T]:
    """Read and code the next chunk while this one is written, which takes as long."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = reader.submit(next, chunks, None)
            yield chunk


def _check_columns(config: Config, chunk: EventChunk, file: EventFile) -> None:
    for column, name in config.data.columns.named.items():
        if column not in chunk.columns:
            raise InputError(f"{file} has no dataset `{name}`; correct `data.columns.{column}` or set it to null")


def _narrowest(hardware: tuple[HardwareFeature, ...]) -> type[np.signedinteger]:
    return np.int16 if max(feature.max_code for feature in hardware) < 2**15 else np.int32
