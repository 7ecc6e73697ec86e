"""The files of a written emulator, and what of them can be damaged."""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from pathlib import Path

from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.definitions import Definition, used_definitions

KERNELS = "kernels.h"


class Damage(str, Enum):
    """What is damaged."""

    WEIGHT = "weight"
    BIAS = "bias"
    INPUT_OF_WEIGHT = "input that a weight takes"
    FIRST_WEIGHT = "where the weights of an output begin"
    TABLE = "table entry, or a table rotated or cut"
    THRESHOLD = "threshold"
    THRESHOLD_BY_ONE = "threshold off by one"
    HELD_THRESHOLD = "thresholds that are given and not read"
    COMPARISON = "comparison"
    ACCEPT_ORDER = "order of the accept bits"
    SCALING = "scaling of an input"
    SIGN = "sign of an input"
    EXCHANGED_OBJECTS = "exchanged objects"
    LAST_ELEMENT = "last value of a layer left out"
    ROUNDING = "rounding"
    SATURATION = "saturation"
    ARITHMETIC = "arithmetic of a kernel"
    TABLE_PLACE = "place in a table"
    LANES = "lanes of a block"
    BLOCKS = "blocks and tails of a batch"
    BATCH = "results of a batch"
    SINGLE = "single event"
    LOADING = "weights that are loaded"
    STATE = "state between events or threads"


class PackageSources:
    """The damageable files of a written package."""

    def __init__(self, project: Path, name: str, trigger: GoldenTrigger) -> None:
        self.project = project
        self.code = f"{name}_emulator.cpp"
        self.trigger = trigger

    def files(self) -> tuple[str, ...]:
        """Name the files that may be damaged."""
        return (self.code, KERNELS)

    def text(self, file: str) -> str:
        """Read a source."""
        return (self.project / file).read_text(encoding="utf-8")

    def loads_weights(self) -> bool:
        """Tell whether weights are loaded."""
        return self.trigger.network.reloadable

    def is_used(self, file: str, place: int) -> bool:
        """Tell whether a kernel is called, and whether the function of the latents has any to put out."""
        if file == KERNELS:
            return any(one.start <= place < one.end for one in self._used_kernels)
        return bool(self.trigger.network.ports) or not any(first <= place < last for first, last in self._latents)

    @cached_property
    def _used_kernels(self) -> list[Definition]:
        return used_definitions(self.text(KERNELS), self.text(self.code))

    @cached_property
    def _latents(self) -> list[tuple[int, int]]:
        """Where the function of the latents stands, and what a block does for it."""
        text = self.text(self.code)
        batch = "_latents_batch_with(" if "_latents_batch_with(" in text else "_latents_batch("
        begins = [(text.index(batch), "\n}"), (text.index("    if (latents)"), "        return;")]
        return [(begin, text.index(end, begin)) for begin, end in begins]
