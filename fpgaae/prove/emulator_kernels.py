"""The kernels of `firmware/emulator` over polynomials, each only where what it computes is exact.

No code, weight or partial sum leaves the type that holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from fpgaae.fixedpoint import Codes
from fpgaae.prove.algebra import NotFollowed, Polynomial
from fpgaae.prove.emulator_probe import DenseCall
from fpgaae.prove.emulator_values import Values, computed_in


class Kernels(Values):
    """Each method is the kernel of its name, and takes the arguments of the call as text."""

    def read_words(self, arguments: Sequence[str]) -> None:
        """Take the words of a block's events."""
        objects, n_features, n, words = arguments
        if (objects, n) != ("objects", "n") or int(n_features) != len(self._ports):
            raise NotFollowed(f"it takes {n_features} values for an event of {len(self._ports)}")
        self.receive(words)

    def find_filled(self, arguments: Sequence[str]) -> None:
        """Find out whether a slot is filled."""
        text, none, overflow, to = arguments
        empty = [int(none), int(overflow)]
        port = self.masked(text, 2**16 - 1)  # as the kernel reads it
        self.write(to, [self._algebra.apply(lambda pt: np.isin(pt, empty).astype(np.int64) - 1, port)])

    def read_word(self, arguments: Sequence[str]) -> None:
        """Make a hardware integer of a word."""
        text, mask, offset, filled, to = arguments
        code = self._algebra.sum(((self.masked(text, int(mask)), 1),), -int(offset))
        self._write_filled(code, filled, to)

    def read_angle(self, arguments: Sequence[str]) -> None:
        """Make a hardware integer of an angle's word."""
        text, mask, offset, of_turn, filled, to = arguments
        turn = int(of_turn.removeprefix("Turn<").removesuffix(">()"))

        def angle(words: Codes) -> Codes:
            return np.asarray((words - int(offset) + turn // 2) % turn - turn // 2)

        self._write_filled(self._algebra.apply(angle, self.masked(text, int(mask))), filled, to)

    def _write_filled(self, code: Polynomial, filled: str, to: str) -> None:
        (mask,), _held = self.read(filled)
        self.write(to, [self._algebra.select(mask, code, Polynomial(0, {}))])

    def read_integer(self, arguments: Sequence[str]) -> None:
        """Take a hardware integer that is no word."""
        text, mask, to = arguments
        self.write(to, [self.masked(text, int(mask))])

    def scale(self, arguments: Sequence[str]) -> None:
        """Make the inputs of hardware integers."""
        text, n, how, to = arguments
        numbers, held = np.array(self._array(how)), self._types[how]
        if len(numbers) < 6 * int(n):
            raise NotFollowed(f"the array {how} has no six numbers for each input")
        made = []
        for place, mask, offset, drop, low, high in numbers[: 6 * int(n)].reshape(-1, 6).tolist():
            value = self._algebra.sum(((self.masked(f"{text}[{place}]", mask), 1),), -offset)
            made.append(self.requantized(value, drop, low, high, held))
        self.write(to, made)

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
            self.require(value, computed_in(held), 1 << max(int(drop), 0))
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

    def dense_pairs(self, arguments: Sequence[str]) -> None:
        """Add products of codes and weights of 16 bits in 32, in pairs."""
        x, n_in, n_out, kernel, bias, buffer, y = arguments
        values, held = self.read(x, int(n_in))
        values = [*values, Polynomial(0, {})] if len(values) % 2 else values
        pairs, of_buffer = self.read(buffer, len(values) // 2)
        first, places, weights = self._kernel(kernel)
        to = self._place(y)[0].held
        if (held, of_buffer, self._types[kernel], to) != ("int16_t", "Pairs", "int16_t", "int32_t"):
            raise NotFollowed(f"codes and weights of {kernel} are not held in 16 bits, or its sums not in 32")
        if len(weights) < 2 * len(places) or any(not 0 <= place < len(pairs) for place in places):
            raise NotFollowed(f"the kernel {kernel} reads beyond its pairs")
        single = [2 * place + which for place in places for which in (0, 1)]
        made = self._sums(values, int(n_out), ([2 * k for k in first], single, weights), bias, "int32_t", y)
        self.dense[kernel] = DenseCall("dense_pairs", held, to, kernel, bias, *made, int(n_in))

    def dense_wide(self, arguments: Sequence[str]) -> None:
        """Add products in the type of the weights."""
        x, n_out, kernel, bias, y = arguments
        rows, first = self._place(x)
        arrays = self._kernel(kernel)
        if (held := self._types[kernel]) not in {"int32_t", "int64_t"}:
            raise NotFollowed(f"sums of {kernel} are held in {held}")
        made = self._sums(rows.values[first:], int(n_out), arrays, bias, held, y)
        to = self._place(y)[0].held
        self.dense[kernel] = DenseCall("dense_wide", rows.held, to, kernel, bias, *made, len(rows.values) - first)

    def _kernel(self, name: str) -> tuple[list[int], list[int], list[int]]:
        if name not in self._sparse:
            raise NotFollowed(f"it has no kernel {name}")
        first, places, weights = (self._array(part) for part in self._sparse[name])
        return first, places, weights

    def _sums(
        self, values: Sequence[Polynomial], n_out: int, kernel: tuple[list[int], list[int], list[int]], bias: str,
        held: str, y: str,
    ) -> tuple[Codes, Codes]:  # fmt: skip
        """Add products; give the weights (n_in, n_out) and the bias (n_out,)."""
        first, places, weights = kernel
        biases, found = self._array(bias), []
        if len(first) <= n_out or len(biases) < n_out or not 0 <= min(first) <= max(first) <= min(
            len(places), len(weights)
        ):  # fmt: skip
            raise NotFollowed(f"the kernel of {y} reads beyond its arrays")
        sizes = [max(-low, high) for low, high in map(self._algebra.codes, values)]
        for size in sizes:
            self.require_size(size, held)
        matrix = np.zeros((len(values), n_out), dtype=np.int64)
        for out in range(n_out):
            own = range(first[out], first[out + 1])
            if any(not 0 <= places[k] < len(values) for k in own):
                raise NotFollowed(f"the kernel of {y} reads beyond its inputs")
            self.require_size(abs(biases[out]) + sum(abs(weights[k]) * sizes[places[k]] for k in own), held)
            found.append(self._algebra.sum(((values[places[k]], weights[k]) for k in own), biases[out]))
            for k in own:
                matrix[places[k], out] += weights[k]
        self.write(y, found)
        return matrix, np.array(biases[:n_out], dtype=np.int64)

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
        text, mask, to = arguments
        value = self.masked(text, int(mask))
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

    def squared_error(self, arguments: Sequence[str]) -> None:
        """Add the squares of the differences, of filled slots alone where empty ones are known."""
        *of_differences, empty, slot, score = arguments
        held = self.read(score)[1]
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
        absolutes = self._absolutes(arguments)
        self.write(arguments[-1], [self._algebra.sum((one, 1) for one in absolutes)])

    def max_absolute_error(self, arguments: Sequence[str]) -> None:
        """Give the largest magnitude; zero is none of them, but never above one."""
        self.write(arguments[-1], [self._algebra.largest(self._absolutes(arguments))])

    def _absolutes(self, arguments: Sequence[str]) -> list[Polynomial]:
        held = self.read(arguments[-1])[1]
        absolutes = [self._algebra.apply(np.abs, d) for d in self._differences(arguments[:-1], held)]
        for absolute in absolutes:
            self.require(absolute, held)
        return absolutes

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


KERNELS: Mapping[str, Callable[..., None]] = {
    "read_words": Kernels.read_words,
    "find_filled": Kernels.find_filled,
    "read_word": Kernels.read_word,
    "read_angle": Kernels.read_angle,
    "read_integer": Kernels.read_integer,
    "scale": Kernels.scale,
    "quantize": Kernels.quantize,
    "relu": Kernels.relu,
    "leaky_relu": Kernels.leaky_relu,
    "tabulated": Kernels.tabulated,
    "dense_pairs": Kernels.dense_pairs,
    "dense_wide": Kernels.dense_wide,
    "largest": Kernels.largest,
    "mean": Kernels.mean,
    "move": Kernels.move,
    "add_codes": Kernels.add_codes,
    "count_filled": Kernels.count_filled,
    "count_edges": Kernels.count_edges,
    "squared_error": Kernels.squared_error,
    "absolute_error": Kernels.absolute_error,
    "max_absolute_error": Kernels.max_absolute_error,
    "mu_squared": Kernels.mu_squared,
    "regression": Kernels.regression,
    "mu_squared_over_variance": Kernels.mu_squared_over_variance,
    "kl_divergence": Kernels.kl_divergence,
}
