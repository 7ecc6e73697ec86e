"""The command `fpgaae`: one subcommand a stage. The only place that parses, prints and exits."""

from __future__ import annotations

import errno
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from fpgaae import __version__, doctor
from fpgaae.cli.summary import (
    drift_tables,
    emulate_table,
    findings_table,
    layers_table,
    lint_table,
    mutants_table,
    scan_summary,
    summarize,
)
from fpgaae.cli.terminal import TerminalProgress
from fpgaae.emulator.export import export_emulator
from fpgaae.errors import FpgaaeError
from fpgaae.hls.comparison import failure_sentence
from fpgaae.hls.lint.run import has_errors, lint_target
from fpgaae.hls.mutation import missed_sentence, run_mutation
from fpgaae.pipeline import compare_events, explore, import_model, run
from fpgaae.progress import Progress, SilentProgress
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.record import as_json
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.imported import ImportResult
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.run import Outcome, RunOptions
from fpgaae.runs.stages import STAGES, USES, explore_stage

app = typer.Typer(
    help="Trigger objects to verified trigger firmware. Each stage reads the results of the stages before it from "
    "runs/EXPERIMENT/ and writes its own; a stage whose config and inputs are unchanged is not run again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_INTERRUPTED = 130

ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The experiment's YAML file.", show_default=False)
]
RunsOption = Annotated[Path, typer.Option("--runs", help="Where the run folders are.")]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="Of your own Dask scheduler, as in tcp://host:8786."),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, metavar="N", help="Processes here; by default one a core.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result file on standard output, and nothing else.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Run although the result is current, or was edited by hand.")
]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Log what the tools say, on standard error.")]
_RUNS = Path("runs")


