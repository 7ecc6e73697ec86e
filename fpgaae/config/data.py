"""The section `data` of an experiment: where its events are, and how a detector or a trigger codes them.

How a file is read does not belong here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from fpgaae.config.hardware import ArrayWidth, Hardware, ObjectWidths
from fpgaae.config.selection import Condition, FileEntry, Process, files_by_split, parse_condition
from fpgaae.config.table import Table, TableValues
from fpgaae.section import Fraction, Section

__all__ = ["ArrayWidth", "Columns", "Data", "EmptyEvents", "Hardware", "ObjectWidths", "Order", "Scaling", "Split"]

_DOMAINS = "fpgaae.data.domains"
TOY_PREFIX = "toy:"
RESERVED_ORIGINS = frozenset(
    {"random", "words", "extremes", "edges", "layers"}
)  # what the C simulation is fed with besides the processes


def reader_module(name: str) -> ModuleType:
    """Import what `data.reader` names: a module of `fpgaae.data.domains`, or with a dot in its name any other.

    Raises
    ------
    ValueError
        If there is none, or it is no reader.
    """
    module = name if "." in name else f"{_DOMAINS}.{name}"
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if not module.startswith(str(error.name)):
            raise
        known = sorted(entry.name for entry in iter_modules(import_module(_DOMAINS).__path__))
        raise ValueError(
            f"there is no reader {name}; there are {', '.join(known)}, or name a module that can be imported"
        ) from None
    if not hasattr(found, "READER"):
        raise ValueError(f"the module {module} is no reader of events; it must hold READER")
    return found


class Split(Section):
    """Shares of the events, of which those of one group stay together; or a column that says the split of each."""

    train: Fraction = 0.55  # share of the events
    validation: Fraction = 0.05
    test: Fraction = 0.40
    signal_validation: Annotated[float, Field(ge=0, lt=1)] = (
        0.0  # share of each signal to choose by; the rest is its test share, which results are reported on
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None  # None: the experiment's
    column: str | None = None  # of texts; the shares are then of no use
    names: dict[str, tuple[str, ...]] = Field(
        default_factory=lambda: {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
    )  # what the column says for each split

    @model_validator(mode="after")
    def _sums_to_one(self) -> Split:
        total = self.train + self.validation + self.test
        if unknown := self.names.keys() - {"train", "validation", "test"}:
            raise ValueError(f"names: there is no split {min(unknown)}; there are train, validation and test")
        said = [text for texts in self.names.values() for text in texts]
        if twice := next((text for text in said if said.count(text) > 1), None):
            raise ValueError(f"names: `{twice}` stands for two splits; name it once")
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train, validation and test must sum to 1, not {total:g}")
        return self


Offset = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Shift = Annotated[int, Field(ge=-16, le=32)]


class Scaling(Section):
    """How hardware integers become network inputs: `x = (code - offset) * 2**-shift`.

    Either from the training events, or fixed, as one number or one for each feature: a model from elsewhere wants its
    inputs in the unit that it was trained in. `scaling: none` is `{offset: zero, shift: lsb}`: what a code stands for.
    """

    offset: Literal["mean", "zero"] | Offset | tuple[Offset, ...] = "mean"  # mean: of the training events
    shift: Literal["per_feature", "common", "lsb"] | Shift | tuple[Shift, ...] = "per_feature"  # lsb: its power of two

    @model_validator(mode="before")
    @classmethod
    def _none_is_the_unit(cls, value: Any) -> Any:  # noqa: ANN401
        return {"offset": "zero", "shift": "lsb"} if value == "none" else value


class Columns(Section):
    """Datasets of one number an event, (events,), that rates are told apart by; null: the files have none.

    The background's file must have those that are named, a signal's may.
    """

    existing_trigger: str | None = None  # also (events, bits): an event with a bit set is taken already
    pileup: str | None = None  # number of collisions in the bunch crossing
    run: str | None = None  # number of the run
    weight: str | None = None  # of the event

    @property
    def named(self) -> dict[str, str]:
        """The dataset of each column that there is."""
        return {column: name for column, name in self if name is not None}


def _first_option_error(error: ValidationError, options: type[Section]) -> str:
    detail = error.errors()[0]
    key = ".".join(["data.options", *map(str, detail["loc"])])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown option; there are {', '.join(options.model_fields)}"
    return f"{key}: {detail['msg'].removeprefix('Value error, ')} (given: {detail['input']!r})"


class Order(str, Enum):
    """Which objects of an event come first, and stay where a list is longer than the slots."""

    PT = "pt"  # the hardest; each kind by itself
    FILE = "file"  # the first of the file


class EmptyEvents(str, Enum):
    """What becomes of events without any pT; the firmware gets them all the same."""

    KEEP = "keep"
    DROP = "drop"


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip() or not name:
        raise ValueError("a process needs a name of printable characters, without spaces around it")
    return name


class Data(Section):
    """Where the events are and how they are coded; `sample:NAME` is bundled, `toy:NAME` is made up."""

    reader: Annotated[str, Field(pattern=r"^[a-z_]\w*(\.\w+)*$")] | None = None  # a module of `fpgaae.data.domains`
    options: dict[str, Any] = Field(default_factory=dict)  # of that module
    files: dict[Annotated[str, AfterValidator(_printable)], FileEntry]
    background: str = "background"  # the process that is trained on; the others are signals
    dataset: str = "Particles"  # of arrays: (events, slots, 3 or more) of pT, eta, phi; or (events, *shape)
    values: TableValues | None = None  # of arrays of objects; None: physical
    group: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = "Group"  # whose events stay in one split
    columns: Columns = Columns()
    table: Table | None = None
    where: tuple[str, ...] = ()  # conditions on columns that an event must fulfil, as `order >= 0`
    order: Order = Order.PT
    clip: bool = False  # saturate integers (pT, eta, cells) beyond their declaration, which are refused otherwise
    empty_events: EmptyEvents = EmptyEvents.KEEP
    hardware: Hardware
    split: Split = Split()
    scaling: Scaling = Scaling()

    @model_validator(mode="after")
    def _has_background(self) -> Data:
        if reserved := RESERVED_ORIGINS & self.files.keys():
            raise ValueError(f"`{min(reserved)}` in files is the name of made-up events; choose another")
        if self.background not in self.files:
            raise ValueError(f"files has no entry `{self.background}`, which `background` names")
        return self

    @model_validator(mode="after")
    def _scaling_fits(self) -> Data:
        steps = self.hardware.steps_of_features()
        for key, value in (("offset", self.scaling.offset), ("shift", self.scaling.shift)):
            if isinstance(value, tuple) and len(value) != len(steps):
                raise ValueError(
                    f"data.scaling.{key}: {len(value)} numbers for {len(steps)} features; give one for each, "
                    "or one for all"
                )
        inexact = next((step for step in steps if step and math.frexp(step)[0] != 0.5), None)
        if self.scaling.shift == "lsb" and inexact is not None:
            raise ValueError(
                f"data.scaling.shift: lsb needs steps that are powers of two, but one stands for {inexact:g}; give a "
                "shift for each feature"
            )
        return self

    @model_validator(mode="after")
    def _selection_makes_sense(self) -> Data:
        for index, text in enumerate(self.where):
            try:
                parse_condition(text)
            except ValueError as error:
                raise ValueError(f"data.where.{index}: {error}") from None
        if len({self.label(process) for process in self.files}) < len(self.files):
            raise ValueError("data.files: two processes have one label; give each its own")
        by_split = [name for name, files in self.files.items() if isinstance(files, Process) and files.is_split]
        if self.split.column is not None and by_split:
            raise ValueError(
                f"data.split.column: the files of {by_split[0]} are divided into splits already; give one of both"
            )
        return self

    @model_validator(mode="after")
    def _reader_fits(self) -> Data:
        if self.reader is None:
            if self.options:
                raise ValueError("`options` are those of a `reader`, and none is named")
        elif self.hardware.array is None:
            raise ValueError(f"the reader {self.reader} gives an array; describe it in `hardware.array`")
        else:
            try:
                reader = reader_module(self.reader).READER
            except ValueError as error:
                raise ValueError(f"data.reader: {error}") from None
            try:
                reader.options.model_validate(self.options)
            except ValidationError as error:
                raise ValueError(_first_option_error(error, reader.options)) from None
        return self

    @model_validator(mode="after")
    def _toys_exist(self) -> Data:
        known = () if self.reader is None else reader_module(self.reader).READER.toys
        there = f"the reader {self.reader} has {', '.join(known) or 'none'}" if self.reader else "name a `reader`"
        for process, entry in self.entries():
            kind = entry.partition("#")[0].removeprefix(TOY_PREFIX).partition(":")[0]
            if entry.startswith(TOY_PREFIX) and kind not in known:
                raise ValueError(f"data.files.{process}: there is no toy {kind}; {there}")
        return self

    @model_validator(mode="after")
    def _table_has_all_objects(self) -> Data:
        kinds = [kind.name for kind in self.hardware.objects]
        if self.table is not None and set(self.table.objects) != set(kinds):
            raise ValueError(
                f"data.table.objects: names {', '.join(self.table.objects)}, but `hardware.objects` has "
                f"{', '.join(kinds)}"
            )
        return self

    def entries(self) -> Iterator[tuple[str, str]]:
        """Give every entry of `files` with its process."""
        for process, files in self.files.items():
            for named in files_by_split(files).values():
                for entry in (named,) if isinstance(named, str) else named:
                    yield process, entry

    def label(self, process: str) -> str:
        """Give the name of a process in figures: its label, which may have formulae, or its name, which has none."""
        files = self.files[process]
        return (isinstance(files, Process) and files.label) or process.replace("$", r"\$")

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What an event must fulfil."""
        return tuple(parse_condition(text) for text in self.where)

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns whose numbers, together, make a group."""
        return () if self.group is None else (self.group,) if isinstance(self.group, str) else self.group
