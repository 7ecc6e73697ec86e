"""What is known of an anomaly score, whatever it is (NumPy only); each is a class in a module of its own.

The scores of latents follow from N(mu, sigma^2). A network puts out log sigma^2, so that the one transcendental
function is the exponential; it is a table with an entry for each code of its argument, and nothing can run off its end.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import (
    Codes,
    FixedPointType,
    Tensor,
    nearest_codes,
    parse_type,
    shift_left_exact,
    type_for_range,
    values_of,
)
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.parts import Part, Partly, Values, rounded
from fpgaae.golden.registry import layer_class
from fpgaae.methods.networks import LOG_VARIANCE_LIMIT

MAX_TABLE_BITS = 12  # width of a table's argument: 4,096 entries
_DECIMALS = Context(prec=60, rounding=ROUND_HALF_EVEN, Emax=10**6, Emin=-(10**6))
_Self = TypeVar("_Self", bound="ScoreLayer")


class Table(NamedTuple):
    """Constants of a score: codes (n_entries,) of one type.

    For a function, entry i is its value for the argument whose bits, read as an unsigned number, are i.
    """

    codes: Codes
    type: FixedPointType


@dataclass(frozen=True)
class ScoreLayer(Layer):
    """A score: one number an event; its kind is the value of a `Score`."""

    constant_names: ClassVar[
        tuple[str, ...]
    ] = ()  # of the field with the table that it reads beside its inputs, if any
    opposed: ClassVar[bool] = False  # largest where its second input is at the other end of its range than the first

    @classmethod
    def of(cls: type[_Self], name: str, sources: Sequence[Layer], *constants: Table) -> _Self:
        """Make one and derive its type.

        Parameters
        ----------
        sources
            The layers of its inputs: of a reconstruction x and x', of latents mu and, where the score needs it,
            log sigma^2, or of the output.
        constants
            Those of `constant_names`.
        """
        types = [source.type for source in sources] + [table.type for table in constants]
        of = cls.type_of(types, sources[0].size)
        tables: Any = dict(zip(cls.constant_names, constants, strict=True))
        return cls(name, tuple(source.name for source in sources), 1, of, **tables)

    @property
    def score(self) -> Score:
        """Its name in the config."""
        return Score(self.kind)

    @property
    def constants(self) -> tuple[Table, ...]:
        """The tables that it reads."""
        return tuple(getattr(self, name) for name in self.constant_names)

    @classmethod
    @abstractmethod
    def type_of(cls, read: Sequence[FixedPointType], n: int) -> FixedPointType:
        """Give the narrowest type that holds every sum of n terms.

        Parameters
        ----------
        read
            Types of the inputs and, behind them, of the entries of the tables.
        """

    @classmethod
    @abstractmethod
    def n_products(cls, n: int) -> int:
        """Count the products that it takes of n features or latents."""

    @classmethod
    @abstractmethod
    def float_value(
        cls, features: NDArray[np.floating], output: NDArray[np.floating], empty: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Give the score (n,) in float64 of what a network without rounding puts out.

        Parameters
        ----------
        features
            (n, n_features) inputs of the network.
        output
            The reconstruction, mu, mu and log sigma^2 beside each other, or a student's one output.
        empty
            What the first feature of each slot is when the slot is empty, (n_slots,).
        """

    def multiplications(self, sources: Sequence[Layer]) -> int:
        """Count the products of all features or latents."""
        return self.n_products(sources[0].size)

    def values(self, inputs: Sequence[Values], sources: Sequence[Layer], partly: Partly) -> Values:
        """Compute the score in floating point, and round it to its type or not."""
        if Part.SCORE in partly.quantized:
            return rounded(self._from_table(inputs, sources), self.type)
        return self._free(inputs)

    def _free(self, inputs: Sequence[Values]) -> Values:
        """Compute the score without a table of a function."""
        output = inputs[-1] if len(inputs) < 2 or self.score.of_reconstruction else np.concatenate(inputs, axis=1)
        return self.float_value(inputs[0], output, self._empty_values())[:, None]

    def _from_table(self, inputs: Sequence[Values], sources: Sequence[Layer]) -> Values:
        """Compute the score with the tables that the firmware has."""
        del sources
        return self._free(inputs)

    def _empty_values(self) -> Values:
        return np.zeros(0)

    def opposes(self, source: Layer) -> bool:
        """Tell whether it is largest where this source is at the other end of its range than the first one."""
        return self.opposed and self.inputs[1:] == (source.name,)

    def arrays(self) -> dict[str, Codes]:
        """Give the codes of the table."""
        return {"table": self.constants[0].codes} if self.constants else {}

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), **({"table_type": str(self.constants[0].type)} if self.constants else {})}

    @classmethod
    def _read_constants(cls, entry: Mapping[str, Any], arrays: Mapping[str, Codes]) -> dict[str, Any]:
        return {name: Table(arrays["table"], parse_type(entry["table_type"])) for name in cls.constant_names}


def score_class(score: Score) -> type[ScoreLayer]:
    """Give the class of a score."""
    found = layer_class(score.value)
    if not issubclass(found, ScoreLayer):
        raise TypeError(f"{found.__name__} is no score")
    return found


