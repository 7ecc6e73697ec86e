"""The stage `data`: event files to hardware integers, splits and frozen features."""

from __future__ import annotations

import numpy as np

from fpgaae.config.experiment import Config
from fpgaae.data.features import SpreadAccumulator, freeze_features
from fpgaae.data.integers import hardware_codes
from fpgaae.data.layout import HardwareFeature, hardware_features
from fpgaae.data.readers import count_events, event_files, read_events
from fpgaae.data.source import EventChunk, EventFile
from fpgaae.data.splits import SPLITS, split_of_groups
from fpgaae.data.store import EventWriter
from fpgaae.errors import InputError
from fpgaae.files import require_space
from fpgaae.progress import Task
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import StageRun


def run_data(run: StageRun) -> DataResult:
    """Read every process, write its hardware integers by split, and freeze the features from the training split.

    Signals are not trained on: all their events belong to the test split.
    """
    config = run.config
    hardware = hardware_features(config.data.hardware)
    files = event_files(config, run.experiment.config_file)
    sizes = {process: count_events(file, config.data) for process, file in files.items()}
    dtype = _narrowest(hardware)
    require_space(run.folder, sum(sizes.values()) * len(hardware) * np.dtype(dtype).itemsize)
    spread = SpreadAccumulator(len(hardware))
    with (
        EventWriter(run.folder, len(hardware), dtype) as writer,
        run.progress.task("hardware integers", sum(sizes.values())) as task,
    ):
        events = {
            process: _write_process(process, file, config, writer, spread, task) for process, file in files.items()
        }
    _check_enough(config, events[config.data.background], files[config.data.background])
    features = freeze_features(hardware, spread, config.data.scaling)
    return DataResult(
        events=events,
        feature_types=features.entries(),
        files={p: file.path.name if file.path else file.name for p, file in files.items()},
    )


def _write_process(
    process: str, file: EventFile, config: Config, writer: EventWriter, spread: SpreadAccumulator, task: Task
) -> dict[str, int]:
    """Write one process and give its number of events a split."""
    is_background = process == config.data.background
    counts = dict.fromkeys(SPLITS if is_background else SPLITS[-1:], 0)
    for chunk in read_events(file, config.data):
        if is_background:
            _check_columns(config, chunk, file)
        codes = hardware_codes(chunk.values, config.data.hardware)
        split = split_of_groups(chunk.groups, config.data.split, config.split_seed) if is_background else None
        for index, name in enumerate(SPLITS):
            if name not in counts:
                continue
            mine = slice(None) if split is None else split == index
            counts[name] += len(codes[mine])
            columns = {column: values[mine] for column, values in chunk.columns.items()}
            writer.append(process, name, codes[mine], chunk.groups[mine], columns)
            if name == "train":
                spread.add(codes[mine])
        task.advance(len(codes))
    return counts


def _check_columns(config: Config, chunk: EventChunk, file: EventFile) -> None:
    for column, name in config.data.columns.named.items():
        if column not in chunk.columns:
            raise InputError(f"{file} has no dataset `{name}`; correct `data.columns.{column}` or set it to null")


def _check_enough(config: Config, counts: dict[str, int], file: EventFile) -> None:
    batch = max(config.training.reference.batch_size, config.training.quantized.batch_size)
    if counts["train"] < batch:
        raise InputError(
            f"{file} leaves {counts['train']} events for training, fewer than one batch of {batch}; "
            "give more events or a smaller `batch_size`"
        )
    for name in ("validation", "test"):
        if not counts[name]:
            raise InputError(f"{file} leaves no events for the {name} split; give more events or change `data.split`")


def _narrowest(hardware: tuple[HardwareFeature, ...]) -> type[np.signedinteger]:
    return np.int16 if max(feature.max_code for feature in hardware) < 2**15 else np.int32
