"""What leaves an experiment: the emulator, packages for a design or CMSSW, scores of many files, new thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fpgaae.api.results import Run
from fpgaae.emulator import export, model_package
from fpgaae.ip import export as ip_export
from fpgaae.ip.thresholds import Wanted, new_thresholds
from fpgaae.progress import Progress, SilentProgress
from fpgaae.runs.results.emulate import EmulateResult, ExportedEmulator, ExportedModel
from fpgaae.runs.results.ip import ExportedIp
from fpgaae.runs.results.thresholds import ThresholdSet

__all__ = ["choose_thresholds", "emulate", "export_cmssw", "export_emulator", "export_ip"]


def export_emulator(opened: Run, folder: str | Path) -> ExportedEmulator:
    """Write the emulator: a stand-alone C++ library with the firmware's exact score and decisions, and its self-test.

    Parameters
    ----------
    folder
        Must not exist.

    Raises
    ------
    InputError
        If the folder exists, or the experiment is not converted.
    CheckFailed
        If a code of the compiled emulator differs from a golden one.

    Examples
    --------
    >>> exported = fpgaae.export_emulator(fpgaae.open_run("small.yaml"), "exported")
    >>> exported.name, exported.vectors > 100
    ('autoencoder', True)
    """
    return export.export_emulator(opened.experiment, Path(folder))


def export_cmssw(opened: Run, folder: str | Path, version: str = "v1") -> ExportedModel:
    """Write the emulator behind `hls4mlEmulator::Model`, as CMSSW loads it, with a loader that compares it.

    Parameters
    ----------
    folder
        Must not exist.
    version
        Part of the library's name, so that several versions lie side by side.

    Raises
    ------
    InputError
        If the folder exists, the version can't stand in a name, or the experiment is not converted.
    CheckFailed
        If a code differs through the interface.

    Examples
    --------
    >>> exported = fpgaae.export_cmssw(fpgaae.open_run("small.yaml"), "v1", version="v1")
    >>> exported.library, exported.events > 100
    ('autoencoder_v1.so', True)
    """
    return model_package.export_model(opened.experiment, Path(folder), version)


def export_ip(opened: Run, folder: str | Path, version: str = "1.0.0") -> ExportedIp:
    """Write the Verilog that `rtl` proved as a package: IP-XACT, FuseSoC, Tcl for Vivado, registers, data sheet.

    Parameters
    ----------
    folder
        Must not exist.
    version
        Three numbers.

    Raises
    ------
    InputError
        If the folder exists, the version is none, or `rtl` has not passed on the present config.

    Examples
    --------
    >>> package = fpgaae.export_ip(fpgaae.open_run("small.yaml"), "ip", version="1.2.0")
    >>> package.component
    'fpgaae:trigger:autoencoder:1.2.0'
    """
    return ip_export.export_ip(opened.experiment, Path(folder), version)


def emulate(  # noqa: PLR0913 - all but three are named
    opened: Run,
    files: Sequence[str | Path],
    output: str | Path,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    thresholds: str | Path | None = None,
    progress: Progress | None = None,
) -> EmulateResult:  # fmt: skip
    """Give the firmware's exact score and decisions for events in many files, spread over processes or machines.

    Parameters
    ----------
    files
        Event files of the layout that the config describes, folders of them, or patterns.
    output
        Folder of NAME_scores.h5 for each file and `emulate.json`.
    scheduler
        Address of your own Dask scheduler; by default processes here.
    workers
        How many processes here; by default one a core.
    thresholds
        A file that `choose_thresholds` wrote for this network, in the place of the trained thresholds.

    Returns
    -------
    The content of `emulate.json`; `failed` says what is wrong with the files that could not be read.

    Raises
    ------
    FpgaaeError
        With what is wrong, and the way out; finished files stay finished.

    Examples
    --------
    >>> scored = fpgaae.emulate(fpgaae.open_run("small.yaml"), ["signal.h5"], "scored", workers=1)
    >>> [(file.output, file.events) for file in scored.files], dict(scored.failed)
    ([('signal_scores.h5', 1500)], {})
    """
    from fpgaae.emulator.emulate import EmulateOptions  # noqa: PLC0415 - Dask takes a second to import
    from fpgaae.emulator.emulate import emulate as score_files  # noqa: PLC0415

    loaded = None if thresholds is None else Path(thresholds)
    options = EmulateOptions(scheduler, workers, progress or SilentProgress(), loaded)
    return score_files(opened.experiment, [Path(file) for file in files], Path(output), options)


def choose_thresholds(
    opened: Run,
    events: Sequence[str | Path],
    output: str | Path,
    *,
    rates_khz: Sequence[float] = (),
    progress: Progress | None = None,
) -> ThresholdSet:
    """Choose new thresholds for the deployed block from new background events, as register writes.

    Parameters
    ----------
    events
        Files of background events.
    output
        The register file, JSON; must not exist.
    rates_khz
        One a threshold; by default the rates of the config.

    Raises
    ------
    InputError
        If the experiment is not converted, a file is damaged or of another layout, or a rate can't be had.

    Examples
    --------
    >>> run = fpgaae.open_run("small.yaml")
    >>> chosen = fpgaae.choose_thresholds(run, ["background.h5"], "thresholds.json")
    >>> len(chosen.thresholds) == len(run.csim.thresholds)
    True
    """
    wanted = Wanted([Path(file) for file in events], Path(output), rates_khz)
    return new_thresholds(opened.experiment, wanted, progress or SilentProgress())
