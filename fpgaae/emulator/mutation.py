"""The proof of the emulator's self-test: damaged copies of a package, each of which its own `make test` must catch."""

from __future__ import annotations

import shutil
from pathlib import Path

from fpgaae.doctor import require_compiler
from fpgaae.emulator.equivalence import Prover
from fpgaae.emulator.export import build_package, open_deployed
from fpgaae.emulator.mutants import KINDS
from fpgaae.emulator.package_sources import PackageSources
from fpgaae.errors import CheckFailed
from fpgaae.files import write_json
from fpgaae.hls.mutant import Mutant, damaged_copies, make_mutants
from fpgaae.hls.verdicts import Outcome, Verdict, judge_all, same_program, uncaught
from fpgaae.processes import ProgramHangs, run_program
from fpgaae.progress import Progress
from fpgaae.rtl.tools import MAKE, require_tool
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import read_manifest
from fpgaae.runs.record import as_json
from fpgaae.runs.results.mutants import EmulatorMutantsResult

MUTANTS_FILE = "emulator_mutants.json"  # in the run folder: the package itself lies where the user wants it
_TIMEOUT_S = 120
_FLAGS = "-O1 -march=native"  # half of the time of -O3


class Mutation:
    """Makes and tests the mutants of one package.

    Parameters
    ----------
    folder
        Scratch space.
    """

    def __init__(self, sources: PackageSources, folder: Path) -> None:
        self._folder = folder
        self._make = require_tool(MAKE)
        require_compiler()
        self._sources = sources
        self._prover = Prover(sources)
        self._library = f"lib{sources.code.removesuffix('.cpp')}.so"
        for built in (self._library, "self_test"):
            (sources.project / built).unlink(missing_ok=True)
        if (verdict := self._test(sources.project)) is not None:
            raise CheckFailed(
                f"the emulator itself does not pass, so that nothing can be said of mutants: {verdict.detail}"
            )
        self._code = (sources.project / self._library).read_bytes()
        (sources.project / self._library).unlink()

    def judge(self, index: int, mutant: Mutant) -> Verdict:
        """Build a mutant and run its self-test."""
        folder = self._folder / f"mutant_{index}"
        try:
            shutil.copytree(self._sources.project, folder)
            for file, text in mutant.edits.items():
                (folder / file).write_text(text, encoding="utf-8")
            if (caught := self._test(folder)) is not None:
                return caught
            if (folder / self._library).read_bytes() == self._code:
                return same_program()
            return uncaught(mutant, self._prover.prove(mutant))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _test(self, folder: Path) -> Verdict | None:
        """Run `make test` in a package; give what caught it."""
        try:
            done = run_program(
                [self._make, "test"], "a mutant", folder=folder, limit_s=_TIMEOUT_S, environment={"CXXFLAGS": _FLAGS}
            )
        except ProgramHangs:
            return Verdict(Outcome.CAUGHT, "timeout", detail=f"it does not end within {_TIMEOUT_S} s")
        if not done.returncode:
            return None
        said = f"{done.stdout}\n{done.stderr}".strip().splitlines()
        if not (folder / self._library).is_file():
            return Verdict(
                Outcome.CAUGHT, "compiler", detail=next((line for line in said if "error" in line), said[-1])
            )
        wrong = [line for line in said if " wrong" in line and not line.endswith(" 0 wrong")]
        by = "self-test" if wrong else "crash"
        return Verdict(Outcome.CAUGHT, by, detail=wrong[0] if wrong else said[-1])


def run_mutation(experiment: Experiment, n: int, progress: Progress) -> EmulatorMutantsResult:
    """Damage the emulator of an experiment n times, and write `emulator_mutants.json` into the run folder.

    The config's seed chooses the places.

    Raises
    ------
    InputError
        If the experiment is not converted.
    CheckFailed
        If the emulator itself does not pass.
    """
    deployed = open_deployed(experiment)
    with damaged_copies(experiment) as scratch:
        package = scratch / "package"
        package.mkdir()
        with progress.task("the sound emulator", None):
            build_package(deployed, package)
            sources = PackageSources(package, deployed.name, deployed.trigger)
            mutation = Mutation(sources, scratch)
        made = make_mutants(sources, KINDS, n, experiment.config.seed)
        judged = judge_all(mutation, made, experiment.config.seed, progress)
    fingerprint = read_manifest(experiment.stage_folder("convert"))["fingerprint"]
    result = EmulatorMutantsResult(**vars(judged), convert_fingerprint=fingerprint)
    write_json(experiment.folder / MUTANTS_FILE, as_json(result))
    return result
