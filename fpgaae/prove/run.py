"""The stage `prove`: the written sources equal the golden network on every event, or an event on which they do not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.emulator.package import write_package
from fpgaae.errors import InputError, ToolMissing
from fpgaae.fixedpoint import Codes
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.project import WeightPort
from fpgaae.hls.simulation import Simulation
from fpgaae.hls.stimulus import LAYERS
from fpgaae.optional import require
from fpgaae.prove.algebra import NotFollowed
from fpgaae.prove.emulator import emulator_differs
from fpgaae.prove.refute import find_refutation
from fpgaae.prove.sources import SourceProof, Sources, prove_sources
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.prove import Proven, ProvenLayer, ProvenPiece, ProveResult, RtlRefutation
from fpgaae.runs.results.rtl import TraceResult
from fpgaae.runs.run import StageRun

_POOL_AN_ORIGIN = 500
ASSUMPTIONS = (
    "g++ compiles what the sources say",
    "the vendor's ap_fixed and ap_int do what UG1399 says; the project's number types are tested against them",
    "what one value of a layer branches on does not decide about another value, but for the words of one object: so in "
    "the layer functions and the front end, which are as `convert` wrote them",
    "streams are long enough in hardware: depths are not part of the C sources' meaning",
    "the vendor's synthesis keeps the meaning of the sources",
)
VERILOG_ASSUMPTIONS = (
    "Yosys reads the Verilog as synthesis does, and what Yosys and ABC call proven is so",
    "a reset comes before the first event at the wrappers of the Verilog",
)
EMULATOR_ASSUMPTION = (
    "the kernels of the emulator compute what they are read as (of dense layers: that they add products); `emulate` "
    "compares the compiled package"
)
LOADED_EMULATOR = (
    "the emulator, whose weights are loaded at run time: `export`, and its own test, compare it with the trained "
    "weights and with random ones"
)
NOT_COVERED = ("the VHDL, which `rtl` proves by stages and simulates",)


def run_prove(run: StageRun) -> ProveResult:
    """Prove every layer of the written project, or find an event on which it differs."""
    started = time.perf_counter()
    sources = sources_of_run(run)
    with run.progress.task("the sources over symbols", None):
        proof = prove_sources(sources, run.scratch)
    refutation = None
    if not proof.proven:
        with run.progress.task("an event that refutes", None):
            refutation = find_refutation(sources, proof, stimulus_pool(run), run.config.seed, run.scratch)
        if refutation is not None:
            proof = proof.refuted(refutation.layer, refutation.channel)
    verilog = _Verilog.of(run, sources.trigger)
    emulator = _emulator_piece(sources, run.scratch / "emulator")
    emulators = (emulator,) if isinstance(emulator, ProvenPiece) else ()
    return ProveResult(
        passed=proof.proven and verilog.passed and all(e.outcome == Proven.PROVEN.value for e in emulators),
        input_bits=sum(f.hardware.port.bits for f in sources.trigger.features.features if f.hardware.bits),
        weight_bits=sum(port.size * port.type.width for port in sources.weight_ports),
        threshold_bits=_threshold_bits(sources.trigger.accept),
        paths=proof.trace.events,
        layers=layer_entries(sources, proof),
        refutation=refutation,
        assumptions=(
            *ASSUMPTIONS,
            *(VERILOG_ASSUMPTIONS if verilog.pieces else ()),
            *([EMULATOR_ASSUMPTION] if emulators else ()),
        ),
        edited_files=(*run.edited, *verilog.edited),
        seconds=round(time.perf_counter() - started, 2),
        pieces=(*verilog.pieces, *emulators),
        rtl_refutation=verilog.refutation,
        not_covered=(*verilog.not_covered, *([] if isinstance(emulator, ProvenPiece) else [emulator]), *NOT_COVERED),
        missing_tool=verilog.missing_tool,
    )


def _threshold_bits(accept: Accept) -> int:
    """Count the bits of thresholds that can be reloaded."""
    return accept.size * accept.threshold_type.width if accept.reloadable else 0


def sources_of_run(run: StageRun) -> Sources:
    """Give the written project of a run and what it should compute."""
    convert = run.result(ConvertResult)
    inside = Path("convert", convert.project_dir)
    return Sources(
        project=(run.upstream("convert") / convert.project_dir).absolute(),
        project_name=convert.project_name,
        trigger=GoldenTrigger.load(run.upstream("convert"), FeatureMap.of(run.result(DataResult))),
        golden_names={layer.name: layer.golden for layer in convert.layers},
        weight_ports=tuple(WeightPort.of(port) for port in convert.weight_ports),
        edited=tuple(
            str(Path(name).relative_to(inside))
            for name in run.edited
            if Path(name).is_relative_to(inside) and Path(name).suffix in (".h", ".cpp")
        ),
    )


def _emulator_piece(sources: Sources, folder: Path) -> ProvenPiece | str:
    """Prove the source of the emulator, or say why nothing is said about it."""
    if sources.trigger.network.reloadable:
        return LOADED_EMULATOR
    folder.mkdir(parents=True, exist_ok=True)
    events = np.stack(sources.trigger.features.port_limits)
    try:
        write_package(folder, sources.project_name, sources.trigger, events)
        file = folder / f"{sources.project_name}_emulator.cpp"
        reason = emulator_differs(sources.trigger, file.read_text(encoding="utf-8"), file)
    except (InputError, NotFollowed) as error:
        return f"the emulator: {error}"
    return ProvenPiece(
        name=file.name,
        kind="emulator",
        outcome=(Proven.PROVEN if reason is None else Proven.OPEN).value,
        how="its calls and constants as polynomials in all words, its decisions for any score and any thresholds, that "
        "no sum leaves what its type holds exactly, and that the compiled dense layers give their coefficients back "
        "for every basis vector",
        reason=reason,
    )


@dataclass(frozen=True)
class _Verilog:
    """What became of the Verilog, or why nothing did."""

    pieces: tuple[ProvenPiece, ...] = ()
    refutation: RtlRefutation | None = None
    edited: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()
    missing_tool: str | None = None

    @property
    def passed(self) -> bool:
        """Whether every piece is proven, or none had to be."""
        return self.missing_tool is None and all(piece.outcome == Proven.PROVEN.value for piece in self.pieces)

    @classmethod
    def of(cls, run: StageRun, trigger: GoldenTrigger) -> _Verilog:
        """Prove the traced project, if there is one of the present config."""
        traced = run.optional_to_check(TraceResult)
        if traced is None:
            return cls(not_covered=("the Verilog: there is no trace of the present config",))
        require("da4ml", "the proof of the Verilog")
        from fpgaae.prove.verilog import Verilog  # noqa: PLC0415 - needs da4ml
        from fpgaae.rtl.pipeline import load_pipeline  # noqa: PLC0415

        result, edited = traced
        folder = run.upstream("trace")
        verilog = Verilog(folder / result.project_dir, trigger, load_pipeline(folder), run.scratch / "verilog")
        pieces: tuple[ProvenPiece, ...] = ()
        try:
            with run.progress.task("pieces of the Verilog", result.stages + 4) as task:
                for piece in verilog.pieces():
                    pieces = (*pieces, piece)
                    task.advance(1)
        except ToolMissing as error:
            return cls(pieces, edited=edited, missing_tool=str(error))
        if all(piece.outcome == Proven.PROVEN.value for piece in pieces):
            return cls(pieces, edited=edited)
        with run.progress.task("an event that refutes the Verilog", None):
            found = verilog.refuted(pieces, stimulus_pool(run), run.config.seed)
        return cls(found.pieces, found.refutation, edited)


def layer_entries(sources: Sources, proof: SourceProof) -> tuple[ProvenLayer, ...]:
    """Say of each layer what became of it."""
    entries = []
    for name, finding in proof.findings.items():
        golden = sources.network[sources.golden_names[name]]
        first = finding.differences[0] if finding.differences else None
        outcome = Proven.REFUTED if first else Proven.OPEN if finding.open is not None else Proven.PROVEN
        entries.append(
            ProvenLayer(
                name=name,
                golden=golden.name,
                kind=golden.kind,
                values=golden.size,
                outcome=outcome.value,
                how=finding.how,
                reason=finding.open if first is None else first.reason,
                channel=None if first is None else first.place,
            )
        )
    return tuple(entries)


def stimulus_pool(run: StageRun, n: int = _POOL_AN_ORIGIN) -> Codes:
    """Give the first n events of every origin of the C simulation's stimulus, as hardware integers."""
    stimuli = Simulation.of_run(run, run.scratch).stimuli()
    parts = []
    for source in stimuli.sources():
        if source.origin != LAYERS and not source.start:
            parts.append(stimuli.make(source._replace(stop=min(source.stop, n))).hardware)
    return np.concatenate(parts)
