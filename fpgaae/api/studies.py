"""Studies: of other events, of several experiments, seeds or variants, and what else a float method is good for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpgaae import pipeline
from fpgaae.api.configs import RUNS
from fpgaae.api.results import Run
from fpgaae.optional import require
from fpgaae.progress import Progress, SilentProgress
from fpgaae.runs.results.compare import RunComparison
from fpgaae.runs.results.drift import DriftResult
from fpgaae.runs.results.explore import UseResult
from fpgaae.runs.results.metrics import OtherEvents
from fpgaae.runs.results.place import FRONT_FILE, PlaceFront
from fpgaae.runs.results.repeat import RepeatResult
from fpgaae.runs.results.report import ReportResult
from fpgaae.runs.results.scan import ScanResult
from fpgaae.runs.run import RunOptions

FRONT_ADDERS = (2, 3, 4, 5, 6)  # between two registers

if TYPE_CHECKING:
    from fpgaae.training.methods.comparison import MethodComparison

__all__ = [
    "compare", "compare_methods", "compare_runs", "evaluate_events", "explore_method", "place_front", "repeat",
    "report_folder", "run_scan", "write_comparison",
]  # fmt: skip


def compare(opened: Run, events: str | Path, *, progress: Progress | None = None) -> DriftResult:
    """Compare the test background of an experiment with other events: score, rates, and which feature moved.

    The experiment is evaluated first, unless that is done.

    Raises
    ------
    FpgaaeError
        With what is wrong, and the way out.

    Examples
    --------
    >>> drift = fpgaae.compare(fpgaae.open_run("small.yaml"), "signal.h5")
    >>> "met_pt" in drift.moved
    True
    """
    return pipeline.compare_events(opened.experiment, Path(events), progress or SilentProgress())


def place_front(
    opened: Run, adders: Sequence[int] = FRONT_ADDERS, *, progress: Progress | None = None
) -> PlaceFront:  # fmt: skip
    """Place and route a traced block with so many adders between registers, and draw clock against latency.

    Writes `place_front/front.json`, `front.png` and `front.pdf` into the run folder. A point that was placed before is
    not placed again.

    Raises
    ------
    InputError
        If `trace` was not run on the present config.
    ToolMissing
        If Yosys or nextpnr is missing.
    CheckFailed
        If the block does not fit the chip.

    Examples
    --------
    >>> front = fpgaae.place_front(fpgaae.open_run("small.yaml"), [3, 8])
    >>> [point.depth for point in front.points], front.points[0].clock_mhz > front.points[1].clock_mhz
    ([3, 8], True)
    """
    require("da4ml", "the traced logic is cut with it")
    from fpgaae.evaluation.figure_files import save_figure  # noqa: PLC0415
    from fpgaae.place.front import place_front as place_all  # noqa: PLC0415
    from fpgaae.report.place_figures import front_figure  # noqa: PLC0415

    front = place_all(opened.experiment, adders, progress or SilentProgress())
    save_figure(front_figure(front), (opened.experiment.folder / FRONT_FILE).parent, "front")
    return front


def evaluate_events(opened: Run, other: str | Path, *, progress: Progress | None = None) -> OtherEvents:
    """Evaluate an experiment on the events of another config, signals included; writes `events_NAME.json`.

    The experiment is evaluated first, unless that is done.

    Raises
    ------
    FpgaaeError
        With what is wrong, and the way out.

    Examples
    --------
    >>> found = fpgaae.evaluate_events(fpgaae.open_run("small.yaml"), "small.yaml")
    >>> "firmware" in found.models
    True
    """
    return pipeline.evaluate_events(opened.experiment, Path(other), progress or SilentProgress())


def explore_method(
    opened: Run, uses: Sequence[str] = (), *, force: bool = False, progress: Progress | None = None
) -> dict[str, UseResult]:
    """Use a float method for more than a score: maps, samples, imputation, clusters, with a figure each.

    Parameters
    ----------
    uses
        By default all that the method has.
    force
        Make them although they are current.

    Raises
    ------
    InputError
        If the config has no method, or the method not one of the uses; nothing is then trained.

    Examples
    --------
    >>> pca = fpgaae.open_run({"extends": "small.yaml", "method": {"kind": "pca"}}, name="pca")
    >>> sorted(fpgaae.explore_method(pca, ["latent"]))
    ['latent']
    """
    options = RunOptions(force, progress=progress or SilentProgress())
    return {use: outcome.result for use, outcome in pipeline.explore(opened.experiment, uses, options).items()}


def run_scan(
    file: str | Path,
    *,
    runs: str | Path = RUNS,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ScanResult:
    """Train many variants of an experiment, and find the front of performance against cost; a killed scan goes on.

    Parameters
    ----------
    file
        The scan, as in `configs/scan/`.
    scheduler
        Address of your own Dask scheduler; by default processes here.
    workers
        How many processes here; by default one a core.

    Returns
    -------
    The points; `failed` says what is wrong with the trials that did not end.

    Raises
    ------
    FpgaaeError
        With what is wrong, and the way out; what was finished stays finished.

    Examples
    --------
    >>> found = fpgaae.run_scan("tiny.yaml", workers=1)
    >>> len(found.points), dict(found.failed)
    (2, {})
    """
    from fpgaae.scan.plan import load_scan  # noqa: PLC0415
    from fpgaae.scan.run import ScanOptions  # noqa: PLC0415
    from fpgaae.scan.run import run_scan as run_loaded  # noqa: PLC0415

    return run_loaded(load_scan(Path(file)), Path(runs), ScanOptions(scheduler, workers, progress or SilentProgress()))


def repeat(  # noqa: PLR0913 - all but one are named
    config: str | Path,
    *,
    seeds: int = 5,
    to: str = "train",
    on: str | None = None,
    rate: float = 1e-3,
    runs: str | Path = RUNS,
    progress: Progress | None = None,
) -> RepeatResult:  # fmt: skip
    """Train an experiment with several seeds and measure the firmware of each; a killed one goes on.

    Parameters
    ----------
    seeds
        How many, from the experiment's seed on.
    to
        Run every seed up to this stage.
    on
        The split of the events, test or validation; by default as the config says.
    rate
        False positive rate of the efficiencies.

    Raises
    ------
    FpgaaeError
        With what is wrong, and the way out; what was finished stays finished.

    Examples
    --------
    >>> fpgaae.repeat("small.yaml", seeds=2).seeds
    (42, 43)
    """
    from fpgaae.scan.repeat import RepeatOptions, run_repeat  # noqa: PLC0415

    return run_repeat(Path(config), Path(runs), RepeatOptions(seeds, to, on, rate, progress or SilentProgress()))


def compare_runs(folders: Sequence[str | Path]) -> RunComparison:
    """Compare finished experiments: metrics, rates, area, latency, proof, and paired differences to the first.

    Raises
    ------
    InputError
        If a folder holds neither an evaluation nor a float method, or two have one name.

    Examples
    --------
    >>> [own.name for own in fpgaae.compare_runs(["runs/small"]).runs]
    ['small']
    """
    from fpgaae.report.comparison import compare_runs as compared  # noqa: PLC0415

    return compared([Path(folder) for folder in folders])


def write_comparison(comparison: RunComparison, folder: str | Path) -> Path:
    """Write `comparison.json` and the page beside it, and give the path of the page.

    Examples
    --------
    >>> page = fpgaae.write_comparison(fpgaae.compare_runs(["runs/small"]), "compared")
    >>> page.as_posix()
    'compared/comparison.html'
    """
    from fpgaae.report.comparison import write_comparison as write  # noqa: PLC0415

    return write(comparison, Path(folder))


def compare_methods(folders: Sequence[str | Path] = (), *, runs: str | Path = RUNS) -> MethodComparison:
    """Compare finished float methods: AUC and efficiency of each score, mean and spread over the ensemble.

    Parameters
    ----------
    folders
        Run folders; by default all of `runs`.

    Raises
    ------
    InputError
        If none holds a float method.

    Examples
    --------
    >>> _ = fpgaae.run({"extends": "small.yaml", "method": {"kind": "pca"}}, name="pca")
    >>> "pca" in {row.method for row in fpgaae.compare_methods().rows}
    True
    """
    from fpgaae.training.methods.comparison import compare_methods as compared  # noqa: PLC0415

    return compared([Path(folder) for folder in folders] or [path.parent for path in Path(runs).glob("*/reference")])


def report_folder(folder: str | Path, output: str | Path) -> ReportResult:
    """Write the page of a finished run folder, which needs neither its config nor its events.

    Raises
    ------
    InputError
        If the folder has no evaluation, or one of its results was edited by hand.

    Examples
    --------
    >>> fpgaae.report_folder("runs/small", "page.html").file
    'page.html'
    """
    from fpgaae.report.stage import report_folder as write  # noqa: PLC0415

    return write(Path(folder), Path(output))
