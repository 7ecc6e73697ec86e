"""The commands beyond the stages: uses of float methods, emulator, scans, comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from fpgaae import api
from fpgaae.cli.mutants import report_mutants
from fpgaae.cli.options import (
    RUNS,
    ConfigArgument,
    ForceOption,
    JsonOption,
    RunsOption,
    SchedulerOption,
    VerboseOption,
    WorkersOption,
)
from fpgaae.cli.output import (
    errors_as_sentences,
    fail,
    open_console,
    open_progress,
    print_json,
    print_text,
    set_up_logging,
)
from fpgaae.cli.tables import compared_table, emulate_table, repeat_table, scan_summary, threshold_set_table
from fpgaae.errors import InputError
from fpgaae.runs.stages import STAGES, USES, explore_stage


def explore_command(
    config: ConfigArgument,
    uses: Annotated[
        list[str] | None,
        typer.Argument(metavar="[USE]...", help=f"Of {', '.join(USES)}; by default all that the method has."),
    ] = None,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    force: ForceOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Use a float method for more than a score: maps, samples, imputation, clusters, with a figure each.

    Trains the method where that has not been done. Writes explore-USE/USE.json, .png and .pdf.
    """
    set_up_logging(verbose)
    progress = open_progress(as_json)
    with errors_as_sentences():
        opened = api.open_run(config, runs=runs)
        results = api.explore_method(opened, uses or (), force=force, progress=progress)
    if as_json:
        print_json({use: result.to_json() for use, result in results.items()})
        return
    console = open_console()
    for use, result in results.items():
        figure = escape(str(opened.experiment.stage_folder(explore_stage(use)) / f"{use}.png"))
        console.print(f"[bold]{use}[/] of {escape(opened.name)}: {figure}", soft_wrap=True)
        for sentence in result.summary:
            console.print(f"  {escape(sentence)}", soft_wrap=True)


def export(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    config: ConfigArgument,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; must not exist.", show_default=False)],
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    emulator: Annotated[bool, typer.Option("--emulator", hidden=True)] = True,  # said where there was to be more
    cmssw: Annotated[
        bool,
        typer.Option(
            "--cmssw",
            help="Write the emulator behind hls4mlEmulator::Model, as CMSSW loads it: a library of name and version, "
            "its metadata, and a loader that compares it with golden vectors.",
        ),
    ] = False,
    ip: Annotated[
        bool,
        typer.Option(
            "--ip",
            help="Write the Verilog that `rtl` proved as a package: IP-XACT, FuseSoC with a simulation of golden "
            "vectors, Tcl for Vivado, registers, data sheet, hashes.",
        ),
    ] = False,
    package_version: Annotated[
        str | None,
        typer.Option(
            "--package-version",
            metavar="VERSION",
            show_default=False,
            help="With --cmssw part of the library's name, by default v1; with --ip three numbers, by default 1.0.0.",
        ),
    ] = None,
    mutate: Annotated[
        int,
        typer.Option(
            "--mutate",
            min=0,
            metavar="N",
            help="Prove the self-test: damage N copies of the emulator, each of which `make test` must catch, or which "
            "must be proven to compute the same. Writes emulator_mutants.json into the run folder; exits 1 when one is "
            "missed.",
        ),
    ] = 0,
) -> None:
    """Write the emulator: a stand-alone C++ library with the firmware's exact score and decisions.

    Plain C functions, a Python binding, a Makefile, and a self-test against golden vectors.
    """
    del emulator
    with errors_as_sentences():
        if bool(cmssw) + bool(ip) + bool(mutate) > 1:
            raise InputError(
                "--cmssw and --ip write another package each, and --mutate damages the plain emulator; give one"
            )
        if package_version is not None and not (cmssw or ip):
            raise InputError("--package-version names a package of --cmssw or --ip; give one of them, too")
        opened = api.open_run(config, runs=runs)
        if cmssw:
            _export_cmssw(opened, folder, package_version or "v1", as_json=as_json)
            return
        if ip:
            _export_ip(opened, folder, package_version or "1.0.0", as_json=as_json)
            return
        result = api.export_emulator(opened, folder)
        mutants = api.mutate(opened, "emulator", mutate, progress=open_progress(as_json)) if mutate else None
    if mutants is not None:
        report_mutants(mutants, as_json=as_json)
        return
    if as_json:
        print_json(result)
        return
    console = open_console()
    console.print(f"emulator of {escape(result.name)} in {escape(result.folder)}", soft_wrap=True)
    console.print(f"{result.vectors:,} golden events agree; `make test` there repeats it", soft_wrap=True)


def _export_cmssw(opened: api.Run, folder: Path, version: str, *, as_json: bool) -> None:
    """Write the emulator as CMSSW loads it."""
    model = api.export_cmssw(opened, folder, version)
    if as_json:
        print_json(model)
        return
    console = open_console()
    console.print(f"{escape(model.library)} in {escape(model.folder)}", soft_wrap=True)
    console.print(f"{model.events:,} golden events agree through the interface; `make test` there repeats it")


def _export_ip(opened: api.Run, folder: Path, version: str, *, as_json: bool) -> None:
    """Write the proven Verilog as a package."""
    package = api.export_ip(opened, folder, version)
    if as_json:
        print_json(package)
        return
    console = open_console()
    console.print(f"{escape(package.component)} in {escape(package.folder)}: {package.files} files", soft_wrap=True)
    console.print(
        f"`fusesoc --cores-root {escape(package.folder)} run --target=sim {escape(package.component)}` compares "
        f"{package.vectors:,} golden events",
        soft_wrap=True,
    )


