"""What is known of a layer of the golden network, whatever its kind; a kind is a class, found by its name.

Every class of the packages `fpgaae.golden.layers` and `fpgaae.golden.scores` that states a `kind` is one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fpgaae.fixedpoint import Codes, FixedPointType, Tensor, Types, read_types, write_types
from fpgaae.golden.parts import Partly, Values
from fpgaae.golden.windows import Window, read_window

KINDS: dict[str, type[Layer]] = {}  # those whose module is imported: see `fpgaae.golden.registry`


@dataclass(frozen=True)
class Layer(ABC):
    """One layer: its inputs by name, and what it puts out; a kind adds its constants.

    Values are flat, (n_events, size); `shape` says which image they stand for, empty for none. Several methods take the
    `sources`: the layers that it reads, in order.

    Parameters
    ----------
    types
        Of its output: one, or one a channel, which is the last axis.
    """

    kind: ClassVar[str]  # its name in golden.npz and in result files
    passes_on: ClassVar[bool] = False  # puts out every code of its source in its place

    name: str
    inputs: tuple[str, ...]
    size: int
    types: Types
    shape: tuple[int, ...] = ()  # (height, width, channels)

    def __init_subclass__(cls) -> None:
        """Register a kind; none is a special case of another, or a table by class would take the one for the other."""
        super().__init_subclass__()
        if "kind" not in vars(cls):
            return
        if cls.kind in KINDS or any("kind" in vars(base) for base in cls.__mro__[1:]):
            raise TypeError(f"{cls.__name__} is the second kind of layer called {cls.kind}, or one of another kind")
        KINDS[cls.kind] = cls

    @property
    def type(self) -> FixedPointType:
        """The type that holds every code on the layer's grid; of a layer with one type, that very type."""
        return self.types.common

    @property
    def ends(self) -> tuple[Codes, Codes]:
        """The smallest and the largest code of each value, (size,) each."""
        return self.types.ends(self.size)

    @property
    def unused_by_type(self) -> Codes:
        """The lowest bits of each value, (size,), that its own type has not, but the layer's grid has."""
        fractions = [self.types.channel(place).fraction for place in range(self.size)]
        return self.types.fraction - np.array(fractions, dtype=np.int64)

    @property
    def channel_types(self) -> tuple[Types, ...]:
        """All types of it that may be given per channel."""
        return (self.types,)

    @property
    def is_cut_off(self) -> bool:
        """Whether its codes are the true values cut off towards zero: a mean that does not come out even."""
        return False

    @abstractmethod
    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute its codes, exactly."""

    @abstractmethod
    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Compute its values in floating point, with only some parts quantized."""

    def range(self, sources: Sequence[Layer]) -> tuple[int, int]:
        """Give the smallest and the largest code that it can put out for inputs of their types."""
        del sources
        return self.type.min_code, self.type.max_code

    def largest_sum(self, sources: Sequence[Layer]) -> int:
        """Bound every partial sum, whatever the order of its terms, in units of its LSB."""
        del sources
        return max(abs(self.type.min_code), self.type.max_code)

    def partial_sums(self, sources: Sequence[Layer]) -> tuple[int, int]:
        """Bound every sum of some of its terms from below and above, in codes of its type."""
        largest = self.largest_sum(sources)
        return -largest if self.type.signed else 0, largest

    def multiplications(self, sources: Sequence[Layer]) -> int:
        """Count the products of one event that do not vanish."""
        del sources
        return 0

    def with_any_weights(self, sources: Sequence[Layer]) -> Layer:
        """Give the layer with the types that it has where the weights, its own or those before it, can be reloaded."""
        del sources
        return self

    def unused_bits(self, sources: Sequence[Layer], before: Sequence[int]) -> int:
        """Count the lowest bits that are 0 in everything that it puts out, knowing those of its sources."""
        del sources, before
        return 0

    def corners(self, source: Layer) -> list[Codes]:
        """Give rows (n, size of the source) that one of its sources must get to show it at its corners and ties."""
        del source
        return []

    def opposes(self, source: Layer) -> bool:
        """Tell whether it is largest where this source is at the other end of its range than the first one."""
        del source
        return False

    def entry(self) -> dict[str, Any]:
        """Describe it for golden.npz; its arrays are apart."""
        return {
            "name": self.name, "kind": self.kind, "inputs": self.inputs, "size": self.size,
            "type": write_types(self.types), "kernel_type": None, "bias_type": None, "table_type": None,
            "shape": self.shape, "window": None, "reloadable": False,
        } | self._settings()  # fmt: skip

    def arrays(self) -> dict[str, Codes]:
        """Give its constants by the names that they have in golden.npz behind that of the layer."""
        return {}

    def _settings(self) -> dict[str, Any]:
        """Give what of `entry` its kind has."""
        return {}

    @classmethod
    def read(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> Layer:
        """Read what `entry` and `arrays` gave.

        Raises
        ------
        KeyError, ValueError, InputError
            If something is missing or damaged.
        """
        common = entry["name"], tuple(entry["inputs"]), entry["size"], read_types(entry["type"])
        prefix = f"{entry['name']}/"
        constants = {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
        return cls(*common, shape=tuple(entry.get("shape", ())), **cls._read_constants(entry, constants))

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        """Give the arguments that its kind has, out of `_settings` and `arrays`."""
        del entry, arrays
        return {}


@dataclass(frozen=True, kw_only=True)
class Windowed(Layer):
    """A layer that sees images through a window."""

    window: Window

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "window": self.window}

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        return {**super()._read_constants(entry, arrays), "window": read_window(entry["window"])}


def n_values(shape: tuple[int, ...]) -> int:
    """Count the values of an image."""
    return int(np.prod(shape, dtype=int))
