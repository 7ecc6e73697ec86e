"""Polynomials over functions of sums, so that equal ones are found equal: what the traced logic is compared in.

A *root* is a sum of products of atoms without a common factor, and an *atom* a port, a table over every code of a root,
the largest of some polynomials, or the comparison of a root that is too wide for a table with a constant. A function of
one sum is thereby the same atom however it was computed. All numbers are integers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from math import gcd
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpgaae.errors import FpgaaeError
from fpgaae.fixedpoint import Codes

Term: TypeAlias = tuple[int, ...]  # atoms that are multiplied, in order
Range: TypeAlias = tuple[int, int]
_Key: TypeAlias = tuple[int, frozenset[tuple[Term, int]]]  # a polynomial that can be found again
MOST_CODES = 1 << 22
_SAFE = 2**62


class NotFollowed(FpgaaeError):
    """What was computed can't be followed, so that it is neither proven nor refuted."""


class Polynomial(NamedTuple):
    """A constant, and a coefficient by the atoms that are multiplied."""

    constant: int
    terms: Mapping[Term, int]

    def scaled(self, by: int) -> Polynomial:
        """Multiply by an integer."""
        return Polynomial(self.constant * by, {term: c * by for term, c in self.terms.items()} if by else {})

    @property
    def is_zero(self) -> bool:
        """Whether nothing is left."""
        return not self.constant and not self.terms


class _Root(NamedTuple):
    terms: Mapping[Term, int]
    codes: Range

    @property
    def size(self) -> int:
        return self.codes[1] - self.codes[0] + 1


class _Atom(NamedTuple):
    codes: Range
    root: int | None = None  # of an atom that is a function of one
    starts: Codes | None = None  # of a table: where its entries change
    entries: Codes | None = None


