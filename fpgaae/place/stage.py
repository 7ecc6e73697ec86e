"""The stage `place`: the traced block on an ECP5 by open tools, its clock, and its netlist bit for bit (needs da4ml).

The logic is cut into stages for the wanted clock, placed and routed, and cut finer until the clock is met. The netlist
of the routed chip is then simulated on events, and its score and decisions compared with the golden codes.
"""

from __future__ import annotations

import shutil
import time
from math import floor
from pathlib import Path

from fpgaae.data.features import FeatureMap
from fpgaae.errors import InputError
from fpgaae.files import write_json
from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.place.comparison import Netlist, compare_netlist
from fpgaae.place.floor_plan import PLAN_FILE, floor_plan
from fpgaae.place.harness import Harness
from fpgaae.place.netlist import compile_netlist, write_netlist
from fpgaae.place.pipelining import Placed, Placer, top_of
from fpgaae.place.programs import find_programs
from fpgaae.place.route import BITSTREAM_FILE, FAMILY, LOG_FILE, ROUTED_FILE, package_of
from fpgaae.rtl.design import VERILOG_FOLDER
from fpgaae.rtl.tools import VERILATOR, require_tool, version
from fpgaae.runs.record import as_json
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.place import Attempt, PlaceResult
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import PROJECT_FOLDER

_NS_AN_ADDER = 3.1  # of the routed delay between two registers, by the adders between them; only the first guess
_ATTEMPTS = 4


def run_place(run: StageRun) -> PlaceResult:
    """Place and route until the clock is met, compare the netlist, and say `passed` or what is wrong."""
    if run.edited:
        raise InputError(
            f"{run.edited[0]} was edited by hand, and `place` cuts the traced logic anew; restore it by "
            f"`{run.experiment.command('trace')} --force`"
        )
    programs, verilator = find_programs(), require_tool(VERILATOR)
    started = time.perf_counter()
    trigger = GoldenTrigger.load(run.upstream("convert"), FeatureMap.of(run.result(DataResult)))
    placed, attempts = _place_until_met(run, Placer(run.config, programs, trigger, run.upstream("trace")))
    place, design = run.config.place, placed.design
    verilog = placed.project / VERILOG_FOLDER
    with run.progress.task("the netlist as Verilog", None):
        top = top_of(design)
        netlist = write_netlist(programs.yosys, verilog / ROUTED_FILE, top, placed.project.absolute() / LOG_FILE)
    with run.progress.task("compiling the netlist", None):
        library = compile_netlist(netlist, top, run.scratch / "netlist")
    netlist_in_harness = Netlist(library, Harness(design, place.lanes))
    found = compare_netlist(run.experiment, trigger, netlist_in_harness, place.events, run.progress)
    compared = found.codes
    plan = floor_plan(verilog / ROUTED_FILE, place.device, placed.layer_of)
    write_json(run.folder / PLAN_FILE, as_json(plan))
    shutil.move(str(placed.project), run.folder / PROJECT_FOLDER)
    kept = Path(PROJECT_FOLDER) / VERILOG_FOLDER
    routed, last = placed.routed, attempts[-1]
    return PlaceResult(
        passed=compared.passed and routed.clock_mhz >= place.clock_mhz,
        family=FAMILY,
        device=place.device,
        package=package_of(place),
        speed=place.speed,
        wanted_mhz=place.clock_mhz,
        clock_mhz=routed.clock_mhz,
        stages=design.stages,
        latency_cycles=design.latency_cycles,
        latency_ns=last.latency_ns,
        utilization=routed.utilization,
        critical_path=routed.path,
        attempts=tuple(attempts),
        events=compared.events,
        events_by_origin=compared.events_by_origin,
        mismatched_events=compared.mismatched_events,
        score_mismatches=compared.score_mismatches,
        decision_flips=compared.decision_flips,
        latent_mismatches=compared.mismatched_in(LATENTS_LAYER),
        first_mismatch=compared.first_mismatch,
        events_per_second=found.events_per_second,
        bitstream=str(kept / BITSTREAM_FILE),
        netlist=str(kept / netlist.name),
        synthesis=programs.yosys.version,
        router=programs.nextpnr.version,
        simulator=version(verilator),
        seconds=round(time.perf_counter() - started, 1),
    )


def _place_until_met(run: StageRun, placer: Placer) -> tuple[Placed, list[Attempt]]:
    """Place and route with ever fewer adders between registers until the clock is met, and give the last."""
    wanted_mhz = run.config.place.clock_mhz
    depth = max(floor(1000 / wanted_mhz / _NS_AN_ADDER), 1)
    attempts: list[Attempt] = []
    while True:
        with run.progress.task(f"place and route, {depth} adders between registers", None):
            placed = placer.place(depth, run.scratch / "project", wanted_mhz)
        attempts.append(placed.attempt)
        clock_mhz = placed.routed.clock_mhz
        if clock_mhz >= wanted_mhz or depth == 1 or len(attempts) == _ATTEMPTS:
            return placed, attempts
        depth = max(min(depth - 1, floor(depth * clock_mhz / wanted_mhz)), 1)
