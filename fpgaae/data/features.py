"""From hardware integers to network inputs: powers of two only, `x = (code - offset) * 2**-shift`, each type exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.data import Scaling
from fpgaae.data.layout import QUANTITIES, HardwareFeature, Word
from fpgaae.data.words import codes_of_words, word_limits, words_of_codes
from fpgaae.fixedpoint import (
    MAX_WIDTH,
    Codes,
    FixedPointType,
    Types,
    requantize,
    shift_left_exact,
    type_for_range,
)
from fpgaae.runs.results.data import DataResult, FeatureType, WordEntry

_ROWS = 1024  # whose sums of a hundred features stay in the cache


@dataclass(frozen=True)
class Feature:
    """A network input: a hardware integer with its frozen offset and shift."""

    hardware: HardwareFeature
    offset: int
    shift: int

    @property
    def type(self) -> FixedPointType:
        """The narrowest fixed-point type that holds `(code - offset) * 2**-shift` for every code."""
        return type_for_range(
            self.hardware.min_code - self.offset, self.hardware.max_code - self.offset, fraction=self.shift
        )

    def entry(self) -> FeatureType:
        """Give the entry of `data.json`."""
        word = self.hardware.word
        return FeatureType(
            name=self.hardware.name,
            quantity=self.hardware.quantity,
            bits=self.hardware.bits,
            offset=self.offset,
            shift=self.shift,
            type=str(self.type),
            word=None if word is None else WordEntry(**word._asdict()),
        )

    @classmethod
    def of(cls, entry: FeatureType) -> Feature:
        """Take a feature of `data.json`."""
        word = None if entry.word is None else Word(**vars(entry.word))
        return cls(HardwareFeature(entry.name, entry.quantity, entry.bits, word), entry.offset, entry.shift)


@dataclass(frozen=True)
class FeatureMap:
    """All features of an event, in order."""

    features: tuple[Feature, ...]

    def __len__(self) -> int:
        """Count the features."""
        return len(self.features)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Offsets, (n_features,)."""
        return np.array([feature.offset for feature in self.features], dtype=np.int64)

    @property
    def shifts(self) -> NDArray[np.int64]:
        """Shifts, (n_features,)."""
        return np.array([feature.shift for feature in self.features], dtype=np.int64)

    @property
    def limits(self) -> tuple[Codes, Codes]:
        """Smallest and largest hardware code of every feature."""
        return (
            np.array([feature.hardware.min_code for feature in self.features], dtype=np.int64),
            np.array([feature.hardware.max_code for feature in self.features], dtype=np.int64),
        )

    @property
    def has_words(self) -> bool:
        """Whether an object arrives as words that are not the hardware codes themselves."""
        return any(feature.hardware.word is not None for feature in self.features)

    @property
    def port_limits(self) -> tuple[Codes, Codes]:
        """Smallest and largest word that each port can carry: where none is declared, the code."""
        return word_limits([feature.hardware for feature in self.features])

    @property
    def middle_words(self) -> Codes:
        """The word of each port whose code is nearest to the offset, as far as the slot's words can have it."""
        codes = np.clip(self.offsets, *self.limits)
        return np.asarray(np.clip(self.words_of_codes(codes[None])[0], *self.port_limits), dtype=np.int64)

    def without_words(self) -> FeatureMap:
        """Give the same features for codes that are no words any more, such as those of the event store."""
        return FeatureMap(tuple(replace(f, hardware=f.hardware._replace(word=None)) for f in self.features))

    def codes_of_words(self, words: NDArray[np.integer]) -> Codes:
        """Give the hardware codes of the words that the trigger sends, both (n_events, n_features)."""
        return codes_of_words(words, [feature.hardware for feature in self.features])

    def words_of_codes(self, codes: Codes) -> Codes:
        """Give words that become these hardware codes, both (n_events, n_features)."""
        return words_of_codes(codes, [feature.hardware for feature in self.features])

    def input_codes_of_words(self, words: NDArray[np.integer], to: Types) -> Codes:
        """Give the network's input codes of words: all that the firmware does in front of the network."""
        return self.input_codes(self.codes_of_words(words), to)

    def values(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Give the exact network inputs of hardware codes, (n_events, n_features)."""
        centred = (codes.astype(np.int64) - self.offsets).astype(np.float64)
        return np.asarray(centred * np.ldexp(1.0, -self.shifts), dtype=np.float64)

    def input_codes(self, codes: NDArray[np.integer], to: Types) -> Codes:
        """Give the network's input codes: the exact features, rounded and saturated to the input type, in integers.

        Where each feature has a type of its own, the codes lie on their common grid.
        """
        centred = codes.astype(np.int64) - self.offsets
        result = np.empty_like(centred)
        for (shift, of), columns in self._alike(to).items():
            rounded = requantize(centred[:, columns], shift, of)
            result[:, columns] = shift_left_exact(rounded, to.fraction - of.fraction)
        return result

    def saturates(self, codes: NDArray[np.integer], to: Types) -> NDArray[np.bool_]:
        """Tell which features, once they are rounded, lie beyond the ends of the input type, (n_events, n_features)."""
        centred = codes.astype(np.int64) - self.offsets
        result = np.empty(centred.shape, dtype=np.bool_)
        for (shift, of), columns in self._alike(to).items():
            wide = of._replace(width=MAX_WIDTH, integer=MAX_WIDTH - of.fraction, signed=True)
            rounded = requantize(centred[:, columns], shift, wide)
            result[:, columns] = (rounded < of.min_code) | (rounded > of.max_code)
        return result

    def _alike(self, to: Types) -> dict[tuple[int, FixedPointType], list[int]]:
        """Give the features of each pair of shift and input type."""
        alike: dict[tuple[int, FixedPointType], list[int]] = {}
        for index, feature in enumerate(self.features):
            alike.setdefault((feature.shift, to.channel(index)), []).append(index)
        return alike

    def empty_slot_codes(self, to: FixedPointType) -> Codes:
        """Give the input code that the pT of each slot has when the slot is empty, (n_slots,)."""
        empty = self.input_codes(np.zeros((1, len(self)), dtype=np.int64), to)[0]
        return np.asarray(empty[:: len(QUANTITIES)])

    def empty_slot_values(self) -> NDArray[np.float64]:
        """Give the exact network input that the pT of each slot is when the slot is empty, (n_slots,)."""
        return self.values(np.zeros((1, len(self)), dtype=np.int64))[0, :: len(QUANTITIES)]

    def unit(self) -> str:
        """Say in words what the network inputs are made of."""
        offsets, shifts = self.offsets, self.shifts
        shown = [f"{a.min()}" if a.min() == a.max() else f"{a.min()} to {a.max()}" for a in (offsets, shifts)]
        return f"(code - offset) * 2**-shift with offsets {shown[0]} and shifts {shown[1]}"

    def entries(self) -> tuple[FeatureType, ...]:
        """Give the `feature_types` of `data.json`."""
        return tuple(feature.entry() for feature in self.features)

    @classmethod
    def of(cls, result: DataResult) -> FeatureMap:
        """Take the features that the stage `data` froze."""
        return cls(tuple(Feature.of(entry) for entry in result.feature_types))


class SpreadAccumulator:
    """Mean and standard deviation of every feature's code, from chunks, in exact integer sums."""

    def __init__(self, n_features: int) -> None:
        self._n = np.zeros(n_features, dtype=np.int64)
        self._sum = np.zeros(n_features, dtype=np.int64)
        self._sum_of_squares = np.zeros(n_features, dtype=np.int64)

    def add(self, codes: NDArray[np.signedinteger], left_out: NDArray[np.bool_] | None = None) -> None:
        """Take in a chunk of codes, (n_events, n_features).

        Parameters
        ----------
        left_out
            Slots whose pT says nothing about the spread, (n_events, n_slots): an overflow, which is no pT.
        """
        self._n += len(codes)
        for start in range(0, len(codes), _ROWS):
            piece = codes[start : start + _ROWS].astype(np.int64)
            self._sum += piece.sum(axis=0)
            self._sum_of_squares += np.einsum("ij,ij->j", piece, piece)
        if left_out is not None:
            rows, slots = np.nonzero(left_out)
            places = slots * len(QUANTITIES)
            values = codes[rows, places].astype(np.int64)
            np.subtract.at(self._n, places, 1)
            np.subtract.at(self._sum, places, values)
            np.subtract.at(self._sum_of_squares, places, values * values)

    def state(self) -> NDArray[np.int64]:
        """Give the sums, (3, n_features)."""
        return np.stack([self._n, self._sum, self._sum_of_squares])

    def take(self, state: NDArray[np.int64]) -> None:
        """Take in the sums of another one."""
        self._n += state[0]
        self._sum += state[1]
        self._sum_of_squares += state[2]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean code."""
        return np.asarray(self._sum / np.maximum(self._n, 1))

    @property
    def standard_deviation(self) -> NDArray[np.float64]:
        """Standard deviation of the code, from the exact variance: floats would cancel where the mean is large."""
        sums = zip(np.maximum(self._n, 1).tolist(), self._sum.tolist(), self._sum_of_squares.tolist(), strict=True)
        return np.array([math.sqrt(Fraction(n * squares - total**2, n * n)) for n, total, squares in sums])


def freeze_features(
    hardware: tuple[HardwareFeature, ...],
    spread: SpreadAccumulator,
    scaling: Scaling,
    steps: Sequence[float] = (),
) -> FeatureMap:
    """Choose the offset and shift of every feature from the training split, unless the config fixes them.

    The shift is the power of two nearest to the standard deviation, so that every feature has about unit spread: a
    rarely filled slot then weighs as much as a full one. A feature that never varies in training takes the shift of the
    nearest earlier slot that varies in the same property, since an entry there is at least as unusual.

    Parameters
    ----------
    steps
        What a step of each feature stands for, powers of two, where the shift is to be that of the unit.
    """
    deviation = spread.standard_deviation
    shifts: list[int] = []
    latest: dict[str, int] = {}
    for feature, sigma in zip(hardware, deviation, strict=True):
        if sigma > 0:
            latest[feature.quantity] = int(np.rint(np.log2(sigma)))
        shifts.append(latest.get(feature.quantity, 0))
    if scaling.shift == "common":
        common = int(np.rint(np.log2(np.sqrt(np.mean(deviation**2)) or 1.0)))
        shifts = [common] * len(shifts)
    elif scaling.shift == "lsb":
        shifts = [1 - math.frexp(step)[1] if step else 0 for step in steps]
    elif not isinstance(scaling.shift, str):
        shifts = _for_each(scaling.shift, len(hardware))
    if scaling.offset == "mean":
        offsets = [int(mean) for mean in np.rint(spread.mean)]
    else:
        offsets = [0] * len(hardware) if scaling.offset == "zero" else _for_each(scaling.offset, len(hardware))
    return FeatureMap(tuple(Feature(h, o, s) for h, o, s in zip(hardware, offsets, shifts, strict=True)))


def _for_each(value: int | tuple[int, ...], n_features: int) -> list[int]:
    return list(value) if isinstance(value, tuple) else [value] * n_features
