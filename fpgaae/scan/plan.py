"""What is scanned: a YAML file with a base experiment, the keys to vary, the seeds and what counts.

How points are chosen among those possible belongs to `search`.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from fpgaae.config.experiment import Config
from fpgaae.config.file import first_error, load_config, read_config, validate_config
from fpgaae.config.selection import Files, Process
from fpgaae.config.yaml_source import Position, YamlSource, named_file, read_yaml
from fpgaae.data.readers import SAMPLE_PREFIX, event_files
from fpgaae.data.source import EventFile
from fpgaae.errors import ConfigError
from fpgaae.evaluation.bootstrap import DEFAULT_FPRS
from fpgaae.runs.results.metrics import fpr_key
from fpgaae.section import Fraction, Number, Section

Value = bool | int | float | str | tuple[int, ...]
Values = Mapping[str, Value]  # by axis: a point of the scan
_SAME_FOR_ALL = (
    "data.split", "data.files", "data.background", "data.dataset", "data.group", "data.where", "data.order",
    "data.empty_events", "data.hardware.saturated", "evaluation",
)  # fmt: skip
_MOST_POINTS = 100_000  # a trial takes minutes
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Axis(Section):
    """Keys of the experiment that get the same value, and which: a list, or everything from low to high."""

    keys: Annotated[tuple[str, ...], Field(min_length=1)]  # dotted keys of the experiment that all get the same value
    values: Annotated[tuple[Value, ...], Field(min_length=1)] | None = None  # a list, or
    low: int | Number | None = None  # a range
    high: int | Number | None = None
    step: Annotated[int | float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _list_or_range(self) -> Axis:
        ends = (self.low, self.high)
        if (self.values is None) is (None in ends) or (self.values is not None and ends != (None, None)):
            raise ValueError("give either values, or low and high")
        if self.values is not None and len(set(self.values)) != len(self.values):
            raise ValueError("a value stands twice in values; give each once")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must lie below high ({self.high:g})")
        width = (self.high or 0) - (self.low or 0)
        if self.values is None and not self.is_continuous and width / (self.step or 1) >= _MOST_POINTS:
            raise ValueError(f"from low to high are more than {_MOST_POINTS:,} values; make step larger")
        return self

    @property
    def is_continuous(self) -> bool:
        """Whether there is no end to its values."""
        return (
            self.values is None and self.step is None and not (isinstance(self.low, int) and isinstance(self.high, int))
        )

    @property
    def choices(self) -> tuple[Value, ...]:
        """All values; of a continuous axis its two ends."""
        if self.values is not None:
            return self.values
        low, high = self.low or 0, self.high or 0
        if self.is_continuous:
            return low, high
        step = self.step or 1
        n = math.floor((high - low) / step + 1e-9) + 1
        return tuple(round(low + i * step, 12) if isinstance(low + step, float) else low + i * step for i in range(n))


class Objective(str, Enum):
    """What a point is judged by; performance is the larger the better, cost the smaller."""

    MEAN_AUC = "mean_auc"  # over the signals
    MEAN_TPR = "mean_tpr"  # over the signals, at `false_positive_rate`
    LUT = "lut"  # of the whole trigger block, as da4ml estimates it
    FF = "ff"
    LATENCY_NS = "latency_ns"

    @property
    def is_performance(self) -> bool:
        """Whether more is better."""
        return self in {Objective.MEAN_AUC, Objective.MEAN_TPR}


class Optuna(Section):
    """A search by Optuna in the place of the whole grid."""

    trials: Annotated[int, Field(ge=1, le=100_000)]
    sampler: Literal["tpe", "nsga2", "random"] = "tpe"
    seed: Seed = 0


class ScanConfig(Section):
    """A whole scan."""

    base: str  # the experiment that is varied: a path from this file on, or config:NAME
    set: Annotated[dict[str, Any], Field(default_factory=dict)]  # dotted keys that get another value
    axes: Annotated[dict[Annotated[str, Field(pattern=r"^[\w.]+$")], Axis], Field(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (1, 2)  # of the trainings
    optuna: Optuna | None = None  # None: every point of the grid
    objectives: Annotated[tuple[Objective, ...], Field(min_length=2)] = (
        Objective.MEAN_AUC,
        Objective.LUT,
        Objective.LATENCY_NS,
    )
    false_positive_rate: float = 1e-3  # of the efficiencies
    signals: Annotated[tuple[str, ...], Field(min_length=1)] | None = None  # that the mean is over; None: all
    judged_on: Literal["test", "validation"] = "test"  # whose events choose; `data.split.signal_validation`
    significance: Fraction = 0.05  # chance of one false "distinguishable" in the whole scan

    @field_validator("axes", mode="before")
    @classmethod
    def _short_forms(cls, axes: Any) -> Any:  # noqa: ANN401
        """Take a list for the values, and the name of an axis for its key."""
        if not isinstance(axes, dict):
            return axes
        full = {name: {"values": axis} if isinstance(axis, list) else axis for name, axis in axes.items()}
        return {name: {"keys": [name], **axis} if isinstance(axis, dict) else axis for name, axis in full.items()}

    @model_validator(mode="after")
    def _makes_sense(self) -> ScanConfig:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("a seed stands twice in seeds; give each once")
        if not any(o.is_performance for o in self.objectives) or all(o.is_performance for o in self.objectives):
            raise ValueError("objectives needs a performance (mean_auc, mean_tpr) and a cost (lut, ff, latency_ns)")
        if self.false_positive_rate not in DEFAULT_FPRS:
            raise ValueError(f"false_positive_rate must be one of {', '.join(map(fpr_key, DEFAULT_FPRS))}")
        continuous = [name for name, axis in self.axes.items() if axis.is_continuous]
        if continuous and self.optuna is None:
            raise ValueError(f"axis {continuous[0]} has no end of values; give it a step, or search with optuna")
        if (
            self.optuna is None
            and (points := math.prod(len(axis.choices) for axis in self.axes.values())) > _MOST_POINTS
        ):
            raise ValueError(f"axes: the grid has {points:,} points, more than {_MOST_POINTS:,}; search with optuna")
        for name, axis in self.axes.items():
            if fixed := [key for key in axis.keys if key.startswith(_SAME_FOR_ALL)]:
                raise ValueError(f"axis {name}: {fixed[0]} can't be varied: trials are compared on the same events")
        return self

    @property
    def performance(self) -> Objective:
        """The first objective that is no cost."""
        return next(objective for objective in self.objectives if objective.is_performance)


@dataclass(frozen=True)
class Scan:
    """A scan, and the experiment that it varies."""

    file: Path
    settings: ScanConfig
    source: YamlSource
    base_file: Path
    base: YamlSource
    base_config: Config

    @property
    def name(self) -> str:
        """Name of the scan: that of its file."""
        return self.file.stem

    def grid(self) -> Iterator[Values]:
        """Give every point; of a continuous axis its two ends."""
        axes = self.settings.axes
        for choice in itertools.product(*(axis.choices for axis in axes.values())):
            yield dict(zip(axes, choice, strict=True))

    def samples(self) -> Iterator[Values]:
        """Give the points to validate: the whole grid, but of a search, whose grid may be endless, each value once."""
        axes = self.settings.axes
        if self.settings.optuna is None:
            yield from self.grid()
            return
        first = {name: axis.choices[0] for name, axis in axes.items()}
        for name, axis in axes.items():
            for value in axis.choices:
                yield {**first, name: value}

    def config(self, values: Values, seed: int) -> Config:
        """Give the experiment of a trial.

        Every seed sees the same split of the events, so that trials can be compared event by event.

        Raises
        ------
        ConfigError
            If the values make no valid experiment.
        """
        content = copy.deepcopy(self.base.content)
        positions = dict(self.base.positions)
        for key, value in self.settings.set.items():
            self._set(content, key, value, self.source.position(("set", key)), positions)
        for name, value in values.items():
            for key in self.settings.axes[name].keys:
                self._set(content, key, value, self.source.position(("axes", name)), positions)
        content["seed"] = seed
        split = content["data"].setdefault("split", {})
        split.setdefault("seed", self.base_config.seed)
        content.setdefault("evaluation", {})["judged_on"] = self.settings.judged_on
        return with_absolute_files(validate_config(YamlSource(content, positions)), self.base_file)

    def _set(
        self,
        content: dict[str, Any],
        key: str,
        value: Any,  # noqa: ANN401
        position: Position,
        positions: dict[tuple[str | int, ...], Position],
    ) -> None:
        """Give a dotted key its value, which then stands where the scan names it."""
        *sections, last = key.split(".")
        if key == "seed":
            raise ConfigError(f"{position}: the `seed` is not set like this; list the `seeds` of the scan")
        for depth, section in enumerate(sections, 1):
            if section not in content:
                content[section] = {}
                positions[tuple(sections[:depth])] = position
            content = content[section]
            if not isinstance(content, dict):
                raise ConfigError(f"{position}: `{key}` is no key of an experiment; `{section}` holds no other keys")
        content[last] = list(value) if isinstance(value, tuple) else value
        positions[tuple(key.split("."))] = position


def with_absolute_files(config: Config, file: Path) -> Config:
    """Name the event files of an experiment so that it may lie in any folder."""
    found = event_files(config, file)
    files = {process: _absolute(config.data.files[process], found[process]) for process in found}
    return config.model_copy(update={"data": config.data.model_copy(update={"files": files})})


def _absolute(entry: Files | Process, found: Sequence[EventFile]) -> Files | Process:
    """Give an entry of `data.files` that means the same from any folder."""
    if isinstance(entry, Process):
        files = {split: tuple(_path(file) for file in found if file.split == split) for split in entry.named}
        return Process(label=entry.label, **{split or "files": paths for split, paths in files.items()})
    if isinstance(entry, str) and entry.startswith(SAMPLE_PREFIX):
        return entry
    paths = tuple(_path(file) for file in found)
    return paths[0] if len(paths) == 1 else paths


def _path(file: EventFile) -> str:
    if file.path is None:
        return file.name + (f"#{file.selection}" if file.selection else "")
    return str(file.path.resolve()) + (f"#{file.selection}" if file.selection else "")


def load_scan(file: Path) -> Scan:
    """Read and validate a scan and every experiment of its grid; of a search, each value by itself.

    Raises
    ------
    ConfigError
        With the key, the file and the line of the first thing that is wrong.
    """
    source = read_yaml(file)
    if "data" in source.content and "base" not in source.content:
        raise ConfigError(f"{file} is an experiment, not a scan; give a file such as configs/scan/post_training.yaml")
    try:
        settings = ScanConfig.model_validate(source.content)
    except ValidationError as error:
        raise ConfigError(first_error(error, source, ScanConfig)) from None
    base_file = named_file(settings.base, file, source.position(("base",)))
    scan = Scan(file, settings, source, base_file, read_config(base_file), load_config(base_file))
    for values in scan.samples():
        scan.config(values, settings.seeds[0])
    signals = set(scan.base_config.data.files) - {scan.base_config.data.background}
    if unknown := [name for name in settings.signals or () if name not in signals]:
        raise ConfigError(f"{source.position(('signals',))}: `signals`: {base_file} has no signal {unknown[0]}")
    if not signals:
        raise ConfigError(f"{base_file} names no signal in `data.files`; add one to judge a scan by")
    return scan
