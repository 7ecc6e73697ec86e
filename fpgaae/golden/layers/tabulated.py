"""A function of each value as a table with an entry for every code of its argument (NumPy only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, FixedPointType, Overflow, Tensor, nearest_codes, values_of
from fpgaae.golden.functions import Function, tabulate
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.parts import Part, Partly, Values


@dataclass(frozen=True, kw_only=True)
class Tabulated(Layer):
    """The entry of each code of its source, whose bits, read as an unsigned number, are the place."""

    kind = "tabulated"
    function: Function
    table: Codes = field(repr=False, compare=False)  # (2**width of the source,)

    @classmethod
    def of(cls, name: str, source: Layer, function: Function, result: FixedPointType) -> Tabulated:
        """Make one behind a layer.

        Parameters
        ----------
        result
            What the true values are rounded to.

        Raises
        ------
        InputError
            If the source has more bits than a table takes, or a type a channel.
        """
        if not isinstance(source.types, FixedPointType):
            raise InputError(
                f"the layer {name} has one table for all channels of {source.name}, which have a type each; give them "
                "the same bits"
            )
        table = tabulate(function, source.type, result)
        # Nothing is rounded where it is looked up
        return cls(name, (source.name,), source.size, result.plain, source.shape, function=function, table=table)

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Look every code up."""
        return Tensor(self.table[inputs[0].codes & (len(self.table) - 1)], self.types.fraction)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Look the values up, or compute the function, kept within the range of its type."""
        if Part.ACTIVATIONS in partly.quantized:
            codes = nearest_codes(inputs[0], sources[0].type._replace(overflow=Overflow.SATURATE))
            return values_of(self.table[codes & (len(self.table) - 1)], self.types.fraction)
        return self.function.floating(inputs[0])

    def range(self, sources: Sequence[Layer]) -> tuple[int, int]:
        """Give the ends of the table."""
        del sources
        return int(self.table.min()), int(self.table.max())

    def with_any_weights(self, sources: Sequence[Layer]) -> Layer:
        """Give the layer back, which can only stand behind a type that no weight changes.

        Raises
        ------
        InputError
            If it does not.
        """
        if len(self.table) != 1 << sources[0].type.width:
            raise InputError(
                f"the table {self.name} reads sums of reloadable weights; put a QActivation between the two"
            )
        return self

    def corners(self, source: Layer) -> list[Codes]:
        """Look up every entry."""
        codes = np.arange(source.type.min_code, source.type.max_code + 1, dtype=np.int64)
        return [np.repeat(codes[:, None], source.size, axis=1)]

    def arrays(self) -> dict[str, Codes]:
        """Give the entries."""
        return {"table": self.table}

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "function": list(self.function)}

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        name, parameter = entry["function"]
        own = {"function": Function(str(name), float(parameter)), "table": arrays["table"]}
        return {**super()._read_constants(entry, arrays), **own}