class Algebra:
    """All atoms and roots of one comparison."""

    def __init__(self) -> None:
        self._atoms: list[_Atom] = []
        self._roots: list[_Root] = []
        self._root_numbers: dict[frozenset[tuple[Term, int]], int] = {}
        self._tables: dict[tuple[int, bytes], int] = {}
        self._others: dict[object, int] = {}
        self._members: dict[int, set[_Key]] = {}  # of the largest of some
        self._names: dict[int, int] = {}  # by root

    # ---- polynomials ----

    def port(self, codes: Range) -> Polynomial:
        """Make a port that carries all codes between two."""
        number = len(self._atoms)
        root = self._root({(number,): 1}, codes)
        self._atoms.append(_Atom(codes, root, np.arange(codes[1] - codes[0] + 1), np.arange(codes[0], codes[1] + 1)))
        return Polynomial(0, {(number,): 1})

    def sum(self, parts: Iterable[tuple[Polynomial, int]], constant: int = 0) -> Polynomial:
        """Add multiples of polynomials and a constant."""
        terms: dict[Term, int] = {}
        for part, by in parts:
            constant += part.constant * by
            for term, coefficient in part.terms.items():
                terms[term] = terms.get(term, 0) + coefficient * by
        return self._merged(constant, {term: c for term, c in terms.items() if c})

    def difference(self, a: Polynomial, b: Polynomial) -> Polynomial:
        """Subtract."""
        return self.sum(((a, 1), (b, -1)))

    def product(self, a: Polynomial, b: Polynomial) -> Polynomial:
        """Multiply; atoms that are functions of the same root become one."""
        parts = [(a, b.constant), (Polynomial(0, b.terms), a.constant)]
        for left, c in a.terms.items():
            parts += [(self._product_of(left, right), c * d) for right, d in b.terms.items()]
        return self.sum(parts)

    def apply(self, function: Callable[[Codes], Codes], of: Polynomial) -> Polynomial:
        """Apply a function of integers, which gets every code of the root, (n,).

        Raises
        ------
        NotFollowed
            If the polynomial takes too many codes.
        """
        if not of.terms:
            return Polynomial(int(function(np.array([of.constant]))[0]), {})
        if (root := self._root_among(of)) is None and (bit := self._bit(of)) is not None:
            zero, one = (self.apply(function, self._with(of, bit, value)) for value in (0, 1))
            return self._renamed(self._either(Polynomial(0, {(bit,): 1}), one, zero))
        root = self._root_of(of) if root is None else root
        if self._roots[root].size > MOST_CODES:
            raise NotFollowed(f"a sum that takes {self._roots[root].size:,} codes is neither added nor compared")
        return self._of_table(root, function(self._over(of, root)))

    def is_negative(self, key: Polynomial) -> Polynomial:
        """Give 1 where a polynomial is below zero, 0 where it is not."""
        low, high = self.codes(key)
        if low >= 0 or high < 0:
            return Polynomial(int(high < 0), {})
        if (root := self._root_among(key)) is None and (bit := self._bit(key)) is not None:
            zero, one = (self.is_negative(self._with(key, bit, value)) for value in (0, 1))
            return self._either(Polynomial(0, {(bit,): 1}), one, zero)
        root = self._root_of(key) if root is None else root
        if self._roots[root].size <= MOST_CODES:
            return self._of_table(root, (self._over(key, root) < 0).astype(np.int64))
        term, once = next(iter(self._roots[root].terms.items()))
        factor = key.terms[term] // once
        if factor > 0:
            return self._below(root, -(key.constant // factor))
        return self.difference(Polynomial(1, {}), self._below(root, key.constant // -factor + 1))

    def select(self, key: Polynomial, if_negative: Polynomial, otherwise: Polynomial) -> Polynomial:
        """Give one polynomial where the key is below zero, the other where it is not."""
        low, high = self.codes(key)
        if low >= 0 or high < 0:
            return if_negative if high < 0 else otherwise
        root = self._root_among(key)
        if root is None and self._bit(key) is None:
            root = self._root_of(key)
        if root is not None and self._roots[root].size <= MOST_CODES:
            arms = [self._try_over(arm, root) for arm in (if_negative, otherwise)]
            if arms[0] is not None and arms[1] is not None:
                return self._of_table(root, np.where(self._over(key, root) < 0, arms[0], arms[1]))
        sign = self._sign_of_choice(key, self.difference(if_negative, otherwise))
        if sign:
            return self.largest((if_negative.scaled(sign), otherwise.scaled(sign))).scaled(sign)
        return self._renamed(self._either(self.is_negative(key), if_negative, otherwise))

    def largest(self, of: Iterable[Polynomial]) -> Polynomial:
        """Give the largest of some polynomials."""
        members: set[_Key] = set()
        for one in of:
            (term, factor), *others = list(one.terms.items()) or [((), 0)]
            inner = self._members.get(term[0]) if len(term) == 1 and factor > 0 and not others else None
            if inner is None:
                members.add((one.constant, frozenset(one.terms.items())))
            else:
                members |= {(c * factor + one.constant, frozenset((t, d * factor) for t, d in own)) for c, own in inner}
        factor = gcd(*(number for constant, terms in members for number in (constant, *(c for _, c in terms)))) or 1
        members = {(c // factor, frozenset((t, d // factor) for t, d in terms)) for c, terms in members}
        if len(members) == 1:
            constant, terms = next(iter(members))
            return Polynomial(constant, dict(terms)).scaled(factor)
        ranges = [self.codes(Polynomial(constant, dict(terms))) for constant, terms in members]
        codes = max(low for low, _ in ranges), max(high for _, high in ranges)
        number = self._other(frozenset(members), codes)
        self._members[number] = members
        return Polynomial(0, {(number,): factor})

    def codes(self, of: Polynomial) -> Range:
        """Bound a polynomial from below and above."""
        low = high = of.constant
        for term, coefficient in of.terms.items():
            ends = (coefficient, coefficient)
            for atom in term:
                a, b = self._atoms[atom].codes
                corners = [x * y for x in ends for y in (a, b)]
                ends = min(corners), max(corners)
            low, high = low + ends[0], high + ends[1]
        return low, high

    def named(self, of: Polynomial) -> Polynomial:
        """Give a value of products a name of its own, an atom in whose place the same value stands from now on."""
        if all(len(term) < 2 for term in of.terms):
            return of
        root = self._root_of(of)
        if root not in self._names:
            ends = self._case_by_case(Polynomial(0, self._roots[root].terms))
            self._names[root] = next(iter(self.port(ends).terms))[0]
        return self._renamed(of)

    def _case_by_case(self, of: Polynomial) -> Range:
        """Bound a polynomial for each value of its bits that are multiplied."""
        bit = self._bit(of)
        if bit is None:
            return self.codes(of)
        cases = [self._case_by_case(self._with(of, bit, value)) for value in (0, 1)]
        return min(low for low, _ in cases), max(high for _, high in cases)

    def _renamed(self, of: Polynomial) -> Polynomial:
        """Put the name of a value in its place, if it has one."""
        if not self._names or all(len(term) < 2 for term in of.terms):
            return of
        term = next(iter(of.terms))
        root = self._root_of(of)
        name = self._names.get(root)
        if name is None:
            return of
        return Polynomial(of.constant, {(name,): of.terms[term] // self._roots[root].terms[term]})

    # ---- what they are made of ----

    def _root(self, terms: Mapping[Term, int], codes: Range) -> int:
        key = frozenset(terms.items())
        if key not in self._root_numbers:
            self._root_numbers[key] = len(self._roots)
            self._roots.append(_Root(dict(terms), codes))
        return self._root_numbers[key]

    def _root_of(self, of: Polynomial) -> int:
        """Give the root that a polynomial is a multiple of, but for its constant."""
        factor = gcd(*of.terms.values())
        factor *= -1 if of.terms[min(of.terms)] < 0 else 1
        terms = {term: c // factor for term, c in of.terms.items()}
        return self._root(terms, self.codes(Polynomial(0, terms)))

    def _root_among(self, of: Polynomial) -> int | None:
        """Give the root of some of its atoms of which the whole polynomial is a function; None: of none."""
        roots = {self._atoms[atom].root for term in of.terms for atom in term}
        return next((r for r in sorted(r for r in roots if r is not None) if self._multiple(of, r) is not None), None)

    def _is_of(self, term: Term, root: int) -> bool:
        return all(self._atoms[atom].root == root for atom in term)

    def _multiple(self, of: Polynomial, root: int) -> int | None:
        """Say how often the root itself stands in a polynomial beside functions of it; None: it is none itself."""
        rest = {term: c for term, c in of.terms.items() if not self._is_of(term, root)}
        if not rest:
            return 0
        terms = self._roots[root].terms
        if rest.keys() != terms.keys():
            return None
        first = next(iter(rest))
        factor = rest[first] // terms[first]
        return factor if all(c == factor * terms[term] for term, c in rest.items()) else None

    def _try_over(self, of: Polynomial, root: int) -> Codes | None:
        return None if self._multiple(of, root) is None else self._over(of, root)

    def _over(self, of: Polynomial, root: int) -> Codes:
        """Compute a polynomial, which is a function of a root, for every code of it."""
        factor = self._multiple(of, root) or 0
        low, high = self._roots[root].codes
        bound = abs(of.constant) + abs(factor) * max(-low, high)
        found = np.arange(low, high + 1, dtype=np.int64) * factor + of.constant
        for term, coefficient in of.terms.items():
            if not self._is_of(term, root):
                continue
            largest, product = abs(coefficient), np.full(len(found), coefficient, dtype=np.int64)
            for atom in term:
                largest *= max(1, *(abs(end) for end in self._atoms[atom].codes))
                if largest >= _SAFE:
                    raise NotFollowed("a product has more than 62 bits")
                product *= self._table(atom)
            bound += largest
            found += product
        if bound >= _SAFE:
            raise NotFollowed("a sum has more than 62 bits")
        return found

    def _table(self, number: int) -> Codes:
        atom = self._atoms[number]
        if atom.root is None or atom.starts is None or atom.entries is None:
            raise KeyError(number)
        return np.repeat(atom.entries, np.diff(atom.starts, append=self._roots[atom.root].size))

    def _of_table(self, root: int, codes: Codes) -> Polynomial:
        """Give the function of a root that has these values at its codes."""
        first, terms = int(codes[0]), self._roots[root].terms
        steps = np.diff(codes)
        if not len(steps) or (steps[0] == steps[-1] and (steps == steps[0]).all()):
            step = int(steps[0]) if len(steps) else 0
            constant = first - step * self._roots[root].codes[0]
            return Polynomial(constant, {term: c * step for term, c in terms.items()} if step else {})
        starts = np.concatenate([[0], np.flatnonzero(steps) + 1])
        entries = codes[starts] - first
        factor = int(np.gcd.reduce(entries)) * (1 if entries[1] > 0 else -1)
        return Polynomial(first, {(self._atom_of(root, starts, entries // factor),): factor})

    def _atom_of(self, root: int, starts: Codes, entries: Codes) -> int:
        key = root, hashlib.blake2b(starts.tobytes() + entries.tobytes(), digest_size=32).digest()
        number = self._tables.get(key)
        if number is None:
            number = self._tables[key] = len(self._atoms)
            self._atoms.append(_Atom((int(entries.min()), int(entries.max())), root, starts, entries))
            return number
        known = self._atoms[number]
        if not (np.array_equal(known.starts, starts) and np.array_equal(known.entries, entries)):  # type: ignore[arg-type]
            raise NotFollowed("two tables have the same digest")
        return number

    def _other(self, key: object, codes: Range) -> int:
        if key not in self._others:
            self._others[key] = len(self._atoms)
            self._atoms.append(_Atom(codes))
        return self._others[key]

    def _below(self, root: int, end: int) -> Polynomial:
        return Polynomial(0, {(self._other((root, end), (0, 1)),): 1})

    # ---- bits, and atoms of one root ----

    def _bit(self, of: Polynomial) -> int | None:
        """Give an atom that is 0 or 1, multiplied with others, and without which no products with such are left."""
        counts: dict[int, int] = {}
        products = [term for term in of.terms if len(term) > 1]
        for term in products:
            for atom in term:
                if self._atoms[atom].codes == (0, 1):
                    counts[atom] = counts.get(atom, 0) + 1
        if not counts:
            return None
        most = min(counts, key=lambda atom: (-counts[atom], atom))
        left = [a for term in products if len(term) > 2 or most not in term for a in term if a != most]
        return None if any(self._atoms[a].codes == (0, 1) for a in left) else most

    def _with(self, of: Polynomial, bit: int, value: int) -> Polynomial:
        """Give a polynomial where a bit has a value, with other functions of its root as simple as they are there."""
        terms: dict[Term, int] = {}
        constant = of.constant
        for term, c in of.terms.items():
            if bit in term and not value:
                continue
            left = tuple(a for a in term if a != bit)
            if left:
                terms[left] = terms.get(left, 0) + c
            else:
                constant += c
        root = self._atoms[bit].root
        if root is None:
            return self.sum(((Polynomial(constant, terms), 1),))
        there = self._table(bit) == value
        by_cofactor: dict[Term, dict[Term, int]] = {}
        for term in [term for term in terms if any(self._atoms[a].root == root for a in term)]:
            own = tuple(a for a in term if self._atoms[a].root == root)
            cofactor = tuple(a for a in term if self._atoms[a].root != root)
            by_cofactor.setdefault(cofactor, {})[own] = terms.pop(term)
        parts = [(Polynomial(constant, terms), 1)]
        for cofactor, functions in by_cofactor.items():
            simple = self._simplest(root, self._over(Polynomial(0, functions), root), there)
            parts.append((self.product(simple, Polynomial(0, {cofactor: 1})) if cofactor else simple, 1))
        return self.sum(parts)

    def _simplest(self, root: int, codes: Codes, there: NDArray[np.bool_]) -> Polynomial:
        """Give a constant or the first atom, times a number, that is the same as a function of a root at some codes."""
        own = codes[there]
        if (own == own[0]).all():
            return Polynomial(int(own[0]), {})
        at = int(np.flatnonzero(own != own[0])[0])
        for number, atom in enumerate(self._atoms):
            if atom.root != root:
                continue
            table = self._table(number)[there]
            step, rest = divmod(int(own[at] - own[0]), int(table[at] - table[0]) or 1)
            if not rest and table[at] != table[0] and (table * step - own == table[0] * step - own[0]).all():
                return Polynomial(int(own[0] - table[0] * step), {(number,): step})
        return self._of_table(root, codes)

    def _either(self, bit: Polynomial, if_one: Polynomial, if_zero: Polynomial) -> Polynomial:
        return self.sum(((if_zero, 1), (self.product(bit, self.difference(if_one, if_zero)), 1)))

    def _sign_of_choice(self, key: Polynomial, difference: Polynomial) -> int:
        """Give 1 where a key below zero chooses the larger of two polynomials, -1 the smaller; 0: neither."""
        if not key.terms or key.terms.keys() != difference.terms.keys():
            return 0
        first = next(iter(key.terms))
        up, down = key.terms[first], difference.terms[first]
        if any(c * down != difference.terms[term] * up for term, c in key.terms.items()):
            return 0
        # Both lie on a grid, so that some offset between the two changes nothing.
        offset = (key.constant * down - difference.constant * up) * (1 if down > 0 else -1)
        grid = gcd(*difference.terms.values(), difference.constant) * abs(up)
        if not -grid <= offset < grid:
            return 0
        return -1 if (up > 0) == (down > 0) else 1

    def _product_of(self, left: Term, right: Term) -> Polynomial:
        atoms = sorted((*left, *right))
        roots = [self._atoms[atom].root for atom in atoms]
        twice = next((r for r in roots if r is not None and roots.count(r) > 1), None)
        if twice is None:
            if len(set(atoms)) < len(atoms):
                atoms = [a for i, a in enumerate(atoms) if a not in atoms[:i] or self._atoms[a].codes != (0, 1)]
            return Polynomial(0, {tuple(atoms): 1})
        if self._roots[twice].size > MOST_CODES:
            raise NotFollowed("a product of functions of a wide sum")
        own = tuple(atom for atom, root in zip(atoms, roots, strict=True) if root == twice)
        rest = tuple(atom for atom, root in zip(atoms, roots, strict=True) if root != twice)
        found = self._of_table(twice, self._over(Polynomial(0, {own: 1}), twice))
        return self.product(found, Polynomial(0, {rest: 1})) if rest else found

    def _merged(self, constant: int, terms: dict[Term, int]) -> Polynomial:
        """Make one of the functions of the same root that have the same cofactor."""
        while True:
            places: dict[tuple[int, Term], list[Term]] = {}
            for term in terms:
                for at, atom in enumerate(term):
                    if (root := self._atoms[atom].root) is not None:
                        own_place = places.setdefault((root, term[:at] + term[at + 1 :]), [])
                        if term not in own_place:  # an atom may stand in it twice
                            own_place.append(term)
            several = next(((key, found) for key, found in places.items() if len(found) > 1), None)
            if several is None:
                return Polynomial(constant, terms)
            (root, rest), found = several
            own = {self._alone(term, rest): terms.pop(term) for term in found}
            together = self._of_table(root, self._over(Polynomial(0, own), root))
            if rest:
                together = self.product(together, Polynomial(0, {rest: 1}))
            constant += together.constant
            for term, coefficient in together.terms.items():
                terms[term] = terms.get(term, 0) + coefficient
                if not terms[term]:
                    del terms[term]

    @staticmethod
    def _alone(term: Term, rest: Term) -> Term:
        left = list(term)
        for atom in rest:
            left.remove(atom)
        return tuple(left)
