"""Each kind of layer beside the golden one: its form compared coefficient by coefficient, or every code tried.

One function a kind; what has none is named as not proven.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.cell import Cell
from fpgaae.golden.layers.leaky_relu import LeakyRelu
from fpgaae.golden.layers.moved import Moved
from fpgaae.golden.layers.pooling import AveragePooling, MaxPooling
from fpgaae.golden.layers.rounding import Input, Quantizer
from fpgaae.golden.layers.tabulated import Tabulated
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.scores.base import ScoreLayer
from fpgaae.golden.windows import places_under
from fpgaae.prove.cells import cell, decided_cell
from fpgaae.prove.codes import MOST_CODES, code_text, codes_differ, form_key
from fpgaae.prove.front_end import front_end
from fpgaae.prove.scores import expected_score
from fpgaae.prove.subject import Difference, Finding, Subject, scaled
from fpgaae.prove.symbols import FULLY_SYMBOLIC, Form, Kind, Output

Judge = Callable[[Subject], Finding]


def judge(subject: Subject) -> Finding:
    """Compare a layer with its golden one."""
    if subject.traced.size != subject.golden.size:
        found = f"{subject.traced.size} values are recorded where the model has {subject.golden.size}"
        return Finding("", (Difference(0, found),))
    for kind, function in _JUDGES.items():
        if isinstance(subject.golden, kind):
            return function(subject)
    return Finding("", open=f"layers of the kind {subject.golden.kind} are not followed")


# ---- sums of constants times inputs ----


def affine_map(layer: Layer, source: Layer) -> tuple[Codes, Codes]:
    """Give constants (size,) and coefficients (size of the source, size) of a golden layer, in its codes."""
    rows = np.concatenate([np.zeros((1, source.size), dtype=np.int64), np.eye(source.size, dtype=np.int64)])
    codes = layer.run([Tensor(rows, source.types.fraction)]).codes
    return codes[0], codes[1:] - codes[0]


def _affine(subject: Subject) -> Finding:
    constants, coefficients = affine_map(subject.golden, subject.sources[0].golden)
    return _compare_forms(
        subject,
        lambda place: _sparse(constants[place], coefficients[:, place]),
        f"its coefficients and constants, and no sum that rounds or overflows, over {coefficients.shape[0]} values",
    )


def _sparse(constant: int, coefficients: Codes) -> Form:
    places = np.flatnonzero(coefficients)
    return Form(int(constant), {(int(p),): int(coefficients[p]) for p in places})


def _compare_forms(subject: Subject, expected: Callable[[int], Form], how: str) -> Finding:
    """Compare every output with a form over the places of the only source."""
    wanted = {place: expected(place) for place in range(subject.golden.size)}
    differences: dict[int, Difference] = {}
    for event, outputs in subject.events():
        for output in outputs:
            reason = _form_differs(subject, event, output, wanted[output.place])
            if reason is not None:
                differences.setdefault(output.place, Difference(output.place, reason))
    return Finding(how, tuple(differences.values()))


def _form_differs(subject: Subject, event: int, output: Output, wanted: Form) -> str | None:
    if (foreign := subject.foreign(output.form, event)) is not None:
        return foreign
    if any(len(term) != 1 for term in output.form.terms):
        return "a product of values stands in it"
    source, symbols = subject.sources[0], subject.trace.symbols
    found = {symbols[term[0]].place: (c, symbols[term[0]].fraction) for term, c in output.form.terms.items()}
    if not scaled(wanted.constant, subject.up, output.form.constant):
        return f"its constant is {output.form.constant} where {code_text(wanted.constant, subject.up)} is right"
    for place in sorted({*found, *(term[0] for term in wanted.terms)}):
        coefficient, fraction = found.get(place, (0, source.golden.type.fraction))
        right = wanted.terms.get((place,), 0)
        if not scaled(right, subject.up + source.golden.type.fraction - fraction, coefficient):
            return f"its coefficient of value {place} is {coefficient} where {code_text(right, subject.up)} is right"
    return None


def _weighted(subject: Subject) -> Finding:
    layer = subject.golden
    if not isinstance(layer, Weighted) or not layer.reloadable:
        return _affine(subject)
    return _reloadable(subject, layer)


def _reloadable(subject: Subject, layer: Weighted) -> Finding:
    """Compare products of two symbols, a weight and a value, of one coefficient each."""
    numbered = replace(
        layer, kernel=np.arange(1, layer.kernel.size + 1).reshape(layer.kernel.shape), bias=0 * layer.bias
    )
    source = subject.sources[0]
    rows = np.eye(source.golden.size, dtype=np.int64)
    kernel_of = numbered.products(rows, numbered.kernel)  # which weight, counted from 1, an input meets in an output
    weights = {
        start + place: (int(code), port.is_bias)
        for start, port in subject.ports[layer.name]
        for place, code in enumerate(port.codes(replace(numbered, bias=np.arange(layer.bias.size))))
    }
    symbols = subject.trace.symbols
    differences: dict[int, Difference] = {}
    ups = (
        subject.traced.cast.fraction - source.golden.type.fraction - layer.kernel_type.fraction,
        subject.traced.cast.fraction - layer.bias_type.fraction,
    )
    for event, outputs in subject.events():
        for output in outputs:
            column = kernel_of[:, output.place]
            wanted = {("x", int(i), int(column[i])): 1 << ups[0] for i in np.flatnonzero(column)}
            wanted["b", output.place % layer.bias.size, 0] = 1 << ups[1]
            found: dict[tuple[str, int, int], int] = {}
            for term, coefficient in output.form.terms.items():
                here = {symbols[s].kind: symbols[s] for s in term}
                weight, value = here.get(Kind.WEIGHT), here.get(Kind.OUTPUT)
                code, is_bias = weights.get(weight.place, (-1, False)) if weight else (-1, False)
                key = ("b", code, 0) if is_bias else ("x", value.place if value else -1, code)
                found[key] = found.get(key, 0) + coefficient
            reason = subject.foreign(output.form, event)
            if reason is not None or found != wanted or output.form.constant:
                reason = reason or "a product of a value and a reloadable weight is another one"
                differences.setdefault(output.place, Difference(output.place, reason))
    how = f"every product of one of {source.golden.size} values and a reloadable weight, for any weights"
    return Finding(how, tuple(differences.values()))


# ---- functions of one value ----


def _of_one_value(subject: Subject) -> Finding:
    """Try every code of each value, path by path."""
    source = subject.sources[0]

    def golden(place: int, codes: Codes) -> Codes:
        rows = np.zeros((len(codes), source.golden.size), dtype=np.int64) if _has_channels(subject) else codes[:, None]
        if _has_channels(subject):
            rows[:, place] = codes
        found = subject.golden.run([Tensor(rows, source.golden.type.fraction)]).codes
        return np.asarray(found[:, place if _has_channels(subject) else 0])

    return _try_codes(subject, lambda place, event: subject.trace.symbol_of(source.tap, place, event), golden)


def _has_channels(subject: Subject) -> bool:
    return len(subject.golden.channel_types[0].ends(subject.golden.size)[0]) > 1 and not isinstance(
        subject.golden.types, type(subject.golden.type)
    )


def _try_codes(
    subject: Subject,
    symbol_of: Callable[[int, int], int | None],
    golden: Callable[[int, Codes], Codes],
) -> Finding:
    differences: dict[int, Difference] = {}
    known: dict[object, str | None] = {}
    covered: dict[int, set[tuple[int, int]]] = {}
    tried = 0
    for event, outputs in subject.events():
        for output in outputs:
            symbol = symbol_of(output.place, event)
            low, high = (0, 0) if symbol is None else subject.trace.codes_of(symbol, event, subject.index)
            if high - low >= MOST_CODES:
                return Finding("", open=f"value {output.place} has more than {MOST_CODES:,} codes to try")
            if high < low or ((low, high) in covered.setdefault(output.place, set()) and event >= FULLY_SYMBOLIC):
                continue
            covered[output.place].add((low, high))
            key = (form_key(subject, output.form, symbol), low, high, subject.golden.types.channel(output.place))
            if key not in known:
                known[key] = codes_differ(subject, output, symbol, (low, high), golden)
                tried += high - low + 1
            if (reason := known[key]) is not None:
                differences.setdefault(output.place, Difference(output.place, reason))
    for place, parts in covered.items():
        symbol = symbol_of(place, 0)
        if symbol is not None and not _covers(
            parts, subject.trace.symbols[symbol].low, subject.trace.symbols[symbol].high
        ):
            return Finding("", open=f"some codes of value {place} are on no path")
    return Finding(f"every code of each value ({tried:,} in all)", tuple(differences.values()))


def _covers(parts: set[tuple[int, int]], low: int, high: int) -> bool:
    for start, stop in sorted(parts):
        if start > low:
            return False
        low = max(low, stop + 1)
    return low > high


# ---- pooling ----


def _largest(subject: Subject) -> Finding:
    """See that each value is one of its window, and on its path none of the others is larger."""
    layer, source = subject.golden, subject.sources[0]
    if not isinstance(layer, MaxPooling):
        raise TypeError(layer.kind)
    windows = _windows(layer)
    symbols = subject.trace.symbols
    differences: dict[int, Difference] = {}
    for event, outputs in subject.events():
        edges = _edges(subject, event)
        for output in outputs:
            members = windows[output.place]
            ids = {subject.trace.symbol_of(source.tap, place, event) for place in members}
            form = output.form
            one = next(iter(form.terms)) if len(form.terms) == 1 else ()
            if len(one) != 1 or one[0] not in ids or form.constant:
                differences.setdefault(output.place, Difference(output.place, "it is no value under its window"))
                continue
            right = scaled(1, subject.up + source.golden.type.fraction - symbols[one[0]].fraction, form.terms[one])
            below, waiting = {one[0]}, [one[0]]
            while waiting:
                for other in edges.get(waiting.pop(), ()):
                    if other not in below:
                        below.add(other)
                        waiting.append(other)
            if not right or not {i for i in ids if i is not None} <= below:
                differences.setdefault(
                    output.place, Difference(output.place, "another value under its window is larger")
                )
    return Finding("the largest of each window, on every path of comparisons", tuple(differences.values()))


def _windows(layer: MaxPooling | AveragePooling) -> list[list[int]]:
    places = places_under(layer.window)  # (positions, pixels, channels)
    return [[int(p) for p in places[i, :, c]] for i in range(places.shape[0]) for c in range(places.shape[2])]


def _edges(subject: Subject, event: int) -> dict[int, set[int]]:
    """Give, by symbol, those that are not larger on the path."""
    found: dict[int, set[int]] = {}
    for branch in subject.trace.branches.get((event, subject.index), []):
        terms = [(term[0], c) for term, c in branch.form.terms.items() if len(term) == 1]
        if len(terms) != 2 or len(branch.form.terms) != 2 or branch.form.constant or terms[0][1] != -terms[1][1]:
            continue
        plus, minus = (terms[0][0], terms[1][0]) if terms[0][1] > 0 else (terms[1][0], terms[0][0])
        upper, lower = (plus, minus) if branch.holds else (minus, plus)
        found.setdefault(upper, set()).add(lower)
    return found


def _mean(subject: Subject) -> Finding:
    """See that each value is the sum under its window, divided and cut off on the golden grid."""
    layer, source = subject.golden, subject.sources[0]
    if not isinstance(layer, AveragePooling):
        raise TypeError(layer.kind)
    windows, n = _windows(layer), layer.window.n_values
    symbols = subject.trace.symbols
    differences: dict[int, Difference] = {}
    for event, outputs in subject.events():
        for output in outputs:
            form, divisor = output.form, 1
            ids = list(form.symbols)
            if len(ids) == 1 and symbols[ids[0]].kind is Kind.QUOTIENT and tuple(form.terms.values()) == (1,):
                form, divisor = symbols[ids[0]].form, symbols[ids[0]].divisor
            members = {(subject.trace.symbol_of(source.tap, place, event),) for place in windows[output.place]}
            up = subject.traced.cast.fraction - source.golden.type.fraction
            exact = n // divisor if n % divisor == 0 else 0
            right = up >= 0 and set(form.terms) == members and not form.constant and exact > 0
            right = right and all(c * exact == 1 << up for c in form.terms.values())
            right = right and (subject.up == 0 or n & (n - 1) == 0)
            if not right:
                differences.setdefault(output.place, Difference(output.place, "it is not the mean of its window"))
    return Finding("the sum under each window and its divisor", tuple(differences.values()))


# ---- scores and decisions ----


def _score(subject: Subject) -> Finding:
    layer = subject.golden
    if not isinstance(layer, ScoreLayer):
        raise TypeError(layer.kind)
    differences: dict[int, Difference] = {}
    for event, outputs in subject.events():
        wanted = expected_score(subject, layer, event)
        if isinstance(wanted, str):
            return Finding("", open=wanted)
        found = outputs[0].form
        reason = subject.foreign(found, event)
        scaled_form = Form(found.constant * wanted.scale, {t: c * wanted.scale for t, c in found.terms.items()})
        rest = scaled_form.minus(wanted.form)
        if reason is None and (rest.terms or rest.constant):
            reason = "its polynomial is another one"
        if reason is not None:
            differences.setdefault(0, Difference(0, reason))
    paths = len({event for event, _ in subject.events()})
    return Finding(f"its polynomial, coefficient by coefficient, on {paths} paths", tuple(differences.values()))


def _decisions(subject: Subject) -> Finding:
    """See that each bit compares the very score with its threshold, in each cell where there are cells."""
    layer, source = subject.golden, subject.sources[0]
    if not isinstance(layer, Accept):
        raise TypeError(layer.kind)
    differences: dict[int, Difference] = {}
    cells = set()
    for event, outputs in subject.trace.outputs[subject.index].items():
        if (event, source.tap) in subject.trace.void:
            continue
        own = 0 if len(subject.sources) == 1 else decided_cell(subject, subject.sources[1], event)
        if own is None:
            continue
        cells.add(own)
        score = subject.trace.outputs[source.tap][event][0]
        up = subject.trace.layers[source.tap].cast.fraction - source.golden.type.fraction
        for output in outputs:
            if layer.reloadable:
                reason = _loaded_decision_differs(subject, layer, output, score, up)
            else:
                reason = _decision_differs(subject, output, score, int(layer.by_cell[own, output.place]), up)
            if reason is not None:
                differences.setdefault(output.place, Difference(output.place, reason))
    if len(cells) < len(layer.by_cell) and not differences:
        return Finding("", open=f"{len(layer.by_cell) - len(cells)} cells are on no path")
    if layer.reloadable:
        return Finding("each comparison of any score with any threshold that is loaded", tuple(differences.values()))
    of = "" if len(subject.sources) == 1 else f" of each of {len(cells)} cells"
    return Finding(f"each comparison with its threshold{of}", tuple(differences.values()))


def _decision_differs(subject: Subject, output: Output, score: Output, threshold: int, up: int) -> str | None:
    form = output.form
    if not form.terms:
        ends = [int(end << max(-up, 0) > threshold << max(up, 0)) for end in (score.low, score.high)]
        return None if ends == [form.constant] * 2 else f"it is always {form.constant}"
    comparison = _comparison(subject, output)
    if isinstance(comparison, str):
        return comparison
    rest = comparison.minus(score.form)
    if rest.terms:
        return "it compares something else than the score"
    if up < 0 or -rest.constant >> up != threshold:
        return f"its threshold is {-rest.constant} where {threshold} is right"
    return None


def _loaded_decision_differs(subject: Subject, layer: Accept, output: Output, score: Output, up: int) -> str | None:
    """Say where a bit is not the comparison of the very score with its threshold, both of them symbols."""
    comparison = _comparison(subject, output)
    if isinstance(comparison, str):
        return comparison
    rest = comparison.minus(score.form)
    symbol = subject.trace.symbols[next(iter(rest.symbols))] if len(rest.symbols) == 1 else None
    if symbol is None or symbol.kind is not Kind.WEIGHT or list(rest.terms.values()) != [-1] or up:
        return "it compares something else than the score with a threshold that is loaded"
    of, place = layer.threshold_type, symbol.place - subject.first_threshold
    if place != output.place:
        return f"it compares the score with threshold {place}"
    if symbol.low > of.min_code or symbol.high < of.max_code:
        return f"its threshold takes the codes {symbol.low} to {symbol.high}, not all of the score's"
    if rest.constant:
        return f"{rest.constant} is added to the score"
    return None


def _comparison(subject: Subject, output: Output) -> Form | str:
    """Give the form that a bit compares with zero, or say that it is no comparison."""
    form = output.form
    if not form.terms:
        return f"it is always {form.constant}"
    symbol = subject.trace.symbols[next(iter(form.symbols))]
    if list(form.terms.values()) != [1] or form.constant or symbol.kind is not Kind.ABOVE:
        return "it is no comparison with the score"
    return symbol.form


_JUDGES: Mapping[type, Judge] = {
    Input: front_end,
    Weighted: _weighted,
    Moved: _affine,
    Quantizer: _of_one_value,
    LeakyRelu: _of_one_value,
    Tabulated: _of_one_value,
    MaxPooling: _largest,
    AveragePooling: _mean,
    ScoreLayer: _score,
    Cell: cell,
    Accept: _decisions,
}