def _print_version(wanted: bool) -> None:
    if wanted:
        Console().print(f"fpgaae {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    del version


def _progress(as_json: bool) -> Progress:
    """Show how far the work is, but print nothing beside JSON."""
    return SilentProgress() if as_json else TerminalProgress()


def _print_json(content: object) -> None:
    """Print a result and nothing else."""
    content = as_json(content) if is_dataclass(content) else content
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def _console(columns: int = 100) -> Console:
    """Give what prints tables: as wide as the terminal, or of so many columns in a file or pipe."""
    return Console(width=None if sys.stdout.isatty() else columns, highlight=False)


def _fail(message: str, exit_code: int) -> NoReturn:
    """Say what is wrong on standard error and exit."""
    sys.stderr.write(f"fpgaae: {message}\n")
    sys.exit(exit_code)


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    """Turn every expected error into one sentence and its exit code."""
    try:
        yield
    except FpgaaeError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted; the last finished results are untouched, and a training goes on where it was", _INTERRUPTED)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            _fail(f"the disk is full{where}; free some space and run again, earlier results are untouched", 2)
        if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            _fail(f"no permission to read or write{where or ' a file'}; correct its permissions", 2)
        _fail(f"a file can't be read or written{where}: {error.strerror or error}; correct the path", 2)


class _Options(NamedTuple):
    """The options that every stage has."""

    runs: Path
    as_json: bool
    force: bool
    verbose: bool
    keep_edited: bool = False


def _stage(stage: str, config: Path, options: _Options) -> None:
    """Run a stage, print its result, and exit 1 when a check did not pass."""
    _set_up_logging(options.verbose)
    progress = _progress(options.as_json)
    with _errors_as_sentences():
        experiment = open_experiment(config, options.runs)
        how = RunOptions(options.force, options.keep_edited, progress)
        outcome = run(experiment, stage, how)
    if options.as_json:
        _print_json(outcome.result)
    else:
        _print_outcome(experiment, stage, outcome)
    _refuse_failure(outcome.result)


def _refuse_failure(result: StageResult) -> None:
    """Exit 1 when a check did not pass."""
    if isinstance(result, CsimResult | RtlResult) and not result.passed:
        _fail(failure_sentence(result), 1)


def _set_up_logging(verbose: bool) -> None:
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, format="%(name)s: %(message)s")
    for noisy in ("matplotlib", "h5py", "PIL", "absl", "tensorflow", "distributed"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _print_outcome(experiment: Experiment, stage: str, outcome: Outcome[StageResult]) -> None:
    console = _console()
    state = "is current" if outcome.was_current else "done"
    console.print(
        f"[bold]{stage}[/] of {escape(experiment.name)} {state}: {experiment.result_path(stage)}", soft_wrap=True
    )
    if outcome.was_current and outcome.edited:
        console.print(f"edited by hand and left as it is: {', '.join(outcome.edited)}", soft_wrap=True)
    if not outcome.was_current or STAGES[stage].is_check or stage == "evaluate":
        console.print(summarize(stage, outcome.result))


def _add_stage(stage: str, text: str) -> None:
    """Make the subcommand of a stage that has the common options only."""

    def command(
        config: ConfigArgument,
        runs: RunsOption = _RUNS,
        as_json: JsonOption = False,
        force: ForceOption = False,
        verbose: VerboseOption = False,
    ) -> None:
        _stage(stage, config, _Options(runs, as_json, force, verbose))

    app.command(name=stage, help=text)(command)


_add_stage("data", "Turn events into hardware integers, split them by group, and freeze the scaling of every feature.")
_add_stage("reference", "Train the full-precision autoencoder that the quantized one starts from and is compared with.")
_add_stage("train", "Train the quantized, pruned autoencoder; a killed training goes on where it was.")


@app.command(name="import")
def import_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .keras or .h5 file.", show_default=False)],
    config: Annotated[Path, typer.Option("--config", help="The experiment's YAML file.", show_default=False)],
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    quantize: Annotated[
        bool, typer.Option("--quantize", help="Quantize a QKeras model anew, by the config, instead of as it is.")
    ] = False,
) -> None:
    """Take a Keras or QKeras model from a file instead of a training; a float one is quantized by the config."""
    _set_up_logging(False)
    progress = _progress(as_json)
    with _errors_as_sentences():
        outcome = import_model(model, config, runs, RunOptions(force, progress=progress), quantize=quantize)
        experiment = open_experiment(config, runs)
    if as_json:
        _print_json(outcome.result)
        return
    replaced = experiment.result(ImportResult).replaces
    if replaced and not outcome.was_current:
        Console().print(f"replaces the import of {escape(replaced)}", highlight=False)
    _print_outcome(experiment, "train", outcome)


@app.command()
def convert(
    config: ConfigArgument,
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    keep_edited: Annotated[
        bool,
        typer.Option("--keep-edited", help="Leave a project that was edited by hand as it is, and name the files."),
    ] = False,
) -> None:
    """Write the HLS project and the golden codes, proven equal to the Keras model."""
    _stage("convert", config, _Options(runs, as_json, force, verbose, keep_edited))


@app.command()
def csim(
    config: ConfigArgument,
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    mutate: Annotated[
        int,
        typer.Option(
            "--mutate",
            min=0,
            metavar="N",
            help="Prove the check itself: damage N copies of the project, each of which must be caught, or proven to "
            "compute the same. Writes mutants.json; exits 1 when one is missed.",
        ),
    ] = 0,
) -> None:
    """Compile the written project and compare every layer, the score and the decisions bit for bit.

    Exits 1 when one bit differs, naming the first layer in which it does.
    """
    options = _Options(runs, as_json, force, verbose)
    if not mutate:
        _stage("csim", config, options)
        return
    _set_up_logging(verbose)
    progress = _progress(as_json)
    with _errors_as_sentences():
        experiment = open_experiment(config, runs)
        outcome = run(experiment, "csim", RunOptions(force, False, progress))
        _refuse_failure(outcome.result)
        result = run_mutation(experiment, mutate, progress)
    if as_json:
        _print_json(result)
    else:
        console = _console()
        console.print(mutants_table(result))
    if not result.passed:
        _fail(missed_sentence(result), 1)


_add_stage("trace", "Trace the whole trigger block into pipelined Verilog and VHDL, without a vendor tool.")


