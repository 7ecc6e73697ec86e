"""Mutants of the emulator, judged by `prove` alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np

from fpgaae.emulator.mutation import Mutation
from fpgaae.emulator.package import VECTORS_FILE
from fpgaae.emulator.package_sources import KERNELS, PackageSources
from fpgaae.errors import CheckFailed
from fpgaae.hls.mutant import Mutant
from fpgaae.hls.verdicts import Outcome as Caught
from fpgaae.hls.verdicts import Verdict as Found
from fpgaae.prove.algebra import NotFollowed
from fpgaae.prove.emulator import beside_the_proof, emulator_differs
from fpgaae.prove.verdicts import Outcome, Verdict

_AT_SCORES = "decisions at the thresholds"
_EVENT = re.compile(r"first event (\d+)")


class EmulatorJudge:
    """Proves the mutants of a package.

    A source that differs beside the calls and constants that the proof reads, or has other kernels, is not proven: an
    event is then looked for among those of the self-test, which replays them.

    Parameters
    ----------
    sources
        The sound package, with its vectors.
    folder
        Scratch space.
    """

    def __init__(self, sources: PackageSources, folder: Path) -> None:
        self._sources = sources
        self._folder = folder
        self._rest = beside_the_proof(sources.text(sources.code))
        self._vectors = np.loadtxt(sources.project / VECTORS_FILE, dtype=np.int64, ndmin=2)
        if (said := self._differs(sources.project)) is not None:
            raise CheckFailed(f"the emulator itself is not proven, so that nothing can be said of mutants: {said}")
        self._mutation = Mutation(sources, folder)

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        """Prove a mutant, or refute it with an event that is replayed."""
        said = self._said(index, mutant)
        if said is None:
            return Verdict(Outcome.PROVEN, "proof", "score and decisions equal the golden ones")
        found = self._mutation.judge(index, mutant)
        if found.outcome is Caught.CAUGHT:
            return Verdict(Outcome.REFUTED, _kind_of(found), f"{said}; {self._event(found)}")
        if found.outcome is Caught.EQUIVALENT:
            return Verdict(Outcome.PROVEN, found.by, f"{said}; but {found.detail}")
        return Verdict(Outcome.OPEN, "nothing", said)

    def contradicted(self, index: int, mutant: Mutant) -> str | None:
        """Run the self-test of a mutant; decisions at scores, which come last, may be at scores that no event has."""
        found = self._mutation.judge(index, mutant)
        if found.outcome is not Caught.CAUGHT or found.detail.startswith(_AT_SCORES):
            return None
        return f"its self-test says {found.detail}"

    def _said(self, index: int, mutant: Mutant) -> str | None:
        """Say why a mutant is not proven; None: it is."""
        folder = self._folder / f"proof_{index}"
        try:
            shutil.copytree(self._sources.project, folder)
            for file, text in mutant.edits.items():
                (folder / file).write_text(text, encoding="utf-8")
            said = self._differs(folder)
        except CheckFailed as error:
            said = str(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if said is None and KERNELS in mutant.edits:
            return f"{KERNELS} is another one than the proof knows, though its coefficients are the same"
        return said

    def _differs(self, package: Path) -> str | None:
        source = (package / self._sources.code).read_text(encoding="utf-8")
        if beside_the_proof(source) != self._rest:
            return f"{self._sources.code} is another one beside its calls and constants"
        try:
            return emulator_differs(self._sources.trigger, source, package / self._sources.code)
        except NotFollowed as error:
            return str(error)

    def _event(self, found: Found) -> str:
        match = _EVENT.search(found.detail)
        if match is None:
            return found.detail
        n_features = len(self._sources.trigger.features)
        words = self._vectors[int(match[1]) % len(self._vectors), :n_features]
        return f"{found.detail}: {' '.join(map(str, words.tolist()))}"


def _kind_of(found: Found) -> str:
    return "event" if found.by == "self-test" else found.by
