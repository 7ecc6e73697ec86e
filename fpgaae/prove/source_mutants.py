"""Mutants of the HLS sources, judged by `prove` alone."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.hls.csim_library import Compilation
from fpgaae.hls.mutant import Mutant
from fpgaae.hls.mutation import Mutation
from fpgaae.hls.project_sources import ProjectSources
from fpgaae.hls.simulation import Simulation
from fpgaae.hls.verdicts import Outcome as Caught
from fpgaae.prove.build import prepare
from fpgaae.prove.refute import find_refutation
from fpgaae.prove.sources import SourceProof, Sources, prove_sources
from fpgaae.prove.verdicts import Outcome, Verdict
from fpgaae.runs.results.prove import Refutation


class SourceJudge:
    """Proves the mutants of a written project.

    Parameters
    ----------
    sources
        The sound project.
    pool
        Hardware integers (n, n_features) that are tried where a proof fails.
    simulation
        Of `csim`, which says whether a proof is wrong.
    folder
        Scratch space.
    """

    def __init__(
        self, sources: Sources, simulation: Simulation, pool: Codes, seed: int, folder: Path
    ) -> None:  # fmt: skip
        self._simulation = simulation
        self._pool = pool
        self._seed = seed
        self._folder = folder
        sound = folder / "sound_project"
        shutil.copytree(sources.project, sound, ignore=shutil.ignore_patterns("build*", "tb_data", "*.tcl"))
        self._sources = replace(sources, project=sound)
        prepared = folder / "prepared"
        prepared.mkdir()
        self._prepared = prepare(prepared)
        proof_folder = folder / "sound_proof"
        proof_folder.mkdir()
        if not prove_sources(self._sources, proof_folder, self._prepared).proven:
            raise CheckFailed("the project itself is not proven, so that nothing can be said of mutants")
        self._sound = Compilation(sound, sources.project_name, quick=True)
        self._sound.build()

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        """Prove a mutant, or refute it with an event that is replayed."""
        folder = self._folder / f"proof_{index}"
        project = folder / "project"
        try:
            shutil.copytree(
                self._sources.project, project, copy_function=os.link, ignore=shutil.ignore_patterns("build*")
            )
            for file, text in mutant.edits.items():
                (project / file).unlink()
                (project / file).write_text(text, encoding="utf-8")
            return self._judge(replace(self._sources, project=project, edited=tuple(mutant.edits)), folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _judge(self, sources: Sources, folder: Path) -> Verdict:
        try:
            proof = prove_sources(sources, folder, self._prepared)
        except CheckFailed as error:
            proof, said = SourceProof.nothing(), _last_line(error)
        else:
            said = _said(proof)
            if proof.proven:
                return Verdict(Outcome.PROVEN, "proof", "every layer equals the golden one")
        build = folder / "build"
        build.mkdir()
        try:
            found = find_refutation(sources, proof, self._pool, self._seed, build, self._sound)
        except CheckFailed as error:
            return self._without_event(sources, folder, said, _last_line(error))
        if found is None:
            return Verdict(Outcome.OPEN, "nothing", said)
        return Verdict(Outcome.REFUTED, _kind_of(found), f"{said}; {_event(found)}")

    def _without_event(self, sources: Sources, folder: Path, said: str, error: str) -> Verdict:
        """Say what it means that a project can't be replayed: that it is refuted, but where the forms are wrong."""
        if "the forms say" in error:
            return Verdict(Outcome.WRONG, "forms", f"{said}; {error}")
        by = "compiler" if "does not compile" in error or "error:" in error else "run"
        return Verdict(Outcome.REFUTED, by, f"{said}; {error}")

    def contradicted(self, index: int, mutant: Mutant) -> str | None:
        """Compare a mutant in the C simulation."""
        verdict = self._mutation.judge(index, mutant)
        return None if verdict.outcome is not Caught.CAUGHT else f"csim catches it by {verdict.by}: {verdict.detail}"

    @cached_property
    def _mutation(self) -> Mutation:
        folder = self._folder / "csim"
        folder.mkdir()
        own = self._sources
        written = ProjectSources(own.project, own.project_name, list(own.golden_names))
        return Mutation(written, own.project_name, self._simulation, folder)


def _said(proof: SourceProof) -> str:
    """Say which layer is not proven first, and why."""
    differs = {name: finding for name, finding in proof.findings.items() if finding.differences}
    for name, finding in (differs or proof.findings).items():
        if finding.differences:
            return f"{name}, value {finding.differences[0].place}: {finding.differences[0].reason}"
        if finding.open is not None:
            return f"{name}: {finding.open}"
    return ""


def _kind_of(found: Refutation) -> str:
    if found.hardware is None:
        return "codes of layers"
    kind = "events in a row" if found.before else "event"
    return f"{kind} in the branch that is synthesized" if found.in_synthesis else kind


def _event(found: Refutation) -> str:
    where = f"value {found.channel} of {found.layer} is {found.found_code} instead of {found.expected_code}"
    if found.thresholds:
        where = f"with the thresholds {', '.join(map(str, found.thresholds))} loaded, {where}"
    if found.hardware is None:
        return f"with codes in the place of layers, {where}"
    behind = f" behind {len(found.before)} others" if found.before else ""
    return f"on the event {' '.join(map(str, found.hardware))}{behind}, {where}"


def _last_line(error: CheckFailed) -> str:
    lines = [line for line in str(error).splitlines() if "error" in line] or str(error).strip().splitlines()
    return lines[0].strip()