def score_type(
    score: Score, inputs: Sequence[FixedPointType], n: int, table: FixedPointType | None = None
) -> FixedPointType:
    """Give the type of a score by its name: see `ScoreLayer.type_of`.

    Raises
    ------
    InputError
        If it can't be made of such inputs.
    """
    return score_class(score).type_of([*inputs, *([] if table is None else [table])], n)


# ---- scores of reconstructions ----


@dataclass(frozen=True)
class ErrorScore(ScoreLayer):
    """A score of the differences x - x' of inputs and reconstruction."""

    opposed = True

    @staticmethod
    def largest_difference(read: Sequence[FixedPointType]) -> tuple[int, int]:
        """Give the largest |x - x'| as a code, and its bits behind the point."""
        a, b = read[:2]
        fraction = max(a.fraction, b.fraction)
        up_a, up_b = fraction - a.fraction, fraction - b.fraction
        ends = (a.max_code << up_a) - (b.min_code << up_b), (b.max_code << up_b) - (a.min_code << up_a)
        return max(ends), fraction

    @staticmethod
    def differences(inputs: Sequence[Tensor]) -> Tensor:
        """Give x - x' on the finer grid of the two."""
        x, reconstruction = inputs
        fraction = max(x.fraction, reconstruction.fraction)
        a, b = (shift_left_exact(tensor.codes, fraction - tensor.fraction) for tensor in (x, reconstruction))
        return Tensor(a - b, fraction)


def total(terms: Codes) -> Codes:
    """Sum up the terms of each event, (n, 1)."""
    return np.asarray(terms.sum(axis=1, keepdims=True))


# ---- scores with a table over the codes of log sigma^2 ----


@dataclass(frozen=True, kw_only=True)
class TableScore(ScoreLayer):
    """A score of mu and log sigma^2 with a function of the latter."""

    constant_names = ("table",)
    table: Table = field(repr=False)

    @classmethod
    @abstractmethod
    def function(cls, value: Decimal, context: Context) -> Decimal:
        """Compute the function of log sigma^2 that is tabulated; it is never negative."""

    @staticmethod
    @abstractmethod
    def terms(squares: Tensor, entries: Tensor) -> Tensor:
        """Give the term of each latent out of mu^2 and the entry of its table."""

    @staticmethod
    @abstractmethod
    def float_terms(squares: Values, entries: Values) -> Values:
        """Give the same in floating point."""

    def run(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute the score."""
        mu, log_variance = inputs
        entries = self.table.codes[log_variance.codes & (len(self.table.codes) - 1)]
        squares = Tensor(mu.codes * mu.codes, 2 * mu.fraction)
        terms = self.terms(squares, Tensor(entries, self.table.type.fraction))
        return Tensor(total(terms.codes), terms.fraction)

    def _from_table(self, inputs: Sequence[Values], sources: Sequence[Layer]) -> Values:
        indices = nearest_codes(inputs[1], sources[1].types) & (len(self.table.codes) - 1)
        entries = values_of(self.table.codes[indices], self.table.type.fraction)
        return np.asarray(self.float_terms(inputs[0] * inputs[0], entries).sum(axis=1, keepdims=True))

    def corners(self, source: Layer) -> list[Codes]:
        """Look up every entry."""
        if source.name != self.inputs[-1]:
            return []
        codes = np.arange(source.type.min_code, source.type.max_code + 1, dtype=np.int64)
        return [np.repeat(codes[:, None], source.size, axis=1)]


def split_distribution(output: NDArray[np.floating]) -> tuple[Values, Values]:
    """Part mu and log sigma^2, which is kept where its exponential is harmless."""
    mu, log_variance = np.split(output.astype(np.float64), 2, axis=1)
    return mu, np.clip(log_variance, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT)


@cache
def function_table(score: Score, argument: FixedPointType, fraction: int) -> Table:
    """Tabulate what a score needs of log sigma^2, correctly rounded (half to even).

    Parameters
    ----------
    argument
        Type of v = log sigma^2.
    fraction
        Bits behind the point of the entries.

    Raises
    ------
    InputError
        If the table would have more than 4,096 entries.
    """
    of = score_class(score)
    if not issubclass(of, TableScore):
        raise TypeError(f"{of.__name__} needs no function of log sigma^2")
    if argument.width > MAX_TABLE_BITS:
        raise InputError(
            f"the score {score.value} needs a table over every code of log sigma^2, which has {argument.width} bits; "
            f"give the layer that puts it out (log_variance in a model trained here) at most {MAX_TABLE_BITS} bits, "
            "`quantization.layers.<layer>.activations.bits`"
        )
    lsb = _DECIMALS.power(Decimal(2), Decimal(-argument.fraction))
    scale = _DECIMALS.power(Decimal(2), Decimal(fraction))
    entries = []
    for bits in range(1 << argument.width):
        code = bits - (1 << argument.width) if argument.signed and bits >> (argument.width - 1) else bits
        result = of.function(_DECIMALS.multiply(Decimal(code), lsb), _DECIMALS)
        entries.append(int(_DECIMALS.to_integral_value(_DECIMALS.multiply(result, scale))))
    if max(entries).bit_length() > 53:
        raise InputError(
            f"the table of the score {score.value} has entries of {max(entries).bit_length()} bits; give log sigma^2 "
            "fewer `integer_bits`, or the table fewer `quantization.score_table_fraction_bits`"
        )
    return Table(np.array(entries, dtype=np.int64), type_for_range(0, max(entries), fraction))
