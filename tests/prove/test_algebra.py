"""Whatever is computed with polynomials has the values that integers have, at any codes of the ports."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from fpgaae.fixedpoint import Codes
from fpgaae.prove.algebra import Algebra, NotFollowed, Polynomial

N = 400
FUNCTIONS = (
    np.abs,
    lambda c: c // 4,
    lambda c: (c + 8) % 16 - 8,
    lambda c: np.clip(c, -3, 9),
    lambda c: c * c,
    lambda c: np.maximum(c, 0),
    lambda c: (c > 2).astype(np.int64),
)


class Both(NamedTuple):
    """A polynomial, and its values at some codes of the ports."""

    polynomial: Polynomial
    values: Codes


def evaluated(algebra: Algebra, of: Polynomial, ports: dict[int, Codes]) -> Codes:
    """Compute a polynomial from what its atoms are."""
    total = np.full(N, of.constant, dtype=np.int64)
    for term, coefficient in of.terms.items():
        product = np.full(N, coefficient, dtype=np.int64)
        for number in term:
            product = product * atom(algebra, number, ports)
        total += product
    return total


def atom(algebra: Algebra, number: int, ports: dict[int, Codes]) -> Codes:
    """Compute an atom."""
    if number in ports:
        return ports[number]
    if number in algebra._members:
        members = [Polynomial(constant, dict(terms)) for constant, terms in algebra._members[number]]
        return np.max([evaluated(algebra, one, ports) for one in members], axis=0)
    found = algebra._atoms[number]
    if found.root is None:
        (root, end) = next(key for key, value in algebra._others.items() if value == number)  # type: ignore[misc]
        return (evaluated(algebra, Polynomial(0, algebra._roots[root].terms), ports) < end).astype(np.int64)
    root = algebra._roots[found.root]
    at = evaluated(algebra, Polynomial(0, root.terms), ports) - root.codes[0]
    return np.asarray(algebra._table(number)[at])


@pytest.mark.parametrize("most_codes", [1 << 22, 60], ids=["tables", "wide sums"])
@pytest.mark.parametrize("seed", range(12))
def test_programs_drawn_at_random(seed: int, most_codes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpgaae.prove.algebra.MOST_CODES", most_codes)
    rng, algebra = np.random.default_rng(seed), Algebra()
    ends = [(0, 7), (-4, 3), (0, 1), (-8, 7)]
    known: list[Both] = []
    ports: dict[int, Codes] = {}
    for low, high in ends:
        port = algebra.port((low, high))
        codes = rng.integers(low, high + 1, N)
        ports[next(iter(port.terms))[0]] = codes
        known.append(Both(port, codes))
    followed = 0
    for _ in range(40):
        a, b, c = (known[i] for i in rng.integers(len(known), size=3))
        kind = int(rng.integers(5))
        try:
            made = _made(algebra, kind, (a, b, c), rng)
        except NotFollowed:
            continue
        followed += 1
        np.testing.assert_array_equal(evaluated(algebra, made.polynomial, ports), made.values, err_msg=str(kind))
        low, high = algebra.codes(made.polynomial)
        assert low <= made.values.min()
        assert made.values.max() <= high
        if high - low < 500 and len(made.polynomial.terms) < 12:
            known.append(made)
    assert followed > 10
    same = [(i, j) for i in range(len(known)) for j in range(i) if (known[i].values != known[j].values).any()]
    for i, j in same:
        assert not algebra.difference(known[i].polynomial, known[j].polynomial).is_zero


def test_other_multiples_of_the_same_ports_are_no_function_of_their_sum() -> None:
    """Of a + 2b + |a + b| the first two are no multiple of a + b, of which the last is a function."""
    rng, algebra = np.random.default_rng(1), Algebra()
    a, b = algebra.port((-4, 3)), algebra.port((-8, 7))
    ports = {next(iter(a.terms))[0]: rng.integers(-4, 4, N), next(iter(b.terms))[0]: rng.integers(-8, 8, N)}
    x, y = ports.values()
    magnitude = algebra.apply(np.abs, algebra.sum(((a, 1), (b, 1))))
    for times in (2, -1, 0):
        mixed = algebra.sum(((a, 1), (b, times), (magnitude, 1)))
        halved = algebra.apply(lambda c: c // 2, mixed)
        np.testing.assert_array_equal(evaluated(algebra, halved, ports), (x + times * y + np.abs(x + y)) // 2)


def _made(algebra: Algebra, kind: int, of: tuple[Both, Both, Both], rng: np.random.Generator) -> Both:
    a, b, c = of
    up, constant = int(rng.integers(-3, 4)), int(rng.integers(-5, 6))
    match kind:
        case 0:
            found = algebra.sum(((a.polynomial, 1), (b.polynomial, up)), constant)
            return Both(found, a.values + up * b.values + constant)
        case 1:
            function = FUNCTIONS[int(rng.integers(len(FUNCTIONS)))]
            return Both(algebra.apply(function, a.polynomial), np.asarray(function(a.values)))
        case 2:
            key = Both(algebra.sum(((a.polynomial, 1),), constant), a.values + constant)
            found = algebra.select(key.polynomial, b.polynomial, c.polynomial)
            return Both(found, np.where(key.values < 0, b.values, c.values))
        case 3:
            difference = algebra.sum(((a.polynomial, 1), (b.polynomial, -1)), constant // 3)
            arms = (b, a) if rng.random() < 0.5 else (a, b)
            found = algebra.select(difference, arms[0].polynomial, arms[1].polynomial)
            return Both(found, np.where(a.values - b.values + constant // 3 < 0, arms[0].values, arms[1].values))
        case _:
            return Both(algebra.product(a.polynomial, b.polynomial), a.values * b.values)
