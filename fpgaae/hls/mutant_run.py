"""One compiled mutant in a process of its own, since it may crash or never end: `python -m fpgaae.hls.mutant_run`.

Arguments: the library, the stimulus with its golden codes, and the file for the result.
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
from fpgaae.runs.record import as_json
from fpgaae.runs.results.csim import Mismatch

OBJECTS, VALUES, LAYERS = "objects", "values", "layers"  # how a batch of events enters
RELOADED = "reloaded/"  # in front of the batches for weights that are loaded over the trained ones
WEIGHTS = "weights"


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
        As for `compare_batches`, and `weights`; where weights can be reloaded, all of it again behind `reloaded/`.
    """
    total = Comparison.of_layers([tap.layer for tap in library.taps])
    for prefix in ("", RELOADED):
        loaded = {name.removeprefix(prefix): codes for name, codes in batches.items() if name.startswith(prefix)}
        if loaded:
            library.load_weights(loaded[WEIGHTS])
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


def main() -> None:
    """Compare a mutant and write what was found."""
    library, stimulus, result = (Path(argument) for argument in sys.argv[1:])
    with np.load(stimulus, allow_pickle=False) as content:
        batches = {name: content[name] for name in content.files}
    try:
        compiled = CsimLibrary(library)
        expected = [name.removeprefix("fraction/") for name in batches if name.startswith("fraction/")]
        if [tap.layer for tap in compiled.taps] != expected:
            raise CheckFailed("the recorded layers are others")
        if wrong := [t.layer for t in compiled.taps if batches[f"{OBJECTS}/golden/{t.layer}"].shape[1] != t.size]:
            raise CheckFailed(f"the layer {wrong[0]} has another size")
        comparison = compare_loaded(compiled, batches)
    except (CheckFailed, OSError, AttributeError, ValueError) as error:
        found = Found(passed=False, error=str(error), first_mismatch=None)
    else:
        found = Found(passed=comparison.passed, error=None, first_mismatch=comparison.first_mismatch)
    write_json(result, as_json(found))


if __name__ == "__main__":
    main()
