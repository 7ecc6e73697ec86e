"""The sources of a written project, and what of them can be damaged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

from fpgaae.errors import InputError
from fpgaae.fixedpoint import parse_type
from fpgaae.hls.definitions import Definition, used_definitions

CELLS = "firmware/fpgaae_cells.h"
SCORES = "firmware/nnet_utils/fpgaae_scores.h"
TABLES = "firmware/nnet_utils/fpgaae_tables.h"
TABULATED = "tabulated"  # the kernel of a layer that is a table
_WITH_STREAMS = frozenset({"sum_of_terms", "sum_of_pairs", "masked_squared_error", TABULATED})
_CALL = re.compile(r"^ *nnet::(?P<kernel>\w+)<(?P<types>[^>]*)>\((?P<arguments>.*)\); // (?P<layer>\w+)$", re.MULTILINE)
STRUCT = re.compile(r"^struct (?P<name>\w+)(?: : [\w:]+)? \{(?P<body>.*?)^\};", re.MULTILINE | re.DOTALL)
TYPEDEF = re.compile(r"^typedef .*?(?P<type>ap_u?fixed<[^<>]*>).* (?P<name>\w+);$", re.MULTILINE)
VALUES = re.compile(r"(?P<head>.*#endif\n)(?P<values>[^}]*)\};", re.DOTALL)
_ARRAY_TYPE = re.compile(r"^(?P<type>\w+) \w+\[\d+\] = \{", re.MULTILINE)


NO_CONSTANTS = "its thresholds are a port"


class Damage(str, Enum):
    """What is damaged."""

    WEIGHT_BIT = "weight bit"
    BIAS_BIT = "bias bit"
    WIDTH = "width of a type"
    INTEGER_BITS = "integer bits of a type"
    ROUNDING = "rounding mode"
    SATURATION = "saturation mode"
    TABLE_ENTRY = "table entry"
    SCORE_CONSTANT = "score constant"
    THRESHOLD = "threshold"
    SCALING = "scaling of an input"
    SWAPPED_LAYERS = "two layers swapped"
    TRUNCATED_FILE = "truncated weight file"
    HELD_WEIGHT = "weight that is not reloaded"
    HELD_THRESHOLD = "threshold that is not reloaded"
    LATENTS_PORT = "port of the latents"
    COMPARISON = "comparison"
    THRESHOLD_BY_ONE = "threshold off by one"
    ACCEPT_ORDER = "order of the accept bits"
    ROTATED = "rotated table or weights"
    EXCHANGED_OBJECTS = "exchanged objects"
    EXCHANGED_ARRAYS = "exchanged arrays of layers"
    STATE = "state between events"
    HALF_UP = "half up for half to even"
    LAST_ELEMENT = "first or last element left out"
    ARITHMETIC = "arithmetic of a score or a scaling"
    TABLE_PLACE = "place in a table"
    SYNTHESIS_WEIGHTS = "weights that only synthesis sees"
    SYNTHESIS_LAYER = "layer that only synthesis sees"
    SYNTHESIS_DECISION = "decision that only synthesis sees"
    CELL = "cell of an event"
    CELL_THRESHOLD = "threshold of another cell"


@dataclass(frozen=True)
class Array:
    """A table of weights, biases or function values in `firmware/weights/`."""

    name: str
    layer: str
    file: str
    type_name: str
    values: tuple[float, ...]


class ProjectSources:
    """The damageable places of a written project.

    Parameters
    ----------
    project
        Its folder.
    layers
        Recorded layers in graph order, from `convert.json`.

    Raises
    ------
    InputError
        If its sources are not as `convert` writes them.
    """

    def __init__(self, project: Path, project_name: str, layers: Sequence[str]) -> None:
        self.project = project
        self.layers = tuple(layers)
        self.top = f"firmware/{project_name}.cpp"
        self.trigger = f"firmware/{project_name}_trigger.cpp"
        self.calls = [m for m in _CALL.finditer(self.text(self.top)) if m["layer"] in self.layers]
        if not self.calls:
            raise InputError(f"{project / self.top} calls no layer; run the stage `convert` again with --force")
        self.type_layers = self._type_layers()
        self.types = {m["name"]: parse_type(m["type"]) for m in TYPEDEF.finditer(self.text("firmware/defines.h"))}
        self.arrays = tuple(self._arrays())

    def files(self) -> tuple[str, ...]:
        """Name the files that slips of the hand may be in."""
        ours = ("firmware/fpgaae_front_end.h", SCORES, TABLES, "firmware/thresholds.h")
        cells = [CELLS] if (self.project / CELLS).is_file() else []
        return (self.top, self.trigger, *ours, *cells, *dict.fromkeys(array.file for array in self.arrays))

    def text(self, file: str) -> str:
        """Read a source."""
        return (self.project / file).read_text(encoding="utf-8")

    def is_used(self, file: str, place: int) -> bool:
        """Tell whether the function at a place of a header of kernels is called in this project."""
        if file not in (SCORES, TABLES):
            return True
        used = self._used_scores if file == SCORES else self._used_tables
        return any(one.start <= place < one.end for one in used)

    @cached_property
    def _used_scores(self) -> list[Definition]:
        return used_definitions(self.text(SCORES), self.text(self.top), self._is_other_overload)

    @cached_property
    def _used_tables(self) -> list[Definition]:
        callers = "\n".join([self.text(self.top), *(one.text for one in self._used_scores)])
        return used_definitions(self.text(TABLES), callers, self._is_other_overload)

    def _is_other_overload(self, one: Definition) -> bool:
        streams = "hls::stream<" in self.text(self.top)
        return one.name in _WITH_STREAMS and ("hls::stream<" in one.text.split("{")[0]) != streams

    def _type_layers(self) -> dict[str, str]:
        """Give the layer that each type belongs to: as its result, or inside its config."""
        configs = {m["name"]: m["body"] for m in STRUCT.finditer(self.text("firmware/parameters.h"))}
        found: dict[str, str] = {}
        for call in self.calls:
            *types, config = call["types"].split(", ")
            found.setdefault(types[0], self.layers[0])
            found.setdefault(types[-1], call["layer"])
            for name in re.findall(r"typedef (\w+) \w+;", configs.get(config, "")):
                found.setdefault(name, call["layer"])
        return found

    def _arrays(self) -> Iterator[Array]:
        for call in self.calls:
            for name in call["arguments"].split(", "):
                file = f"firmware/weights/{name}.h"
                if (self.project / file).is_file():
                    text = self.text(file)
                    values, of = VALUES.match(text), _ARRAY_TYPE.search(text)
                    if values is None or of is None:
                        raise InputError(f"{self.project / file} is not as `convert` writes it")
                    numbers = tuple(float(number) for number in values["values"].split(","))
                    yield Array(name, call["layer"], file, of["type"], numbers)
