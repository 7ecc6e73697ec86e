"""The source of the emulator over polynomials of the words on the ports: its calls, constants and thresholds as text.

Each call is read as what its kernel in `firmware/emulator` computes, and only where that is exact: no partial sum that
is held in `float` passes 2**24, and none that is held in an integer leaves its type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.prove.algebra import Algebra, NotFollowed, Polynomial
from fpgaae.prove.golden_forms import GoldenForms

_ARRAY = re.compile(r"^const (?:float|int|int32_t|int64_t) (\w+)\[\d+\] = \{([^}]*)\};", re.M)
_SPARSE = re.compile(r"^const Sparse<(?:float|int64_t)> (\w+) = \{(\w+), (\w+), (\w+)\};", re.M)
_ROWS = re.compile(r"(?:static thread_local )?Row<(\w+)> (.+)", re.S)
_ROW = re.compile(r"(\w+)(?:\[(\d+)\])?(?: = \{\})?")
_CALL = re.compile(r"(\w+)(?:<(\w+)>)?\((.*)\)", re.S)
_PLACE = re.compile(r"(\w+)(?:\[(\d+)\]| \+ (\d+))?")
_PORT = re.compile(r"(\(const uint16_t \*\))?objects \+ (\d+)")
_BODY = re.compile(r"^(?:\w+ )?void run_block\([^)]*\) \{\n(.*?)^    if \(latents\)", re.M | re.S)
_DECISION = re.compile(
    r"accept\[e \* (\d+) \+ i\] = scores\[e\] > thresholds\[(\(cells \? cells\[e\] : 0\) \* \1 \+ )?i\];"
)
_BITS = {"float": 24, "int32_t": 31, "int64_t": 62}
_INT16 = 2**15


def emulator_differs(trigger: GoldenTrigger, source: str) -> str | None:
    """Say where an emulator's source, `NAME_emulator.cpp`, is not the golden network for some words; None: nowhere.

    Raises
    ------
    NotFollowed
        If something of it can't be followed, or is not shown to be exact.
    """
    algebra = Algebra()
    ends = zip(*trigger.features.port_limits, strict=True)
    ports = [algebra.port((int(low), int(high))) for low, high in ends]
    golden = GoldenForms(algebra, trigger, ports).layers()
    run = _Run(algebra, ports, source)
    run.execute()
    found = [run.value("score"), *run.decisions(trigger)]
    expected = [*golden[trigger.network.score.name], *golden[trigger.accept.name]]
    for place, (own, right) in enumerate(zip(found, expected, strict=True)):
        if not algebra.difference(own, right).is_zero:
            return f"{f'decision {place - 1}' if place else 'the score'} is not that of the model"
    return None


class _Rows(NamedTuple):
    """What holds values: its C++ type, and the values."""

    held: str
    values: list[Polynomial]


class _Run:
    """Executes the calls of one source."""

    def __init__(self, algebra: Algebra, ports: Sequence[Polynomial], source: str) -> None:
        self._algebra = algebra
        self._ports = ports
        body = _BODY.search(source)
        if body is None:
            raise NotFollowed("its source has no function run_block as it is written")
        self._source = source
        self._body = body[1]
        self._arrays: dict[str, list[int]] = {
            name: [int(number) for number in text.replace("\n", " ").split(",")]
            for name, text in _ARRAY.findall(source)
        }
        self._sparse = {name: parts for name, *parts in _SPARSE.findall(source)}
        self._rows: dict[str, _Rows] = {}

    def execute(self) -> None:
        """Follow every statement."""
        for statement in (part.strip() for part in self._body.split(";")):
            if not statement:
                continue
            if declared := _ROWS.fullmatch(statement):
                for name, size in _ROW.findall(declared[2]):
                    self._rows[name] = _Rows(declared[1], [Polynomial(0, {})] * int(size or 1))
                continue
            call = _CALL.fullmatch(statement)
            function = _KERNELS.get(call[1]) if call else None
            if call is None or function is None:
                raise NotFollowed(f"its statement `{statement}` is not followed")
            if call[2] and call[1] not in _OF_A_TYPE:
                raise NotFollowed(f"its statement `{statement}` is not followed")
            function(self, [part.strip() for part in call[3].split(",")], *filter(None, (call[2],)))

    def value(self, name: str) -> Polynomial:
        """Give a single value."""
        if name not in self._rows:
            raise NotFollowed(f"it declares no {name}")
        return self._rows[name].values[0]

    def decisions(self, trigger: GoldenTrigger) -> Iterator[Polynomial]:
        """Give the decisions."""
        decision, score = _DECISION.search(self._source), self.value("score")
        n, by_cell = trigger.accept.size, trigger.network.cell is not None
        if decision is None or int(decision[1]) != n or bool(decision[2]) != by_cell:
            raise NotFollowed("its comparison of scores with thresholds is not followed")
        thresholds = np.array(self._array("thresholds")).reshape(-1, n)
        for column in range(n):
            own = thresholds[:, column]
            if not by_cell:
                at = Polynomial(int(own[0]), {})
            else:
                if self._algebra.codes(self.value("cell"))[1] >= len(own):
                    raise NotFollowed("an event may have a cell without thresholds")
                at = self._algebra.apply(lambda codes, own=own: own[codes], self.value("cell"))  # type: ignore[misc]
            yield self._algebra.is_negative(self._algebra.difference(at, score))

    # ---- values ----

    def _array(self, name: str) -> list[int]:
        if name not in self._arrays:
            raise NotFollowed(f"it has no array {name}")
        return self._arrays[name]

    def _place(self, text: str) -> tuple[_Rows, int]:
        match = _PLACE.fullmatch(text)
        if match is None or match[1] not in self._rows:
            raise NotFollowed(f"it reads `{text}`")
        return self._rows[match[1]], int(match[2] or match[3] or 0)

    def read(self, text: str, n: int = 1) -> tuple[list[Polynomial], str]:
        """Give n values from a place on, and the type that holds them."""
        rows, first = self._place(text)
        if first + n > len(rows.values):
            raise NotFollowed(f"it reads beyond `{text}`")
        return rows.values[first : first + n], rows.held

    def write(self, text: str, values: Sequence[Polynomial]) -> None:
        """Hold values from a place on."""
        rows, first = self._place(text)
        if first + len(values) > len(rows.values):
            raise NotFollowed(f"it writes beyond `{text}`")
        for value in values:
            self.require(value, rows.held)
        rows.values[first : first + len(values)] = values

    def require(self, value: Polynomial, held: str, more: int = 0) -> None:
        """Make sure that a type holds a value exactly, and one that is larger by `more`."""
        low, high = self._algebra.codes(value)
        self.require_size(max(-low, high) + more, held)

    def require_size(self, largest: int, held: str) -> None:
        """Make sure that a type holds codes up to a size exactly."""
        if held not in _BITS or largest > 1 << _BITS[held]:
            raise NotFollowed(f"codes up to {largest:,} are held in {held}")

    def port(self, text: str) -> Polynomial:
        """Give what arrives on a port."""
        match = _PORT.fullmatch(text)
        if match is None or int(match[2]) >= len(self._ports):
            raise NotFollowed(f"it reads `{text}`")
        port = self._ports[int(match[2])]
        low, high = self._algebra.codes(port)
        if (match[1] and low < 0) or low < -_INT16 or high >= (2 * _INT16 if match[1] else _INT16):
            raise NotFollowed(f"`{text}` does not read every word of its port")
        return port

    def requantized(self, value: Polynomial, drop: int, low: int, high: int, held: str) -> Polynomial:
        """Give what the kernel of that name computes in a type."""
        ends = self._algebra.codes(value)
        largest = max(-ends[0], ends[1])
        self.require_size(largest + (1 << drop) if drop > 0 else largest << -drop, held)

        def kernel(codes: Codes) -> Codes:
            half = (1 << drop >> 1) - 1 if drop > 0 else 0
            codes = (codes + half + ((codes >> drop) & 1)) >> drop if drop > 0 else codes << -drop
            return np.asarray(np.where(codes < low, low, np.where(codes > high, high, codes)))

        return self._algebra.apply(kernel, value)

    # ---- kernels ----

    def scale(self, arguments: Sequence[str]) -> None:
        """Make an input of a hardware integer."""
        text, stride, _, offset, drop, low, high, to = arguments
        self._require_stride(stride)
        value = self._algebra.sum(((self.port(text), 1),), -int(offset))
        self.require(value, "int32_t")
        self.write(to, [self.requantized(value, int(drop), int(low), int(high), "int64_t")])

    def _require_stride(self, text: str) -> None:
        if int(text) != len(self._ports):
            raise NotFollowed(f"it takes {text} values for an event of {len(self._ports)}")

    def find_filled(self, arguments: Sequence[str]) -> None:
        """Find out whether a slot is filled."""
        text, stride, _, none, overflow, to = arguments
        self._require_stride(stride)
        empty = [int(none), int(overflow)]
        port = self.port(f"(const uint16_t *){text}")  # as the kernel reads it
        self.write(to, [self._algebra.apply(lambda pt: np.isin(pt, empty).astype(np.int64) - 1, port)])

    def read_word(self, arguments: Sequence[str], steps: str = "0") -> None:
        """Make a hardware integer of a word."""
        text, stride, _, offset, filled, to = arguments
        self._require_stride(stride)

        turn = int(steps)  # of an angle

        def angle(words: Codes) -> Codes:
            return np.asarray((words - int(offset) + turn // 2) % turn - turn // 2)

        word = self.port(text)
        code = self._algebra.apply(angle, word) if turn else self._algebra.sum(((word, 1),), -int(offset))
        (mask,), _held = self.read(filled)
        self.write(to, [self._algebra.select(mask, code, Polynomial(0, {}))])

    def scale_code(self, arguments: Sequence[str]) -> None:
        """Make an input of a hardware integer that was made of words."""
        text, offset, drop, low, high, to = arguments
        (code,), _ = self.read(text)
        value = self._algebra.sum(((code, 1),), -int(offset))
        self.write(to, [self.requantized(value, int(drop), int(low), int(high), "int64_t")])

    def quantize(self, arguments: Sequence[str]) -> None:
        """Round and saturate."""
        x, n, drop, low, high, y = arguments
        values, held = self.read(x, int(n))
        ends = _number(low), _number(high)
        self.write(y, [self.requantized(value, int(drop), *ends, held) for value in values])

    def relu(self, arguments: Sequence[str]) -> None:
        """Rectify, round and saturate."""
        x, n, drop, high, y = arguments
        values, held = self.read(x, int(n))
        positive = [self._algebra.apply(lambda codes: np.maximum(codes, 0), value) for value in values]
        for value in values:  # which is rounded after it
            self.require(value, held, 1 << max(int(drop), 0))
        self.write(y, [self.requantized(value, int(drop), 0, _number(high), held) for value in positive])

    def leaky_relu(self, arguments: Sequence[str]) -> None:
        """Bring what is not negative to a finer grid."""
        x, n, up, y = arguments
        values, _ = self.read(x, int(n))
        self.write(y, [self._algebra.apply(lambda c: np.where(c < 0, c, c << int(up)), value) for value in values])

    def tabulated(self, arguments: Sequence[str]) -> None:
        """Look up."""
        x, n, table, size, y = arguments
        self.write(y, [self._looked_up(value, table, int(size)) for value in self.read(x, int(n))[0]])

    def _looked_up(self, value: Polynomial, table: str, size: int) -> Polynomial:
        entries = np.array(self._array(table), dtype=np.int64)
        if len(entries) < size or size & (size - 1):
            raise NotFollowed(f"the table {table} has other entries than {size}")
        return self._algebra.apply(lambda codes: entries[codes & (size - 1)], value)

    def dense_float(self, arguments: Sequence[str]) -> None:
        """Add products in single precision."""
        x, n_in, n_out, kernel, bias, buffer, y = arguments
        values, _ = self.read(x, int(n_in))
        self.read(buffer, int(n_in))
        self._sums(values, int(n_out), kernel, bias, "float", y)

    def dense_integer(self, arguments: Sequence[str]) -> None:
        """Add products in 64 bits."""
        x, n_out, kernel, bias, y = arguments
        rows, first = self._place(x)
        self._sums(rows.values[first:], int(n_out), kernel, bias, "int64_t", y)

    def _sums(self, values: Sequence[Polynomial], n_out: int, kernel: str, bias: str, held: str, y: str) -> None:
        if kernel not in self._sparse:
            raise NotFollowed(f"it has no kernel {kernel}")
        first, places, weights = (self._array(name) for name in self._sparse[kernel])
        biases, found = self._array(bias), []
        sizes = [max(-low, high) for low, high in map(self._algebra.codes, values)]
        for size in sizes:
            self.require_size(size, held)
        for out in range(n_out):
            own = range(first[out], first[out + 1])
            if any(not 0 <= places[k] < len(values) for k in own):
                raise NotFollowed(f"the kernel {kernel} reads beyond its inputs")
            self.require_size(abs(biases[out]) + sum(abs(weights[k]) * sizes[places[k]] for k in own), held)
            found.append(self._algebra.sum(((values[places[k]], weights[k]) for k in own), biases[out]))
        self.write(y, found)

    def largest(self, arguments: Sequence[str]) -> None:
        """Give the largest of each window."""
        x, n_out, n, places, y = arguments
        self.write(y, [self._algebra.largest(window) for window in self._windows(x, int(n_out), int(n), places)])

    def _windows(self, x: str, n_out: int, n: int, places: str) -> list[list[Polynomial]]:
        rows, first = self._place(x)
        values, read = rows.values[first:], self._array(places)
        if len(read) < n_out * n or any(not 0 <= place < len(values) for place in read):
            raise NotFollowed(f"the windows {places} read beyond their inputs")
        return [[values[place] for place in read[n * out : n * (out + 1)]] for out in range(n_out)]

    def mean(self, arguments: Sequence[str]) -> None:
        """Give the mean of each window, cut off towards zero."""
        x, n_out, n, places, up, y = arguments
        sums = [self._algebra.sum((v, 1) for v in window) for window in self._windows(x, int(n_out), int(n), places)]

        def mean(codes: Codes) -> Codes:
            return np.asarray(np.sign(codes) * ((np.abs(codes) << int(up)) // int(n)))

        for own in sums:
            self.require(own.scaled(1 << int(up)), "int64_t")
        self.write(y, [self._algebra.apply(mean, own) for own in sums])

    def move(self, arguments: Sequence[str]) -> None:
        """Give inputs in other places, or zeros."""
        x, n_out, places, y = arguments
        rows, first = self._place(x)
        read = self._array(places)[: int(n_out)]
        if len(read) < int(n_out) or any(place >= len(rows.values) - first for place in read):
            raise NotFollowed(f"the places {places} are beyond their inputs")
        self.write(y, [Polynomial(0, {}) if place < 0 else rows.values[first + place] for place in read])

    # ---- cells ----

    def add_codes(self, arguments: Sequence[str]) -> None:
        """Add hardware integers to a sum."""
        self._add(arguments, lambda value: value)

    def count_filled(self, arguments: Sequence[str]) -> None:
        """Count hardware integers above zero."""
        self._add(arguments, lambda value: self._above(value, 0))

    def _add(self, arguments: Sequence[str], function: Callable[[Polynomial], Polynomial]) -> None:
        text, stride, _, to = arguments
        if text.endswith(".lane"):
            if int(stride) != 1:
                raise NotFollowed(f"it reads `{text}` with gaps")
            (value,), _held = self.read(text.removesuffix(".lane"))
        else:
            self._require_stride(stride)
            value = self.port(text)
        (before,), _held = self.read(to)
        self.write(to, [self._algebra.sum(((before, 1), (function(value), 1)))])

    def _above(self, value: Polynomial, threshold: int) -> Polynomial:
        below = self._algebra.is_negative(self._algebra.sum(((value, 1),), -(threshold + 1)))
        return self._algebra.difference(Polynomial(1, {}), below)

    def count_edges(self, arguments: Sequence[str]) -> None:
        """Count the cells on."""
        sums, n, edges, cell = arguments
        (own,), _ = self.read(sums)
        (before,), _ = self.read(cell)
        above = [(self._above(own, edge), 1) for edge in self._array(edges)[: int(n)]]
        self.write(cell, [self._algebra.sum(((before, int(n) + 1), *above))])

    # ---- scores ----

    def _differences(self, arguments: Sequence[str], held: str) -> list[Polynomial]:
        x, y, n, up_x, up_y = arguments
        pairs = zip(self.read(x, int(n))[0], self.read(y, int(n))[0], strict=True)
        ups = 1 << int(up_x), 1 << int(up_y)
        found = []
        for a, b in pairs:
            self.require(a.scaled(ups[0]), held)
            self.require(b.scaled(ups[1]), held)
            found.append(self._algebra.sum(((a, ups[0]), (b, -ups[1]))))
            self.require(found[-1], held)
        return found

    def squared_error(self, arguments: Sequence[str], held: str = "int64_t") -> None:
        """Add the squares of the differences, of filled slots alone where empty ones are known."""
        *of_differences, empty, slot, score = arguments
        squares = [self._algebra.apply(_square, d) for d in self._differences(of_differences, held)]
        self.require_size(sum(self._algebra.codes(square)[1] for square in squares), held)
        if empty != "nullptr":
            codes, size = self._array(empty), int(slot)
            x = self.read(of_differences[0], len(squares))[0]
            filled = [self._above(x[place - place % size], codes[place // size]) for place in range(len(squares))]
            squares = [self._algebra.product(a, b) for a, b in zip(filled, squares, strict=True)]
        self.write(score, [self._algebra.sum((square, 1) for square in squares)])

    def absolute_error(self, arguments: Sequence[str]) -> None:
        """Add the magnitudes of the differences."""
        absolutes = [self._algebra.apply(np.abs, d) for d in self._differences(arguments[:-1], "int64_t")]
        self.write(arguments[-1], [self._algebra.sum((one, 1) for one in absolutes)])

    def max_absolute_error(self, arguments: Sequence[str]) -> None:
        """Give the largest magnitude; zero is none of them, but never above one."""
        absolutes = [self._algebra.apply(np.abs, d) for d in self._differences(arguments[:-1], "int64_t")]
        self.write(arguments[-1], [self._algebra.largest(absolutes)])

    def mu_squared(self, arguments: Sequence[str]) -> None:
        """Add squares."""
        mu, n, score = arguments
        squares = [self._algebra.apply(_square, value) for value in self.read(mu, int(n))[0]]
        self.write(score, [self._algebra.sum((square, 1) for square in squares)])

    def regression(self, arguments: Sequence[str]) -> None:
        """Give a value as it is."""
        self.write(arguments[1], self.read(arguments[0])[0])

    def mu_squared_over_variance(self, arguments: Sequence[str]) -> None:
        """Add products of squares and entries."""
        mu, v, n, table, size, score = arguments
        parts = [
            self._algebra.product(self._algebra.apply(_square, a), self._looked_up(b, table, int(size)))
            for a, b in zip(self.read(mu, int(n))[0], self.read(v, int(n))[0], strict=True)
        ]
        self.write(score, [self._algebra.sum((part, 1) for part in parts)])

    def kl_divergence(self, arguments: Sequence[str]) -> None:
        """Add squares and entries on one grid."""
        mu, v, n, up_mu, up_table, table, size, score = arguments
        squares = [(self._algebra.apply(_square, a), 1 << int(up_mu)) for a in self.read(mu, int(n))[0]]
        entries = [(self._looked_up(b, table, int(size)), 1 << int(up_table)) for b in self.read(v, int(n))[0]]
        self.write(score, [self._algebra.sum([*squares, *entries])])


def _square(codes: Codes) -> Codes:
    return codes * codes


def _number(text: str) -> int:
    return int(text.removesuffix("LL"))


_OF_A_TYPE = {"read_angle", "squared_error"}  # the calls that name one, or a number, in angle brackets
_KERNELS: Mapping[str, Callable[..., None]] = {
    "scale": _Run.scale,
    "find_filled": _Run.find_filled,
    "read_word": _Run.read_word,
    "read_angle": _Run.read_word,
    "scale_code": _Run.scale_code,
    "quantize": _Run.quantize,
    "relu": _Run.relu,
    "leaky_relu": _Run.leaky_relu,
    "tabulated": _Run.tabulated,
    "dense_float": _Run.dense_float,
    "dense_integer": _Run.dense_integer,
    "largest": _Run.largest,
    "mean": _Run.mean,
    "move": _Run.move,
    "add_codes": _Run.add_codes,
    "count_filled": _Run.count_filled,
    "count_edges": _Run.count_edges,
    "squared_error": _Run.squared_error,
    "absolute_error": _Run.absolute_error,
    "max_absolute_error": _Run.max_absolute_error,
    "mu_squared": _Run.mu_squared,
    "regression": _Run.regression,
    "mu_squared_over_variance": _Run.mu_squared_over_variance,
    "kl_divergence": _Run.kl_divergence,
}
