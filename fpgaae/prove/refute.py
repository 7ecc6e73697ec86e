"""Events on which a wrong layer differs: searched with the forms, then replayed in the C simulation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.cell_events import cell_events
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.loaded_thresholds import threshold_sets, with_loaded
from fpgaae.hls.csim_library import Compilation
from fpgaae.hls.layer_stimulus import layer_codes
from fpgaae.hls.synthesized_branch import compile_synthesized
from fpgaae.prove.arithmetic import Evaluation, Integers
from fpgaae.prove.branches import other_branches
from fpgaae.prove.codes import not_equal
from fpgaae.prove.front_end import slot_of
from fpgaae.prove.replay import Replay, Wrong
from fpgaae.prove.sources import SourceProof, Sources
from fpgaae.prove.subject import Subject
from fpgaae.prove.symbols import Form, Kind, Output
from fpgaae.runs.results.prove import Refutation

_LOADED_SETS, _LOADED_EVENTS = 12, 200  # of thresholds, and events that each is tried on
_FEW_BEFORE = (0, 1, 2, 5)  # events that are tried in front of one that differs


class Candidate(NamedTuple):
    """An event that shows a difference: hardware integers, or codes in the place of each layer's output."""

    hardware: Codes | None
    replaced: Mapping[str, Codes] | None  # by golden layer, (1, size)
    is_sure: bool = True  # the forms say that it differs; else it lies where they may


def find_refutation(
    sources: Sources, proof: SourceProof, pool: Codes, seed: int, folder: Path, sound: Compilation | None = None
) -> Refutation | None:
    """Find an event on which the project differs, and see that it does; None where none was found.

    What the forms say comes first; then, where it takes several events in a row or was not followed, the pool as it
    stands, and codes in the place of the layers' outputs.

    Parameters
    ----------
    pool
        (n, n_features) hardware integers that are tried first.
    sound
        A compilation of the same project but for the edited files, whose objects are taken where they can be.

    Raises
    ------
    CheckFailed
        If the compiled project crashes, does not end or records other layers, or if no event differs though the forms
        say so.
    """
    synthesized = proof.in_synthesis
    candidates = list(_candidates(sources, proof, pool, seed))
    if synthesized:
        library = compile_synthesized(sources.project, sources.project_name, folder)
    else:
        compilation = Compilation(sources.project, sources.project_name, quick=True, build=folder)
        library = compilation.build(reuse=sound, changed=frozenset(sources.edited if sound else ()))
    replay = Replay(sources, library, folder, synthesized=synthesized)
    rows = [candidate.hardware for candidate in candidates if candidate.hardware is not None]
    if (found := _first_event(sources, replay, np.concatenate([*rows, pool]))) is not None:
        return found
    if synthesized:
        return _first_loaded(sources, proof, replay, pool, seed)
    codes = _concatenated([candidate.replaced for candidate in candidates if candidate.replaced is not None])
    if (found := _first_replaced(sources, replay, codes)) is not None:
        return found
    if any(candidate.is_sure for candidate in candidates):
        raise CheckFailed(
            "the forms say that an event differs, but its C simulation does not: the proof or the number types "
            "are wrong"
        )
    every = _at_thresholds(sources, layer_codes(sources.network, seed))
    found = _first_replaced(sources, replay, every) or _first_loaded(sources, proof, replay, pool, seed)
    if found is None and any(other_branches(sources.project, sources.edited)):
        return find_refutation(sources, replace(proof, in_synthesis=True), pool, seed, folder)
    return found


def _concatenated(parts: Sequence[Mapping[str, Codes]]) -> Mapping[str, Codes]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _first_event(sources: Sources, replay: Replay, hardware: Codes) -> Refutation | None:
    """Find the first of some events in a row that differs, and how few have to go before it."""
    if not (first := replay.events(hardware).first):
        return None
    row = next(iter(sorted(first)))
    for n in (*_FEW_BEFORE, row):
        before = hardware[max(row - n, 0) : row]
        compared = replay.events(np.concatenate([before, hardware[row : row + 1]]))
        if (wrong := compared.first.get(len(before))) is not None:
            layers = compared.layers[len(before)]
            return _refutation(sources, replay, wrong, layers, hardware=hardware[row], before=before)
    raise CheckFailed("an event differs in one run of the compiled project and not in another; correct its sources")


