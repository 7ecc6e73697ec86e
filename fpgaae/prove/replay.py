"""Events run through a compiled project, in a process of its own, since a wrong one may crash or never end.

`python -m fpgaae.prove.replay` takes the library, what goes in, and the file for what comes out; then `synthesized` for
a library of the branch that is synthesized.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.hls.csim_library import CsimLibrary
from fpgaae.hls.project import port_codes
from fpgaae.hls.synthesized_branch import SynthesizedLibrary, golden_values
from fpgaae.processes import ProgramHangs, run_program
from fpgaae.prove.codes import not_equal
from fpgaae.prove.sources import Sources

SYNTHESIZED = "synthesized"
_TIMEOUT_S = 120
_WEIGHTS, _THRESHOLDS = "weights", "thresholds"
_HARDWARE, _REPLACED, _VALUES, _FRACTION = "hardware", "replaced", "values", "fraction/"


class Wrong(NamedTuple):
    """A value of an event that is not the golden one: the layer, its place, and both codes."""

    layer: str
    channel: int
    expected_code: int
    found_code: int


class Compared(NamedTuple):
    """By event, in order, what differs first; and the layers that differ."""

    first: dict[int, Wrong]
    layers: dict[int, set[str]]


class Replay:
    """A compiled project beside the golden network.

    Parameters
    ----------
    synthesized
        Whether the library is one of the branch that is synthesized, of which only the outputs are seen.
    folder
        Of what goes in and comes out.
    """

    def __init__(self, sources: Sources, library: Path, folder: Path, *, synthesized: bool = False) -> None:
        self._sources = sources
        self._library = library
        self._folder = folder
        self.synthesized = synthesized
        self._loaded = {_WEIGHTS: port_codes(sources.weight_ports, sources.network)}
        if sources.trigger.accept.reloadable:
            self._loaded[_THRESHOLDS] = sources.trigger.thresholds

    def of(self, sources: Sources) -> Replay:
        """Give the same library with what is loaded of other sources."""
        return Replay(sources, self._library, self._folder, synthesized=self.synthesized)

    def events(self, hardware: Codes) -> Compared:
        """Run hardware integers (n, n_features), one event behind the other."""
        found = self._run({_HARDWARE: hardware})
        if self.synthesized:
            return self._compared_values(found[_VALUES], hardware)
        return self._compared(found, self._sources.trigger.run(hardware))

    def replaced(self, codes: Mapping[str, Codes]) -> Compared:
        """Run events in which codes (n, size) stand in for the output of each layer, by golden layer."""
        network = self._sources.network
        given = {f"{_REPLACED}/{name}": codes[of] for name, of in self._sources.golden_names.items() if of in codes}
        fractions = {
            f"{_FRACTION}{name}": np.array(network[of].type.fraction) for name, of in self._sources.golden_names.items()
        }
        inputs = np.zeros((len(next(iter(codes.values()))), network.layers[0].size), dtype=np.int64)
        return self._compared(self._run({_VALUES: inputs, **given, **fractions}), network.run(inputs, codes))

    def _run(self, given: Mapping[str, Codes]) -> dict[str, Codes]:
        into, out = self._folder / "given.npz", self._folder / "found.npz"
        out.unlink(missing_ok=True)
        np.savez(into, **{**self._loaded, **given})  # type: ignore[arg-type]
        command = [sys.executable, "-m", "fpgaae.prove.replay", str(self._library), str(into), str(out)]
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        try:
            done = run_program(
                [*command, *([SYNTHESIZED] if self.synthesized else [])], "an event of a refutation",
                limit_s=_TIMEOUT_S, environment=single,
            )  # fmt: skip
        except ProgramHangs:
            raise CheckFailed(f"the compiled project does not end within {_TIMEOUT_S} s on events") from None
        if done.returncode < 0:
            raise CheckFailed(f"the compiled project crashes on events ({signal.Signals(-done.returncode).name})")
        if done.returncode or not out.is_file():
            last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
            raise CheckFailed(f"the compiled project can't be run on events: {last}")
        with np.load(out, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}

    def _compared(self, found: Mapping[str, Codes], golden: Mapping[str, Tensor]) -> Compared:
        names = self._sources.golden_names
        recorded = [name.removeprefix(_FRACTION) for name in found if name.startswith(_FRACTION)]
        if recorded != list(names):
            raise CheckFailed(f"the compiled project records the layers {', '.join(recorded)}")
        result = Compared({}, {})
        for name, of in names.items():
            codes, right, up = found[name], golden[of].codes, int(found[f"{_FRACTION}{name}"]) - golden[of].fraction
            if codes.shape != right.shape:
                raise CheckFailed(f"the compiled project records {codes.shape[1]} values of {name}")
            self._add(result, name, not_equal(codes, right, up), right, codes)
        return result

    def _compared_values(self, found: Codes, hardware: Codes) -> Compared:
        """Compare the score and the decisions and latents as values; they are told as codes of the golden types."""
        trigger, names = self._sources.trigger, self._sources.golden_names
        layers = [trigger.network.score, trigger.accept, *trigger.network.ports]
        right, result, start = golden_values(trigger, hardware), Compared({}, {}), 0
        if found.shape != right.shape:
            raise CheckFailed(f"the branch that is synthesized gives {found.shape[1]} results an event")
        for layer in layers:
            part = slice(start, start + layer.size)
            start += layer.size
            name = next(name for name, of in names.items() if of == layer.name)
            codes = [np.rint(of[:, part] * 2.0**layer.type.fraction).astype(np.int64) for of in (right, found)]
            self._add(result, name, right[:, part] != found[:, part], *codes)
        return result

    @staticmethod
    def _add(result: Compared, layer: str, differs: Codes, right: Codes, codes: Codes) -> None:
        for row in np.flatnonzero(differs.any(axis=1)).tolist():
            place = int(np.flatnonzero(differs[row])[0])
            result.first.setdefault(row, Wrong(layer, place, int(right[row, place]), int(codes[row, place])))
            result.layers.setdefault(row, set()).add(layer)


def _run_taps(library: Path, given: Mapping[str, Codes]) -> dict[str, Codes]:
    compiled = CsimLibrary(library)
    compiled.load_weights(given[_WEIGHTS])
    if _THRESHOLDS in given:
        compiled.load_thresholds(given[_THRESHOLDS])
    if _HARDWARE in given:
        found = compiled.run_objects(given[_HARDWARE])
    else:
        parts = []
        for tap in compiled.taps[:-1]:
            up = tap.type.fraction - int(given[f"{_FRACTION}{tap.layer}"])
            codes = given[f"{_REPLACED}/{tap.layer}"]
            parts.append(codes << up if up >= 0 else codes >> -up)
        found = compiled.run_values(given[_VALUES].astype(np.float64), np.concatenate(parts, axis=1))
    return {**found, **{f"{_FRACTION}{tap.layer}": np.array(tap.type.fraction) for tap in compiled.taps}}


def main() -> None:
    """Run what is given, and write what comes out."""
    library, into, out = (Path(argument) for argument in sys.argv[1:4])
    with np.load(into, allow_pickle=False) as content:
        given = {name: content[name] for name in content.files}
    if sys.argv[4:] == [SYNTHESIZED]:
        opened = SynthesizedLibrary(library)
        opened.load_weights(given[_WEIGHTS])
        if _THRESHOLDS in given:
            opened.load_thresholds(given[_THRESHOLDS])
        np.savez(out, **{_VALUES: opened.run(given[_HARDWARE])})  # type: ignore[arg-type]
    else:
        np.savez(out, **_run_taps(library, given))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
