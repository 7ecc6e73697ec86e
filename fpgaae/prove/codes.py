"""A form tried on every code of the one symbol that it may hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fpgaae.fixedpoint import Codes
from fpgaae.prove.arithmetic import Evaluation, Integers
from fpgaae.prove.subject import Subject
from fpgaae.prove.symbols import Form, Kind, Output

MOST_CODES = 1 << 24


def form_key(subject: Subject, form: Form, symbol: int | None) -> object:
    """Give the same for forms that are the same function of their symbol."""
    if any(
        s != symbol and subject.trace.symbols[s].kind in (Kind.PORT, Kind.OUTPUT, Kind.WEIGHT) for s in form.symbols
    ):
        return form.constant, tuple(form.terms.items())
    inner = {s: subject.trace.symbols[s] for s in form.symbols if s != symbol}
    named = {
        s: (of.kind, of.cast, of.divisor, of.fraction, form_key(subject, of.form, symbol)) for s, of in inner.items()
    }
    return form.constant, tuple((tuple(named.get(s, "x") for s in term), c) for term, c in form.terms.items())


def codes_differ(
    subject: Subject,
    output: Output,
    symbol: int | None,
    ends: tuple[int, int],
    golden: Callable[[int, Codes], Codes],
) -> str | None:
    """Say where a form is not the golden function of its symbol, trying every code; None: it is.

    Parameters
    ----------
    symbol
        The only one that the form may hold; None: none.
    ends
        Its smallest and largest code.
    golden
        Gives the right codes of a place, (n,), for codes of the symbol, (n,).
    """
    codes = np.arange(ends[0], ends[1] + 1, dtype=np.int64)
    try:
        found = Evaluation(subject.trace.symbols, {-1 if symbol is None else symbol: codes}).form(output.form)
    except KeyError as missing:
        return subject.describe(subject.trace.symbols[missing.args[0]], output.event)
    up = 0
    if symbol is not None and subject.sources:
        up = subject.sources[0].golden.type.fraction - subject.trace.symbols[symbol].fraction
    right = golden(output.place, codes << up)
    wrong = np.flatnonzero(not_equal(found, right, subject.up))
    if not len(wrong):
        return None
    first = wrong[np.abs(codes[wrong]).argmin()]
    return (
        f"for the code {codes[first]} it is {found[first]} where {code_text(int(right[first]), subject.up)} is right, "
        f"and {len(wrong):,} codes differ"
    )


def not_equal(found: Integers, right: Codes, up: int) -> Integers:
    """Tell where codes on a grid that is finer by `up` bits are not the right ones."""
    return np.asarray(found != (right << up) if up >= 0 else (found << -up) != right)


def code_text(code: int, up: int) -> str:
    """Write a golden code on a grid that is finer by `up` bits."""
    return str(code << up) if up >= 0 else f"{code}/{1 << -up}"
