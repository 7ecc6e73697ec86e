"""The commands of single stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from fpgaae.cli.options import (
    RUNS,
    ConfigArgument,
    ForceOption,
    JsonOption,
    RunsOption,
    StageOptions,
    VerboseOption,
)
from fpgaae.cli.output import (
    errors_as_sentences,
    fail,
    open_console,
    open_progress,
    print_json,
    set_up_logging,
)
from fpgaae.cli.summary import drift_tables, layers_table, mutants_table, summarize, unproven_sentence
from fpgaae.hls.comparison import failure_sentence
from fpgaae.hls.mutation import missed_sentence, run_mutation
from fpgaae.optional import require
from fpgaae.pipeline import compare_events, import_model, run
from fpgaae.progress import Progress
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.imported import ImportResult
from fpgaae.runs.results.prove import ProveResult
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.run import Outcome, RunOptions
from fpgaae.runs.stages import STAGES


def run_stage_command(stage: str, config: Path, options: StageOptions) -> None:
    """Run a stage, print its result, and exit 1 when a check did not pass."""
    set_up_logging(options.verbose)
    progress = open_progress(options.as_json)
    with errors_as_sentences():
        experiment = open_experiment(config, options.runs)
        how = RunOptions(options.force, options.keep_edited, progress)
        outcome = run(experiment, stage, how)
    if options.as_json:
        print_json(outcome.result)
    else:
        print_outcome(experiment, stage, outcome)
    _refuse_failure(outcome.result)


def _refuse_failure(result: StageResult) -> None:
    """Exit 1 when a check did not pass."""
    if isinstance(result, CsimResult | RtlResult) and not result.passed:
        fail(failure_sentence(result), 1)
    if isinstance(result, ProveResult) and not result.passed:
        fail(unproven_sentence(result), 1)


def print_outcome(experiment: Experiment, stage: str, outcome: Outcome[StageResult]) -> None:
    """Print where the result of a stage stands, and its table."""
    console = open_console()
    state = "is current" if outcome.was_current else "done"
    console.print(
        f"[bold]{stage}[/] of {escape(experiment.name)} {state}: {experiment.result_path(stage)}", soft_wrap=True
    )
    if outcome.was_current and outcome.edited:
        console.print(f"edited by hand and left as it is: {', '.join(outcome.edited)}", soft_wrap=True)
    if not outcome.was_current or STAGES[stage].is_check or stage == "evaluate":
        console.print(summarize(stage, outcome.result))


def plain_command(stage: str) -> Callable[..., None]:
    """Make the command of a stage that has the common options only."""

    def command(
        config: ConfigArgument,
        runs: RunsOption = RUNS,
        as_json: JsonOption = False,
        force: ForceOption = False,
        verbose: VerboseOption = False,
    ) -> None:
        run_stage_command(stage, config, StageOptions(runs, as_json, force, verbose))

    return command


def import_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .keras or .h5 file.", show_default=False)],
    config: Annotated[Path, typer.Option("--config", help="The experiment's YAML file.", show_default=False)],
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    quantize: Annotated[
        bool, typer.Option("--quantize", help="Quantize a QKeras model anew, by the config, instead of as it is.")
    ] = False,
) -> None:
    """Take a Keras or QKeras model from a file instead of a training; a float one is quantized by the config."""
    set_up_logging(False)
    progress = open_progress(as_json)
    with errors_as_sentences():
        outcome = import_model(model, config, runs, RunOptions(force, progress=progress), quantize=quantize)
        experiment = open_experiment(config, runs)
    if as_json:
        print_json(outcome.result)
        return
    replaced = experiment.result(ImportResult).replaces
    if replaced and not outcome.was_current:
        Console().print(f"replaces the import of {escape(replaced)}", highlight=False)
    print_outcome(experiment, "train", outcome)


def convert(
    config: ConfigArgument,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    keep_edited: Annotated[
        bool,
        typer.Option("--keep-edited", help="Leave a project that was edited by hand as it is, and name the files."),
    ] = False,
) -> None:
    """Write the HLS project and the golden codes, proven equal to the Keras model."""
    run_stage_command("convert", config, StageOptions(runs, as_json, force, verbose, keep_edited))


def csim(
    config: ConfigArgument,
    runs: RunsOption = RUNS,
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
    options = StageOptions(runs, as_json, force, verbose)
    if not mutate:
        run_stage_command("csim", config, options)
        return
    set_up_logging(verbose)
    progress = open_progress(as_json)
    with errors_as_sentences():
        experiment = open_experiment(config, runs)
        outcome = run(experiment, "csim", RunOptions(force, False, progress))
        _refuse_failure(outcome.result)
        result = run_mutation(experiment, mutate, progress)
    if as_json:
        print_json(result)
    else:
        console = open_console()
        console.print(mutants_table(result))
    if not result.passed:
        fail(missed_sentence(result), 1)


def rtl(
    config: ConfigArgument,
    runs: RunsOption = RUNS,
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
    set_up_logging(verbose)
    with errors_as_sentences():
        experiment = open_experiment(config, runs)
        progress = open_progress(as_json)
        run(experiment, "trace", RunOptions(keep_edited=True, progress=progress))
        if layers:
            _compare_layers(experiment, progress, as_json)
    run_stage_command("rtl", config, StageOptions(runs, as_json, force, verbose))


def _compare_layers(experiment: Experiment, progress: Progress, as_json: bool) -> None:
    """Compare every layer of the traced logic, and exit 1 when one differs."""
    require("da4ml", "layers are traced with it")
    from fpgaae.rtl.layer_comparison import compare_layers, wrong_layer_sentence  # noqa: PLC0415

    result = compare_layers(experiment, progress)
    if not as_json:
        open_console().print(layers_table(result.layers))
    if not result.passed:
        fail(wrong_layer_sentence(result), 1)


def evaluate(
    config: ConfigArgument,
    runs: RunsOption = RUNS,
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
    options = StageOptions(runs, as_json, force, verbose)
    if against is None:
        run_stage_command("evaluate", config, options)
        return
    set_up_logging(verbose)
    progress = open_progress(as_json)
    with errors_as_sentences():
        result = compare_events(open_experiment(config, runs), against, progress)
    if as_json:
        print_json(result)
    else:
        open_console().print(drift_tables(result))