def _first_replaced(sources: Sources, replay: Replay, codes: Mapping[str, Codes]) -> Refutation | None:
    if not codes:
        return None
    compared = replay.replaced(codes)
    if not compared.first:
        return None
    row = min(compared.first)
    one = {name: of[row] for name, of in codes.items()}
    return _refutation(sources, replay, compared.first[row], compared.layers[row], replaced=one)


def _first_loaded(
    sources: Sources, proof: SourceProof, replay: Replay, pool: Codes, seed: int
) -> Refutation | None:  # fmt: skip
    """Load other thresholds, where they are a port and decisions are not proven, until an event differs with some."""
    accept, finding = sources.trigger.accept, next(reversed(proof.findings.values()), None)
    if not accept.reloadable or (finding is not None and not finding.differences and finding.open is None):
        return None
    pool = pool[:: max(len(pool) // _LOADED_EVENTS, 1)]
    for codes in threshold_sets(accept, sources.trigger.scores(pool), seed)[:_LOADED_SETS]:
        other = replace(sources, trigger=with_loaded(sources.trigger, codes))
        loaded = replay.of(other)
        found = _first_event(other, loaded, pool)
        if found is None and not replay.synthesized:
            found = _first_replaced(other, loaded, _at_thresholds(other, layer_codes(sources.network, seed)))
        if found is not None:
            return replace(found, thresholds=tuple(codes.tolist()))
    return None


def _refutation(  # noqa: PLR0913 - what a refutation holds
    sources: Sources, replay: Replay, wrong: Wrong, layers: Collection[str], *,
    hardware: Codes | None = None, before: Codes | None = None, replaced: Mapping[str, Codes] | None = None,
) -> Refutation:  # fmt: skip
    score, accept = list(sources.golden_names)[-2:]
    return Refutation(
        hardware=None if hardware is None else tuple(map(int, hardware)),
        replaced=None if replaced is None else {name: tuple(map(int, codes)) for name, codes in replaced.items()},
        layer=wrong.layer,
        channel=wrong.channel,
        expected_code=wrong.expected_code,
        found_code=wrong.found_code,
        score_differs=score in layers,
        decision_differs=accept in layers,
        before=() if before is None else tuple(tuple(map(int, event)) for event in before),
        in_synthesis=replay.synthesized,
    )


def _candidates(sources: Sources, proof: SourceProof, pool: Codes, seed: int) -> Iterator[Candidate]:
    """Give events that differ: from the pool, with the codes of one port changed, or with replaced outputs."""
    pool = np.concatenate([pool, cell_events(sources.trigger)])
    golden = sources.trigger.run(pool)
    injected = _at_thresholds(sources, layer_codes(sources.network, seed))
    zeros = np.zeros((len(next(iter(injected.values()))), pool.shape[1]), dtype=np.int64)
    for subject in proof.subjects:
        for difference in proof.findings[subject.traced.name].differences[:4]:
            if (row := _differs_on(subject, difference.place, golden, pool)) is not None:
                yield Candidate(pool[row][None], None)
            elif (
                isinstance(subject.golden, Input)
                and (changed := _port_events(subject, difference.place, pool[0])) is not None
            ):
                yield Candidate(changed, None)
    for subject in proof.subjects:
        if not subject.sources:
            continue
        if isinstance(subject.golden, Accept) and proof.findings[subject.traced.name].differences:
            n = 3 * sources.trigger.thresholds.size
            for row in range(-n, 0):
                yield Candidate(None, {name: codes[row][None] for name, codes in injected.items()}, is_sure=False)
            continue
        for difference in proof.findings[subject.traced.name].differences[:4]:
            alone = {source.golden.name: _of(injected, sources, source.golden.name) for source in subject.sources}
            tensors = {name: Tensor(codes, sources.network[name].type.fraction) for name, codes in alone.items()}
            right = subject.golden.run([tensors[source.golden.name] for source in subject.sources])
            row = _differs_on(subject, difference.place, {**tensors, subject.golden.name: right}, zeros)
            if row is not None:
                yield Candidate(None, {name: codes[row][None] for name, codes in injected.items()})


def _at_thresholds(sources: Sources, injected: Mapping[str, Codes]) -> Mapping[str, Codes]:
    """Add scores at, one below and one above each threshold, whatever stands before them."""
    score = sources.network.score
    accept = sources.trigger.accept
    rows = {name: accept.corners(sources.network[name])[0] for name in accept.inputs}
    rows[score.name] = np.clip(rows[score.name], score.type.min_code, score.type.max_code)
    n = len(rows[score.name])
    return {
        name: np.concatenate([codes, rows[name] if name in rows else np.repeat(codes[:1], n, axis=0)])
        for name, codes in injected.items()
    }


def _of(injected: Mapping[str, Codes], sources: Sources, name: str) -> Codes:
    while name not in injected:
        name = sources.network[name].inputs[0]
    return injected[name]


def _port_events(subject: Subject, place: int, like: Codes) -> Codes | None:
    """Give the event with another code of one port on which the form of an input differs."""
    low, high = (int(ends[place]) for ends in subject.features.port_limits)
    events = np.repeat(like[None], high - low + 1, axis=0)
    events[:, place] = np.arange(low, high + 1)
    right = Tensor(subject.features.input_codes_of_words(events, subject.golden.types), subject.golden.type.fraction)
    row = _differs_on(subject, place, {subject.golden.name: right}, events)
    return None if row is None else events[row][None]


def _differs_on(subject: Subject, place: int, golden: Mapping[str, Tensor], hardware: Codes) -> int | None:
    """Give the first event on which a value's form is not the golden code."""
    right = golden[subject.golden.name].codes[:, place]
    for event, outputs in subject.events():
        output = next((output for output in outputs if output.place == place), None)
        if output is None or (isinstance(subject.golden, Accept) and event):
            continue
        rows, found = _values(subject, output, golden, hardware)
        if not len(rows):
            continue
        wrong = np.flatnonzero(not_equal(found, right[rows], subject.up))
        if len(wrong):
            return int(rows[wrong[0]])
    return None


def _values(
    subject: Subject, output: Output, golden: Mapping[str, Tensor], hardware: Codes
) -> tuple[Codes, Integers]:  # fmt: skip
    """Give the events that are on the path of an output, and its codes on them."""
    trace, event = subject.trace, output.event
    given: dict[int, Integers] = {}
    on_path = np.ones(len(hardware), dtype=bool)
    names = {source.tap: source.golden for source in subject.sources}
    for number in _base_symbols(subject, output):
        symbol = trace.symbols[number]
        if symbol.event != event and symbol.kind is not Kind.WEIGHT:  # of an event before: nothing is known of it here
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        if symbol.kind is Kind.PORT:
            codes = hardware[:, symbol.place]
        elif symbol.kind is Kind.OUTPUT and symbol.layer in names:
            layer = names[symbol.layer]
            codes = golden[layer.name].codes[:, symbol.place] >> (layer.type.fraction - symbol.fraction)
        else:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        given[number] = codes
        low, high = trace.codes_of(number, event, subject.index)
        on_path &= (codes >= low) & (codes <= high)
    rows = np.flatnonzero(on_path)
    evaluation = Evaluation(trace.symbols, {number: codes[rows] for number, codes in given.items()} or {0: rows})
    return rows, evaluation.form(output.form)


def _base_symbols(subject: Subject, output: Output) -> set[int]:
    """Give the symbols that a value depends on, also by its path."""
    trace, base = subject.trace, set()
    waiting: list[Form] = [output.form]
    while waiting:
        for number in waiting.pop().symbols:
            symbol = trace.symbols[number]
            if symbol.kind in (Kind.PORT, Kind.WEIGHT, Kind.OUTPUT):
                base.add(number)
            else:
                waiting.append(symbol.form)
    if not subject.sources:
        slot = slot_of(subject.features, output.place)
        base |= {
            number
            for number, symbol in trace.symbols.items()
            if symbol.kind is Kind.PORT and symbol.event == output.event and symbol.place in slot
        }
    for source in subject.sources:
        if subject.golden.size == source.golden.size:
            own = trace.symbol_of(source.tap, output.place, output.event)
            base |= set() if own is None else {own}
    return base