@app.command()
def rtl(
    config: ConfigArgument,
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="Before, compare the codes of every layer of the traced logic, too, and name the first that is wrong. "
            "Writes rtl_layers.json.",
        ),
    ] = False,
) -> None:
    """Simulate the traced Verilog clock by clock and compare score and decisions bit for bit.

    Traces first where that has not been done; Verilog that was edited by hand is compared as it is. The VHDL is
    simulated, too, where GHDL is installed. Exits 1 when one bit differs.
    """
    _set_up_logging(verbose)
    with _errors_as_sentences():
        experiment = open_experiment(config, runs)
        progress = _progress(as_json)
        run(experiment, "trace", RunOptions(keep_edited=True, progress=progress))
        if layers:
            _compare_layers(experiment, progress, as_json)
    _stage("rtl", config, _Options(runs, as_json, force, verbose))


def _compare_layers(experiment: Experiment, progress: Progress, as_json: bool) -> None:
    """Compare every layer of the traced logic, and exit 1 when one differs."""
    from fpgaae.rtl.layer_comparison import compare_layers, wrong_layer_sentence  # noqa: PLC0415 - it needs da4ml

    result = compare_layers(experiment, progress)
    if not as_json:
        _console().print(layers_table(result.layers))
    if not result.passed:
        _fail(wrong_layer_sentence(result), 1)


_add_stage("synth", "Synthesize the proven Verilog with Yosys: LUT, FF, DSP, BRAM and the depth of the logic.")


@app.command()
def evaluate(
    config: ConfigArgument,
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Compare the test background with the events of FILE instead: score, rates and features, and which "
            "feature moved. Writes drift.json.",
        ),
    ] = None,
) -> None:
    """Compare float, quantized and firmware scores per signal, with intervals and no-network baselines."""
    options = _Options(runs, as_json, force, verbose)
    if against is None:
        _stage("evaluate", config, options)
        return
    _set_up_logging(verbose)
    progress = _progress(as_json)
    with _errors_as_sentences():
        result = compare_events(open_experiment(config, runs), against, progress)
    if as_json:
        _print_json(result)
    else:
        _console().print(drift_tables(result))


_add_stage("report", "Write one self-contained HTML page about the experiment.")


