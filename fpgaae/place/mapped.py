"""The netlist that `synth` mapped for UltraScale+, with the models of its cells, against the golden codes.

The netlist is the block with a valid bit. For the simulation it stands in the harness of few pins in the place of the
block, always valid.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from fpgaae.data.features import FeatureMap
from fpgaae.data.readers import event_hashes
from fpgaae.errors import InputError
from fpgaae.files import lock, write_json, write_text
from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.place.comparison import Netlist, compare_netlist
from fpgaae.place.harness import Harness, harness_text
from fpgaae.place.netlist import compile_harness
from fpgaae.place.programs import require_output
from fpgaae.progress import Progress
from fpgaae.rtl.design import Design
from fpgaae.rtl.synthesize import MAPPED_FILE
from fpgaae.rtl.tools import VERILATOR, YOSYS, require_tool, run_logged
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.record import as_json
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.synth import MappedResult
from fpgaae.runs.run import require_current
from fpgaae.runs.stages import PROJECT_FOLDER

RESULT_FILE = "synth_netlist.json"  # in the run folder: a file in that of `synth` would stand for an edit by hand
_LANES = 8
_SCRIPT = (
    "read_verilog {mapped}; read_verilog +/xilinx/cells_sim.v; hierarchy -top {top}; proc; flatten; opt_clean; "
    "splitnets; opt_clean -purge; write_verilog -noattr {flat}"
)
_BLOCK = """module {name}_trigger (
    input wire clk, input wire [{n_in}:0] objects{ports}
);
    wire valid;
    {name}_valid block (
        .clk(clk), .reset(1'b0), .in_valid(1'b1), .in_objects(objects), .out_valid(valid){connections}
    );
endmodule
"""


def compare_mapped(experiment: Experiment, n_events: int, progress: Progress) -> MappedResult:
    """Simulate the mapped netlist on some events of each origin, and write `synth_netlist.json`.

    Raises
    ------
    InputError
        If `synth` was not run on the present config, or by an earlier version.
    ToolMissing
        If there is no Yosys or Verilator.
    """
    require_current(experiment, "synth", event_hashes(experiment.config, experiment.config_file))
    mapped = experiment.stage_folder("synth") / MAPPED_FILE
    if not mapped.is_file():
        raise InputError(f"{mapped} is missing; run `{experiment.command('synth')} --force`")
    yosys, _ = require_tool(YOSYS), require_tool(VERILATOR)
    design = Design.load(experiment.stage_folder("rtl") / PROJECT_FOLDER)
    trigger = GoldenTrigger.load(experiment.stage_folder("convert"), FeatureMap.of(experiment.result(DataResult)))
    with tempfile.TemporaryDirectory(prefix="fpgaae-netlist-") as scratch:
        folder = Path(scratch)
        with progress.task("compiling the netlist", None):
            sources = _sources(yosys, mapped, design, folder)
            library = compile_harness(f"{design.name}_harness", sources, folder / "build")
        netlist = Netlist(library, Harness(design, _LANES))
        found = compare_netlist(experiment, trigger, netlist, n_events, progress)
    codes = found.codes
    result = MappedResult(
        passed=codes.passed,
        events=codes.events,
        events_by_origin=codes.events_by_origin,
        mismatched_events=codes.mismatched_events,
        score_mismatches=codes.score_mismatches,
        decision_flips=codes.decision_flips,
        latent_mismatches=codes.mismatched_in(LATENTS_LAYER),
        first_mismatch=codes.first_mismatch,
        events_per_second=found.events_per_second,
    )
    with lock(experiment.folder):
        write_json(experiment.folder / RESULT_FILE, as_json(result))
    return result


def _sources(yosys: str, mapped: Path, design: Design, folder: Path) -> list[Path]:
    """Write the harness, what stands in it for the block, and the netlist with the models of its cells put in."""
    (folder / MAPPED_FILE).write_bytes(mapped.read_bytes())
    flat, top = folder / "flat.v", f"{design.name}_valid"
    script = _SCRIPT.format(mapped=MAPPED_FILE, top=top, flat=flat.name)
    run_logged([yosys, "-q", "-p", script], folder, folder / "yosys.log", f"reading {mapped}")
    block = _BLOCK.format(
        name=design.name,
        n_in=design.input_bits - 1,
        ports="".join(f", output wire [{bits - 1}:0] {port}" for port, bits in design.output_bits.items()),
        connections="".join(f", .out_{port}({port})" for port in design.output_bits),
    )
    write_text(folder / "block.v", block)
    write_text(folder / "harness.v", harness_text(design, _LANES))
    return [folder / "harness.v", folder / "block.v", require_output(flat, "Yosys")]