def thresholds_command(
    config: ConfigArgument,
    events: Annotated[
        list[Path],
        typer.Option(
            "--events", metavar="FILE", help="Background events, as in `data.files`; may be given several times."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", help="The register file; must not exist.")] = Path(
        "thresholds.json"
    ),
    rate_khz: Annotated[
        list[float] | None,
        typer.Option(
            "--rate-khz", help="Of each threshold in turn, instead of the config's rates; give it once for each."
        ),
    ] = None,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """Choose new thresholds for the deployed block from new events, as register writes; nothing is converted again.

    The rates are those of the config's `trigger` or --rate-khz, with their intervals on the new events.
    """
    progress = open_progress(as_json)
    with errors_as_sentences():
        found = api.choose_thresholds(
            api.open_run(config, runs=runs), events, output, rates_khz=rate_khz or (), progress=progress
        )
    if as_json:
        print_json(found)
    else:
        open_console().print(threshold_set_table(found))
        open_console().print(f"wrote {escape(str(output))}", soft_wrap=True)


def emulate_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    config: ConfigArgument,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Event files, as in `data.files`.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder for NAME_scores.h5 of each file, and emulate.json.")],
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    scheduler: SchedulerOption = None,
    workers: WorkersOption = None,
    thresholds: Annotated[
        Path | None,
        typer.Option(
            "--thresholds", metavar="FILE", help="Decide with those that `fpgaae thresholds` wrote for this network."
        ),
    ] = None,
) -> None:
    """Give the firmware's exact score and decisions for events in many files, spread over processes or machines.

    The bytes of a result do not depend on the number of workers. A run that was killed goes on where it was; a file
    that can't be read is named at the end, and the others are done.
    """
    progress = open_progress(as_json)
    with errors_as_sentences():
        opened = api.open_run(config, runs=runs)
        result = api.emulate(
            opened, files, output, scheduler=scheduler, workers=workers, thresholds=thresholds, progress=progress
        )
    if as_json:
        print_json(result)
    else:
        open_console().print(emulate_table(result))
    if result.failed:
        fail("; ".join(result.failed.values()), 2)


def scan_command(
    config: Annotated[
        Path, typer.Argument(metavar="SCAN", help="A scan's YAML file, as in configs/scan/.", show_default=False)
    ],
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    scheduler: SchedulerOption = None,
    workers: WorkersOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Train many variants of an experiment and find the front of performance against cost; a killed scan goes on.

    Exits 1 when a trial failed.
    """
    set_up_logging(verbose)
    progress = open_progress(as_json)
    with errors_as_sentences():
        result = api.run_scan(config, runs=runs, scheduler=scheduler, workers=workers, progress=progress)
    if as_json:
        print_json(result)
    else:
        console = open_console(140)
        console.print(scan_summary(result))
    if failed := result.failed:
        trial, sentence = next(iter(failed.items()))
        fail(f"{len(failed)} trials failed; {trial}: {sentence}", 1)


def repeat_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    config: ConfigArgument,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=1000, metavar="N", help="How many, from the experiment's seed on.")
    ] = 5,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            autocompletion=lambda: list(STAGES),
            metavar="STAGE",
            help="Run every seed up to this stage, as synth for the area by Yosys.",
        ),
    ] = "train",
    on: Annotated[
        str | None,
        typer.Option(
            "--on", metavar="SPLIT", help="Of test, validation; by default as evaluation.judged_on.", show_default=False
        ),
    ] = None,
    rate: Annotated[float, typer.Option("--rate", help="False positive rate of the efficiencies in the table.")] = 1e-3,
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train an experiment with several seeds and measure the firmware of each: mean and spread; a killed one goes on.

    Writes runs/repeat/NAME/repeat.json, and each seed beside it as an experiment of its own.
    """
    set_up_logging(verbose)
    with errors_as_sentences():
        result = api.repeat(config, seeds=seeds, to=to, on=on, rate=rate, runs=runs, progress=open_progress(as_json))
        if as_json:
            print_json(result)
        else:
            open_console(140).print(repeat_table(result, rate))


def references_command(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="RUNS...", help="Run folders; by default all of --runs.")
    ] = None,
    runs: RunsOption = RUNS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Compare finished float methods: AUC and TPR per score and signal, mean and spread over the ensemble."""
    with errors_as_sentences():
        result = api.compare_methods(folders or (), runs=runs)
    if as_json:
        print_json(result)
    else:
        print_text(result.to_markdown())


def compare_command(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, as runs/l1_ae.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", help="Folder for comparison.html and comparison.json.")] = Path(
        "comparison"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print comparison.json, and nothing else.")] = False,
) -> None:
    """Put finished experiments on one page: metrics, rates, area, latency, proof, and paired differences.

    Differences are of the firmware to that of the first run, where both scored the same test events.
    """
    with errors_as_sentences():
        result = api.compare_runs(folders)
        page = api.write_comparison(result, output)
    if as_json:
        print_json(result)
        return
    console = open_console()
    console.print(compared_table(result))
    console.print(f"wrote {escape(str(page))}", soft_wrap=True)
