"""One compiled mutant in a process of its own, since it may crash or never end: `python -m fpgaae.hls.mutant_run`.

Arguments: the library, the stimulus with its golden codes, and the file for the result; then `synthesized` for a
library of the branch that is synthesized.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.files import write_json
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.hls.comparison import Comparison, compare_codes
from fpgaae.hls.csim_library import CsimLibrary
from fpgaae.hls.loaded_thresholds import Loads, decide_loaded, decide_synthesized
from fpgaae.hls.synthesized_branch import SynthesizedLibrary, output_name, score_name
from fpgaae.runs.record import as_json
from fpgaae.runs.results.csim import Mismatch

OBJECTS, VALUES, LAYERS = "objects", "values", "layers"  # how a batch of events enters
RELOADED = "reloaded/"  # in front of the batches for weights that are loaded over the trained ones
WEIGHTS = "weights"
SYNTHESIZED = "synthesized"  # events of the branch without taps, and their values
LOADS = "loads/"  # in front of the sets of thresholds that are loaded, with their events and decisions
DECIDED = tuple(f"{SYNTHESIZED}/{name}" for name in ("scores", "cells", "decisions"))  # given to its decision alone


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the comparison of a mutant found: a difference, or why nothing could be compared."""

    passed: bool
    error: str | None
    first_mismatch: Mismatch | None


def compare_loaded(library: CsimLibrary, batches: Mapping[str, Codes]) -> Comparison:
    """Compare the codes of every layer with the trained weights, then with those that are loaded over them.

    Parameters
    ----------
    batches
        As for `compare_batches`, and `weights`; where weights can be reloaded, all of it again behind `reloaded/`. The
        first set of thresholds is loaded, where there are some: the trained ones.
    """
    total = Comparison.of_layers([tap.layer for tap in library.taps])
    for prefix in ("", RELOADED):
        loaded = {name.removeprefix(prefix): codes for name, codes in batches.items() if name.startswith(prefix)}
        if loaded:
            library.load_weights(loaded[WEIGHTS])
            if (loads := _loads(batches)) is not None:
                library.load_thresholds(loads.sets[0])
            total.merge(compare_batches(library, loaded))
    return total


def compare_batches(library: CsimLibrary, batches: Mapping[str, Codes]) -> Comparison:
    """Compare the codes of every layer.

    Parameters
    ----------
    batches
        `<batch>/inputs`, `<batch>/golden/<layer>`, `layers/injected/<layer>`, and `fraction/<layer>`.
    """
    total = Comparison.of_layers([tap.layer for tap in library.taps])
    fractions = {tap.layer: int(batches[f"fraction/{tap.layer}"]) for tap in library.taps}
    for batch in (OBJECTS, VALUES, LAYERS):
        inputs = batches[f"{batch}/inputs"]
        if batch == OBJECTS:
            found = library.run_objects(inputs)
        else:
            found = library.run_values(
                inputs.astype(np.float64), _injected(library, batches, fractions) if batch == LAYERS else None
            )
        golden = {layer: Tensor(batches[f"{batch}/golden/{layer}"], fraction) for layer, fraction in fractions.items()}
        total.merge(compare_codes({t.layer: (found[t.layer], t.type) for t in library.taps}, golden, batch, 0))
    return total


def _injected(library: CsimLibrary, batches: Mapping[str, Codes], fractions: Mapping[str, int]) -> Codes:
    """Write golden codes as codes of the compiled types."""
    parts = []
    for tap in library.taps[:-1]:
        codes, up = batches[f"{LAYERS}/injected/{tap.layer}"], tap.type.fraction - fractions[tap.layer]
        parts.append(codes << up if up >= 0 else codes >> -up)
    return np.concatenate(parts, axis=1)


def compare_branch(library: Path, batches: Mapping[str, Codes]) -> Found:
    """Compare the values that the branch without taps gives; what differs is named in `error`."""
    opened = SynthesizedLibrary(library)
    opened.load_weights(batches[WEIGHTS])
    if (loads := _loads(batches)) is not None:
        if (first := decide_synthesized(opened, loads).first) is not None:
            return Found(passed=False, error=str(first), first_mismatch=None)
        opened.load_thresholds(loads.sets[0])
    expected = batches[f"{SYNTHESIZED}/values"]
    found = opened.run(batches[f"{SYNTHESIZED}/inputs"])
    if found.shape != expected.shape:
        return Found(passed=False, error=f"{found.shape[1]} results an event", first_mismatch=None)
    n_thresholds = int(batches[f"{SYNTHESIZED}/n_thresholds"])
    wrong = np.argwhere(found != expected)
    if len(wrong):
        event, column = wrong[0].tolist()
        what = f"{output_name(column, n_thresholds)} of event {event}"
        return Found(passed=False, error=what, first_mismatch=None)
    scores, cells, decided = (batches[name] for name in DECIDED)
    wrong = np.argwhere(opened.decide(scores, cells) != decided)
    if len(wrong):
        event, column = wrong[0].tolist()
        what = f"{output_name(column, n_thresholds)} of {score_name(scores, cells, event)}"
        return Found(passed=False, error=what, first_mismatch=None)
    return Found(passed=True, error=None, first_mismatch=None)


def compare_taps(library: Path, batches: Mapping[str, Codes]) -> Found:
    """Compare the codes of every layer."""
    try:
        compiled = CsimLibrary(library)
        expected = [name.removeprefix("fraction/") for name in batches if name.startswith("fraction/")]
        if [tap.layer for tap in compiled.taps] != expected:
            raise CheckFailed("the recorded layers are others")
        if wrong := [t.layer for t in compiled.taps if batches[f"{OBJECTS}/golden/{t.layer}"].shape[1] != t.size]:
            raise CheckFailed(f"the layer {wrong[0]} has another size")
        comparison = compare_loaded(compiled, batches)
        if comparison.passed and (loads := _loads(batches)) is not None:
            compiled.load_weights(batches[WEIGHTS])
            if (first := decide_loaded(compiled, loads).first) is not None:
                return Found(passed=False, error=None, first_mismatch=first.mismatch)
    except (CheckFailed, OSError, AttributeError, ValueError) as error:
        return Found(passed=False, error=str(error), first_mismatch=None)
    return Found(passed=comparison.passed, error=None, first_mismatch=comparison.first_mismatch)


def _loads(batches: Mapping[str, Codes]) -> Loads | None:
    """Give the sets of thresholds; None where these are constants."""
    found = {name.removeprefix(LOADS): codes for name, codes in batches.items() if name.startswith(LOADS)}
    return Loads(**found) if found else None


def main() -> None:
    """Compare a mutant and write what was found."""
    library, stimulus, result = (Path(argument) for argument in sys.argv[1:4])
    with np.load(stimulus, allow_pickle=False) as content:
        batches = {name: content[name] for name in content.files}
    compare = compare_branch if sys.argv[4:] == [SYNTHESIZED] else compare_taps
    write_json(result, as_json(compare(library, batches)))


if __name__ == "__main__":
    main()
