"""The commands of single stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from fpgaae import api
from fpgaae.api.studies import FRONT_ADDERS
from fpgaae.cli.fresh import Program
from fpgaae.cli.mutants import report_mutants
from fpgaae.cli.options import (
    RUNS,
    ConfigArgument,
    ForceOption,
    JsonOption,
    RunsOption,
    SpreadSchedulerOption,
    SpreadWorkersOption,
    StageOptions,
    VerboseOption,
)
from fpgaae.cli.output import (
    errors_as_sentences,
    open_console,
    open_progress,
    print_json,
    refuse_failure,
    set_up_logging,
)
from fpgaae.cli.summary import attempts_table, summarize
from fpgaae.cli.tables import drift_tables, layers_table, other_events_tables
from fpgaae.errors import InputError
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.mutants import ProofTarget
from fpgaae.runs.run import Outcome
from fpgaae.runs.stages import STAGES

_DIGITS = 6


def run_stage_command(stage: str, config: Path, options: StageOptions) -> None:
    """Run a stage, print its result, and exit 1 when a check did not pass."""
    set_up_logging(options.verbose)
    progress = open_progress(options.as_json)
    with errors_as_sentences():
        opened = api.open_run(config, runs=options.runs)
        outcome = api.run_stage(
            opened, stage, force=options.force, keep_edited=options.keep_edited, progress=progress,
            scheduler=options.scheduler, workers=options.workers or "auto",
        )  # fmt: skip
    if options.as_json:
        print_json(outcome.result)
    else:
        print_outcome(opened.experiment, stage, outcome)
    refuse_failure(outcome.result)


def _mutate(target: str | ProofTarget, config: Path, options: StageOptions, n: int) -> None:
    """Run a check, and damage what it passes."""
    set_up_logging(options.verbose)
    progress = open_progress(options.as_json)
    with errors_as_sentences():
        opened = api.open_run(config, runs=options.runs)
        damage = api.mutate_proof if isinstance(target, ProofTarget) else api.mutate
        result = damage(opened, target, n, force=options.force, progress=progress)
    report_mutants(result, as_json=options.as_json)


def print_outcome(experiment: Experiment, stage: str, outcome: Outcome[StageResult]) -> None:
    """Print where the result of a stage stands, and its table."""
    console = open_console()
    state = "is current" if outcome.was_current else "done"
    console.print(
        f"[bold]{stage}[/] of {escape(experiment.name)} {state}: {escape(str(experiment.result_path(stage)))}",
        soft_wrap=True,
    )
    if outcome.was_current and outcome.edited:
        console.print(f"edited by hand and left as it is: {escape(', '.join(outcome.edited))}", soft_wrap=True)
    if not outcome.was_current or STAGES[stage].is_check or stage == "evaluate":
        console.print(summarize(stage, outcome.result))


def run_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    context: typer.Context,
    config: ConfigArgument,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            autocompletion=lambda: list(STAGES), metavar="STAGE", show_default=False,
            help=f"Of {', '.join(STAGES)}; by default csim, the proof (of a float method reference).",
        ),
    ] = None,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    scheduler: SpreadSchedulerOption = None,
    workers: SpreadWorkersOption = None,
    shown: Annotated[str | None, typer.Option("--shown", hidden=True, help="The last stage that was shown.")] = None,
) -> None:  # fmt: skip
    """Run a stage and whatever it needs that is not current yet, as `make STAGE` does.

    `--force` is for the stage itself, `--json` prints its result only. Exits 1 when a check does not pass.
    """
    set_up_logging(verbose)
    with errors_as_sentences():
        opened = api.open_run(config, runs=runs)
        goal = to or api.last_stage(opened)
        order = tuple(STAGES)

        def show(stage: str, outcome: Outcome[StageResult]) -> None:
            if not as_json:
                if not outcome.was_current or shown not in order[order.index(stage) :]:
                    print_outcome(opened.experiment, stage, outcome)
            elif stage == goal or api.error_of(outcome.result) is not None:
                print_json(outcome.result)
            if isinstance(context.obj, Program) and stage == "convert":
                needed = opened.experiment.stages_up_to(goal)
                context.obj.go_on(stage, needed[needed.index(stage) + 1 :])

        api.run(
            config, goal, runs=runs, force=force, progress=open_progress(as_json), on_result=show,
            scheduler=scheduler, workers=workers or "auto",
        )  # fmt: skip


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


def data(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    config: ConfigArgument,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    scheduler: SpreadSchedulerOption = None,
    workers: SpreadWorkersOption = None,
) -> None:
    """Turn events into hardware integers, split them by group, and freeze the scaling of every feature.

    The bytes of the result do not depend on who does it. What workers have finished is kept when the command is killed.
    """
    options = StageOptions(runs, as_json, force, verbose, scheduler=scheduler, workers=workers)
    run_stage_command("data", config, options)


def reference(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    config: ConfigArgument,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    together: Annotated[
        bool,
        typer.Option(
            "--together",
            help="Train a float method on several processes or hosts: start this everywhere. What the options below do "
            "not say, Slurm or Open MPI does.",
        ),
    ] = False,
    coordinator: Annotated[
        str | None,
        typer.Option("--coordinator", metavar="HOST:PORT", help="Host of process 0, and a free port of it."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", metavar="N", help="How many processes train together.")
    ] = None,
    process_id: Annotated[
        int | None, typer.Option("--process-id", metavar="I", help="Which of them this is, from 0.")
    ] = None,
) -> None:
    """Train the full-precision autoencoder that the quantized one starts from and is compared with."""
    if not together and coordinator is None and processes is None and process_id is None:
        run_stage_command("reference", config, StageOptions(runs, as_json, force, verbose))
        return
    set_up_logging(verbose)
    with errors_as_sentences():
        opened = api.open_run(config, runs=runs)
        outcome = api.train_together(
            opened, coordinator=coordinator, processes=processes, process_id=process_id, force=force,
            progress=open_progress(as_json),
        )  # fmt: skip
    if outcome is None:
        if not as_json:
            open_console().print("trained together; process 0 writes the result", soft_wrap=True)
    elif as_json:
        print_json(outcome.result)
    else:
        print_outcome(opened.experiment, "reference", outcome)


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
    _mutate("csim", config, options, mutate)


def prove(  # noqa: PLR0913, PLR0917 - each is an option of the command line
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
            help="Prove the proof itself: damage N copies, each of which must be refuted with an event that is "
            "replayed, or proven to compute the same; then simulation has its say. Writes mutants_hls.json (or "
            "as --of says); exits 1 when one is left open, or a verdict is wrong.",
        ),
    ] = 0,
    of: Annotated[ProofTarget, typer.Option("--of", help="What --mutate damages.")] = ProofTarget.HLS,
) -> None:
    """Prove the written sources equal to the model on every event that the ports can carry, or refute it.

    Also the Verilog, where it is traced, and the emulator's source. Exits 1 when a layer or piece is not proven, and 3
    when Yosys is missing, which the Verilog takes.
    """
    options = StageOptions(runs, as_json, force, verbose)
    if not mutate:
        run_stage_command("prove", config, options)
        return
    _mutate(of, config, options, mutate)


def rtl(  # noqa: PLR0913, PLR0917 - each is an option of the command line
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
    mutate: Annotated[
        int,
        typer.Option(
            "--mutate",
            min=0,
            metavar="N",
            help="Prove the check itself: damage N copies of the traced project, wrappers, tables, and VHDL where "
            "GHDL is installed; each must be caught, or proven to compute the same. Writes mutants.json; exits 1 when "
            "one is missed.",
        ),
    ] = 0,
) -> None:
    """Simulate the traced Verilog clock by clock and compare score and decisions bit for bit.

    Traces first where that has not been done; Verilog that was edited by hand is compared as it is. The VHDL is
    simulated, too, where GHDL is installed. Exits 1 when one bit differs.
    """
    set_up_logging(verbose)
    with errors_as_sentences():
        opened, progress = api.open_run(config, runs=runs), open_progress(as_json)
        api.run_stage(opened, "trace", keep_edited=True, progress=progress)
        compared = api.compare_layers(opened, progress=progress) if layers else None
    if compared is not None:
        if not as_json:
            open_console().print(layers_table(compared.layers))
        refuse_failure(compared)
    options = StageOptions(runs, as_json, force, verbose)
    if not mutate:
        run_stage_command("rtl", config, options)
        return
    _mutate("rtl", config, options, mutate)


def synth(
    config: ConfigArgument,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    netlist: Annotated[
        int,
        typer.Option(
            "--netlist",
            min=0,
            metavar="N",
            help="Afterwards simulate the mapped netlist on N events and compare score and decisions bit for bit. "
            "Writes synth_netlist.json; exits 1 when a bit differs.",
        ),
    ] = 0,
) -> None:
    """Synthesize the proven Verilog with Yosys: LUT, FF, DSP, BRAM and the depth of the logic."""
    run_stage_command("synth", config, StageOptions(runs, as_json, force, verbose))
    if not netlist:
        return
    with errors_as_sentences():
        result = api.compare_netlist(api.open_run(config, runs=runs), netlist, progress=open_progress(as_json))
    if not as_json:
        open_console().print(
            f"of {result.events:,} events through the mapped netlist {result.score_mismatches:,} differ in the score, "
            f"{result.decision_flips:,} in the decision"
            + ("" if result.latent_mismatches is None else f", {result.latent_mismatches:,} in the latents")
        )
    refuse_failure(result)


def place(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    config: ConfigArgument,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
    front: Annotated[
        bool,
        typer.Option(
            "--front",
            help="Instead place several pipelinings, and draw clock against latency; a point that was placed before is "
            "not placed again. Writes place_front/front.json, front.png and front.pdf.",
        ),
    ] = False,
    adders: Annotated[
        str | None,
        typer.Option("--adders", metavar="N,N", help="With --front: adders between registers, by default 2,3,4,5,6."),
    ] = None,
) -> None:
    """Place and route on an ECP5 with open tools, for a wanted clock, and compare the routed netlist bit for bit.

    Exits 1 when a bit differs or the clock is missed, and 3 when nextpnr or Yosys is missing.
    """
    set_up_logging(verbose)
    with errors_as_sentences():
        wanted = _adders(adders, front=front)
    if not front:
        run_stage_command("place", config, StageOptions(runs, as_json, force, verbose))
        return
    with errors_as_sentences():
        opened = api.open_run(config, runs=runs)
        found = api.place_front(opened, wanted, progress=open_progress(as_json))
    if as_json:
        print_json(found)
        return
    console = open_console()
    console.print(attempts_table(found.points))
    console.print(f"drawn in {escape(str(opened.experiment.folder / 'place_front' / 'front.png'))}", soft_wrap=True)


def _adders(given: str | None, *, front: bool) -> tuple[int, ...]:
    """Read the numbers of adders."""
    if given is None:
        return FRONT_ADDERS
    if not front:
        raise InputError("--adders belongs to --front; give that, too, or leave it out")
    if not all(word.strip().isdecimal() and len(word) < _DIGITS for word in given.split(",")):
        raise InputError(f"--adders {given!r} is no list of whole numbers; give some such as 2,3,4,5,6")
    return tuple(int(word) for word in given.split(","))


def evaluate(  # noqa: PLR0913, PLR0917 - each is an option of the command line
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
    events: Annotated[
        Path | None,
        typer.Option(
            "--events",
            metavar="OTHER.yaml",
            help="Evaluate the finished experiment on the events of another config, signals included. Writes "
            "events_OTHER.json.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="Score on your own Dask scheduler: tcp://host:8786."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Score in N processes; by default in this one.")
    ] = None,
) -> None:
    """Compare float, quantized and firmware scores per signal, with intervals and no-network baselines."""
    options = StageOptions(runs, as_json, force, verbose, scheduler=scheduler, workers=workers)
    if (against or events) and (scheduler or workers):
        with errors_as_sentences():
            raise InputError("--scheduler and --workers spread the scoring of `evaluate` itself; leave them out here")
    if against is None:
        if events is None:
            run_stage_command("evaluate", config, options)
        else:
            _evaluate_events(config, events, options)
        return
    set_up_logging(verbose)
    progress = open_progress(as_json)
    with errors_as_sentences():
        if events is not None:
            raise InputError("--against compares with a file and --events with a config; give one of both")
        result = api.compare(api.open_run(config, runs=runs), against, progress=progress)
    if as_json:
        print_json(result)
    else:
        open_console().print(drift_tables(result))


def _evaluate_events(config: Path, events: Path, options: StageOptions) -> None:
    """Evaluate a finished experiment on the events of another config."""
    set_up_logging(options.verbose)
    progress = open_progress(options.as_json)
    with errors_as_sentences():
        found = api.evaluate_events(api.open_run(config, runs=options.runs), events, progress=progress)
    if options.as_json:
        print_json(found)
    else:
        open_console().print(other_events_tables(found))


def report(
    config: ConfigArgument,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write one self-contained HTML page about the experiment.

    In the place of CONFIG a run folder may stand, which needs neither its config nor its events: NAME.html here.
    """
    if not config.is_dir():
        run_stage_command("report", config, StageOptions(runs, as_json, force, verbose))
        return
    with errors_as_sentences():
        result = api.report_folder(config, Path(f"{config.resolve().name}.html"))
    if as_json:
        print_json(result)
    else:
        open_console().print(summarize("report", result))