@app.command(name="explore")
def explore_command(
    config: ConfigArgument,
    uses: Annotated[
        list[str] | None,
        typer.Argument(metavar="[USE]...", help=f"Of {', '.join(USES)}; by default all that the method has."),
    ] = None,
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Use a float method for more than a score: maps, samples, imputation, clusters, with a figure each.

    Trains the method where that has not been done. Writes explore-USE/USE.json, .png and .pdf.
    """
    _set_up_logging(verbose)
    progress = _progress(as_json)
    with _errors_as_sentences():
        experiment = open_experiment(config, runs)
        outcomes = explore(experiment, uses or (), RunOptions(force, progress=progress))
    if as_json:
        _print_json({use: outcome.result.to_json() for use, outcome in outcomes.items()})
        return
    console = _console()
    for use, outcome in outcomes.items():
        folder = experiment.stage_folder(explore_stage(use))
        console.print(f"[bold]{use}[/] of {escape(experiment.name)}: {folder / f'{use}.png'}", soft_wrap=True)
        for sentence in outcome.result.summary:
            console.print(f"  {escape(sentence)}", soft_wrap=True)


@app.command()
def export(
    config: ConfigArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; must not exist.", show_default=False)],
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
    emulator: Annotated[
        bool, typer.Option("--emulator", help="Write the emulator, which is all that there is to export.")
    ] = True,
) -> None:
    """Write the emulator: a stand-alone C++ library with the firmware's exact score and decisions.

    Plain C functions, a Python binding, a Makefile, and a self-test against golden vectors.
    """
    del emulator
    with _errors_as_sentences():
        result = export_emulator(open_experiment(config, runs), folder)
    if as_json:
        _print_json(result)
        return
    console = _console()
    console.print(f"emulator of {escape(result.name)} in {escape(result.folder)}", soft_wrap=True)
    console.print(f"{result.vectors:,} golden events agree; `make test` there repeats it", soft_wrap=True)


@app.command(name="emulate")
def emulate_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    config: ConfigArgument,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Event files, as in `data.files`.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder for NAME_scores.h5 of each file, and emulate.json.")],
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
    scheduler: SchedulerOption = None,
    workers: WorkersOption = None,
) -> None:
    """Give the firmware's exact score and decisions for events in many files, spread over processes or machines.

    The bytes of a result do not depend on the number of workers. A run that was killed goes on where it was; a file
    that can't be read is named at the end, and the others are done.
    """
    from fpgaae.emulator.emulate import EmulateOptions, emulate  # noqa: PLC0415 - Dask takes a second to import

    progress = _progress(as_json)
    with _errors_as_sentences():
        result = emulate(open_experiment(config, runs), files, output, EmulateOptions(scheduler, workers, progress))
    if as_json:
        _print_json(result)
    else:
        _console().print(emulate_table(result))
    if result.failed:
        _fail("; ".join(result.failed.values()), 2)


@app.command(name="scan")
def scan_command(
    config: Annotated[
        Path, typer.Argument(metavar="SCAN", help="A scan's YAML file, as in configs/scan/.", show_default=False)
    ],
    runs: RunsOption = _RUNS,
    as_json: JsonOption = False,
    scheduler: SchedulerOption = None,
    workers: WorkersOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Train many variants of an experiment and find the front of performance against cost; a killed scan goes on.

    Exits 1 when a trial failed.
    """
    from fpgaae.scan.plan import load_scan  # noqa: PLC0415
    from fpgaae.scan.run import ScanOptions, run_scan  # noqa: PLC0415

    _set_up_logging(verbose)
    progress = _progress(as_json)
    with _errors_as_sentences():
        result = run_scan(load_scan(config), runs, ScanOptions(scheduler, workers, progress))
    if as_json:
        _print_json(result)
    else:
        console = _console(140)
        console.print(scan_summary(result))
    if failed := result.failed:
        trial, sentence = next(iter(failed.items()))
        _fail(f"{len(failed)} trials failed; {trial}: {sentence}", 1)


@app.command(name="references")
def references_command(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="RUNS...", help="Run folders; by default all of --runs.")
    ] = None,
    runs: RunsOption = _RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare finished float methods: AUC and TPR per score and signal, mean and spread over the ensemble."""
    from fpgaae.training.methods.comparison import compare_references, comparison_markdown  # noqa: PLC0415

    with _errors_as_sentences():
        result = compare_references(folders or [path.parent for path in runs.glob("*/reference")])
    if as_json:
        _print_json(result)
    else:
        sys.stdout.write(comparison_markdown(result))


@app.command(name="doctor")
def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this machine: compiler, packages, threads, disk, optional tools; say what to install."""
    findings = doctor.run_checks()
    if as_json:
        rows = [{"name": f.name, "status": f.status.value, "detail": f.detail, "cure": f.cure} for f in findings]
        _print_json(rows)
    else:
        Console().print(findings_table(findings))
    if any(finding.status is doctor.Status.MISSING for finding in findings):
        raise typer.Exit(3)


@app.command(name="lint")
def lint_command(
    target: Annotated[
        Path,
        typer.Argument(metavar="TARGET", help="A YAML config, a model (.h5, .keras) or a project.", show_default=False),
    ],
    config: Annotated[
        Path | None, typer.Option("--config", help="The config whose firmware section a model is judged by.")
    ] = None,
    runs: RunsOption = _RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find what would make the firmware differ, before training. Exits 1 on errors."""
    with _errors_as_sentences():
        reports = lint_target(target, runs, config)
    if as_json:
        rows = [row for report in reports for row in report.to_json()]
        _print_json(rows)
    else:
        console = _console()
        for report in reports:
            console.print(lint_table(report), soft_wrap=not report.findings)
    if has_errors(reports):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    app()
