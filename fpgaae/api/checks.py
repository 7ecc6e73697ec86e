"""Checks beside those of the stages: of this machine, of layers and netlists, and of the checks themselves."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from fpgaae import pipeline
from fpgaae.api.results import Run
from fpgaae.doctor import run_checks as check_machine
from fpgaae.emulator.mutation import run_mutation as mutate_emulator
from fpgaae.errors import InputError
from fpgaae.hls.mutation import run_mutation as mutate_project
from fpgaae.optional import require
from fpgaae.progress import Progress, SilentProgress
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.mutants import MutantsResult, ProofTarget, ProveMutantsResult
from fpgaae.runs.results.rtl import RtlLayersResult
from fpgaae.runs.results.synth import MappedResult
from fpgaae.runs.run import RunOptions

__all__ = ["check_machine", "compare_layers", "compare_netlist", "mutate", "mutate_proof"]


def mutate(
    opened: Run, target: str, n: int, *, force: bool = False, progress: Progress | None = None
) -> MutantsResult:  # fmt: skip
    """Prove a check itself: damage n copies of what it checks, each of which it must catch.

    Parameters
    ----------
    target
        `csim` (the HLS project), `rtl` (the traced Verilog, and VHDL where GHDL is installed) or `emulator`.
    force
        Run the stage again before, although its result is current.

    Returns
    -------
    How many were caught, proven to compute the same, and missed, with every mutant; also written as a JSON file.

    Raises
    ------
    CheckFailed
        If the sound one does not pass.
    InputError
        If there is no such target, or the experiment is not converted (not traced).

    Examples
    --------
    >>> run = fpgaae.open_run("small.yaml")
    >>> found = fpgaae.mutate(run, "emulator", 2)
    >>> found.total, found.missed
    (2, 0)
    """
    if target not in _MUTATIONS:
        raise InputError(f"there is nothing to damage for {target}; there are {', '.join(_MUTATIONS)}")
    progress = progress or SilentProgress()
    if target != "emulator":
        _require_passed(opened, target, force, progress)
    return _MUTATIONS[target](opened.experiment, n, progress)


def mutate_proof(
    opened: Run, target: ProofTarget | str, n: int, *, force: bool = False, progress: Progress | None = None
) -> ProveMutantsResult:
    """Prove the proof itself: damage n copies, each of which `prove` must refute by an event, or prove equal.

    Parameters
    ----------
    target
        `hls`, `verilog` or `emulator`.
    force
        Prove the sound one again before, although its result is current.

    Raises
    ------
    CheckFailed
        If the sound one is not proven.
    InputError
        If there is no such target, or the experiment is not converted (not traced).

    Examples
    --------
    >>> found = fpgaae.mutate_proof(fpgaae.open_run("small.yaml"), "hls", 2)
    >>> found.total, found.open, found.wrong
    (2, 0, 0)
    """
    try:
        wanted = ProofTarget(target)
    except ValueError:
        raise InputError(
            f"there is no proof of {target}; there are {', '.join(t.value for t in ProofTarget)}"
        ) from None
    progress = progress or SilentProgress()
    _require_passed(opened, "prove", force, progress)
    from fpgaae.prove.mutation import run_mutation  # noqa: PLC0415

    return run_mutation(opened.experiment, wanted, n, progress)


def _require_passed(opened: Run, stage: str, force: bool, progress: Progress) -> None:
    outcome = pipeline.run(opened.experiment, stage, RunOptions(force, progress=progress))
    if (error := pipeline.error_of(outcome.result)) is not None:
        raise error


def compare_layers(opened: Run, *, progress: Progress | None = None) -> RtlLayersResult:
    """Compare the codes of every layer of the traced logic with the golden ones, where `rtl` sees score and decisions.

    Raises
    ------
    InputError
        If the experiment is not traced.
    ToolMissing
        If da4ml is not installed.

    Examples
    --------
    >>> compared = fpgaae.compare_layers(fpgaae.open_run("small.yaml"))
    >>> compared.passed, compared.mismatched_events
    (True, 0)
    """
    require("da4ml", "layers are traced with it")
    from fpgaae.rtl.layer_comparison import compare_layers as compare_traced  # noqa: PLC0415

    return compare_traced(opened.experiment, progress or SilentProgress())


def compare_netlist(opened: Run, n_events: int, *, progress: Progress | None = None) -> MappedResult:
    """Simulate the netlist that `synth` mapped on some events of each origin, and compare score and decisions.

    Raises
    ------
    InputError
        If `synth` was not run on the present config.
    ToolMissing
        If there is no Yosys or Verilator.

    Examples
    --------
    >>> compared = fpgaae.compare_netlist(fpgaae.open_run("small.yaml"), 300)
    >>> compared.passed, compared.events, compared.mismatched_events
    (True, 300, 0)
    """
    from fpgaae.place.mapped import compare_mapped  # noqa: PLC0415

    return compare_mapped(opened.experiment, n_events, progress or SilentProgress())


def _mutate_rtl(experiment: Experiment, n: int, progress: Progress) -> MutantsResult:
    require("da4ml", "its interpreter says what each stage must give")
    from fpgaae.rtl.mutation import run_mutation  # noqa: PLC0415

    return run_mutation(experiment, n, progress)


_MUTATIONS: MappingProxyType[str, Callable[[Experiment, int, Progress], MutantsResult]] = MappingProxyType(
    {"csim": mutate_project, "rtl": _mutate_rtl, "emulator": mutate_emulator}
)
