"""What a stage says on the terminal about its result: a few lines or one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from fpgaae.cli.tables import layers_table, new_table
from fpgaae.report.flatness import terminal_tables
from fpgaae.report.tables import decision_tables, group_table, metrics_table, student_sentences
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.convert import ConvertResult, Threshold, TriggerEntry
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.data import DataResult, SeenEvents
from fpgaae.runs.results.imported import ImportedFrom
from fpgaae.runs.results.metrics import Compression, MeasuredMean, MetricsResult
from fpgaae.runs.results.place import Attempt, PlaceResult
from fpgaae.runs.results.prove import ProvenLayer, ProvenPiece, ProveResult
from fpgaae.runs.results.reference import (
    ImportedReference,
    MeanAndSpread,
    MethodReference,
    ReferenceResult,
    TakenReference,
    TrainedReference,
)
from fpgaae.runs.results.report import ReportResult
from fpgaae.runs.results.rtl import RegisterLoads, RtlResult, StageProof, TraceResult
from fpgaae.runs.results.synth import SynthResult
from fpgaae.runs.results.train import WHOLE, TrainResult

_FEW_NAMES = 6


def summarize(stage: str, result: StageResult) -> RenderableType:
    """Give what to print of a stage's result."""
    return _SUMMARIES[stage](result)


def _data(result: DataResult) -> RenderableType:
    table = new_table("process", "train", "validation", "test")
    for process, splits in result.events.items():
        table.add_row(escape(process), *(f"{splits.get(name, 0):,}" for name in ("train", "validation", "test")))
    seen = [escape(f"{process}: {line}") for process, own in (result.seen or {}).items() for line in _seen(own)]
    return Group(table, *seen, *(f"[yellow]warning:[/] {escape(text)}" for text in result.warnings))


def _seen(own: SeenEvents) -> list[str]:
    """Say what a process' files held that is worth knowing: what was left out, empty, at the largest pT, re-ordered."""
    lines = [f"{n:,} of {own.events_read:,} events left out by {why}" for why, n in own.dropped.items() if n]
    if own.empty_events:
        lines.append(f"{own.empty_events:,} of {own.events_read:,} events without objects")
    shares = [f"{kind} {n / own.objects[kind]:.2%}" for kind, n in own.largest_pt.items() if n]
    if shares:
        lines.append(f"objects at the largest pT: {', '.join(shares)}")
    done = {"sorted by pT": own.sorted, "cut to the slots": own.cut, "saturated by `clip`": own.clipped}
    for verb, counts in done.items():
        if counts:
            lines.append(f"{verb}: {', '.join(f'{kind} {n:,}' for kind, n in counts.items())}")
    return lines


def _reference(result: ReferenceResult) -> RenderableType:
    if isinstance(result, MethodReference):
        return _method(result)
    if isinstance(result, ImportedReference):
        return Group(_origin(result.imported), *imported_lines(result))
    if not isinstance(result, TrainedReference | TakenReference):
        raise TypeError(f"a reference of the form {type(result).__name__} has no summary")
    return _epochs(result.epochs, result.events_per_second, result.val_loss)


def imported_lines(result: ImportedReference) -> Iterator[str]:
    """Say in which unit an imported model gets its inputs, and what makes no sense of what it puts out."""
    if result.unit is not None and result.input_range is not None:
        low, high = result.input_range
        yield f"its inputs: {escape(result.unit)}, from {low:g} to {high:g} on the validation events"
    yield from (f"[yellow]warning:[/] {escape(warning)}" for warning in result.warnings)


def _train(result: TrainResult) -> RenderableType:
    whole = f"{result.whole_sparsity:.1%} of the weights are zero"
    if result.learned is not None:
        whole += f", the others have {result.learned.digits[WHOLE]:,} signed digits (epoch {result.learned.epoch})"
    if result.quantization_error is None:
        return Group(_epochs(result.epochs, result.events_per_second, result.val_loss), whole)
    table = new_table("quantized layer", "type", "rms error", "signal/noise, dB", "saturated")
    for name, error in result.quantization_error.items():
        ratio = "" if error.sqnr_db is None else f"{error.sqnr_db:.1f}"
        table.add_row(name, _short(error.type), f"{error.rms:.3g}", ratio, f"{error.saturated:.2%}")
    warnings = [f"[yellow]warning:[/] {escape(warning)}" for warning in result.warnings]
    return Group(_origin(result.imported), table, whole, *warnings)


def _epochs(epochs: int, events_per_second: float | None, loss: float | None) -> str:
    speed = "" if events_per_second is None else f" at {events_per_second:,.0f} events/s"
    return f"{epochs} epochs{speed}" + ("" if loss is None else f", validation loss {loss:.4g}")


def _method(result: MethodReference) -> RenderableType:
    """Give the separation of a float method by each of its scores, and how it was trained."""
    signals = list(next(iter(result.scores.values())))
    table = new_table("score: AUC, %", *map(escape, signals))
    for name, found in {**result.scores, **result.baselines}.items():
        table.add_row(name, *(_mean_and_spread(found[signal].auc) for signal in signals))
    how = "in closed form"
    if result.epochs:
        how = f"{result.epochs} epochs at {result.events_per_second:,.0f} events/s ({result.loop})"
        how += f", validation loss {result.val_loss:.4g}"
    device = f"{result.n_devices} {result.device} device{'s' * (result.n_devices > 1)}"
    return Group(table, f"{result.method}, {len(result.members)} trained on {device}, {result.backend}: {how}")


def _mean_and_spread(value: MeanAndSpread) -> str:
    return f"{100 * value.mean:.1f}" + ("" if value.spread is None else f" ± {100 * value.spread:.1f}")


def _origin(imported: ImportedFrom | None) -> str:
    """Say what a quantized network was made from that was not trained."""
    how = "taken as it is" if imported and imported.taken_as_it_is else "quantized after training"
    source = f"imported from {escape(imported.file)} ({imported.kind})" if imported else "the float reference"
    return f"{source}, {how}"


def _convert(result: ConvertResult) -> RenderableType:
    table = new_table("layer", "values", "result type", "weights", "non-zero", "multiplications")
    for layer in result.layers:
        table.add_row(
            layer.name,
            " x ".join(map(str, layer.shape)),
            _short(layer.types.result),
            _short(layer.types.weight or ""),
            f"{layer.nonzero_weights:,} of {layer.weights:,}" if layer.weights else "",
            f"{layer.multiplications:,}" if layer.multiplications else "",
        )
    inexact = [layer.name for layer in result.keras.float32 if layer.differing_values]
    lines: list[RenderableType] = [
        table,
        f"{result.backend} project for {result.part}, {result.clock_ns:g} ns, {result.io_type}",
        f"golden codes equal Keras in float64 in every layer of {result.keras.events:,} events",
    ]
    if result.weight_ports:
        lines.append(f"{sum(port.size for port in result.weight_ports):,} weights and biases are loaded at run time")
    if result.threshold_port is not None:
        lines.append(f"{result.threshold_port.size} thresholds are loaded at run time")
    if (reuse := result.reuse) is not None:
        lines.append(
            f"estimated from the reuse factors: {reuse.multipliers:,} multipliers (DSP), latency "
            f"{reuse.latency_clocks:,} clocks ({reuse.latency_ns / 1e3:g} us), an event every "
            f"{reuse.interval_clocks:,} ({reuse.interval_ns / 1e3:g} us)"
        )
    outputs = ", ".join(f"{output.values} {_short(output.type)} {output.name}" for output in result.outputs)
    gbit_s = result.output_bits * result.trigger.bunch_crossing_rate_khz / 1e6
    lines.append(f"puts out {outputs}: {result.output_bits} bits an event, {gbit_s:.4g} Gbit/s")
    lines += _thresholds(result.trigger)
    if (edges := result.edge_events) is not None:
        lines.append(
            f"{edges.events:,} events at the edges of thresholds, score and latents; not reached: "
            f"{', '.join(edges.not_reached[:_FEW_NAMES]) or 'nothing'}"
            + (f", and {more:,} more" if (more := len(edges.not_reached) - _FEW_NAMES) > 0 else "")
            + (f"; proven out of reach: {len(edges.unreachable):,} ranges of codes" if edges.unreachable else "")
        )
    if inexact:
        lines.append(
            f"Keras' own float32 prediction rounds in: {', '.join(inexact)} (values of more than 24 bits, or means)"
        )
    return Group(*lines)


def _thresholds(trigger: TriggerEntry) -> Iterator[str]:
    for index, point in enumerate(trigger.thresholds):
        rate, khz = point.false_positive_rate.value, point.rate_khz.value
        yield (
            f"threshold {index}: {_codes(point)}, rate {rate:.2e} ({khz:.3g} kHz) on the {point.events:,} "
            f"background events of the split {trigger.chosen_on}; {point.events_at_threshold:,} lie at it"
        )
        if (doubt := point.doubt) is not None:
            yield f"[yellow]threshold {index} is in doubt[/]: {doubt}"


def _codes(point: Threshold) -> str:
    if point.codes_of_cells is None:
        return f"code {point.code:,}"
    return f"a code for each of {len(point.codes_of_cells)} cells ({point.code:,} without)"


def _short(type_name: str) -> str:
    """Write a type without the prefixes that all have in common."""
    return type_name.replace("ap_", "").replace("AP_", "")


def _csim(result: CsimResult) -> RenderableType:
    lines = [layers_table(result.layers)]
    if result.edited_files:
        lines.append(f"edited by hand: {escape(', '.join(result.edited_files))}")
    for change in result.changed_types:
        lines.append(f"layer {change.layer} was compiled as {change.compiled}, not {change.converted}")
    verdict = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
    lines.append(
        f"{verdict}: of {result.events:,} events {result.mismatched_events:,} differ in a layer, "
        f"{result.score_mismatches:,} in the score, {result.decision_flips:,} in the decision"
    )
    if (synthesized := result.synthesized_branch) is not None:
        lines.append(
            f"in the branch that is synthesized, of {synthesized.events:,} events "
            f"{synthesized.mismatched_events:,} differ"
        )
    if (reloaded := result.reloaded) is not None:
        lines.append(
            f"with {reloaded.weights:,} other weights loaded: of {reloaded.events:,} events "
            f"{reloaded.mismatched_events:,} differ in a layer"
        )
    if (loaded := result.reloaded_thresholds) is not None:
        lines.append(
            f"with {loaded.sets:,} sets of thresholds loaded: of {loaded.decisions:,} decisions "
            f"{loaded.decision_flips:,} differ"
        )
    lines.append(f"{result.events_per_second:,.0f} events/s on {result.processes} processes")
    return Group(*lines)


def _prove(result: ProveResult) -> RenderableType:
    table = new_table("layer or piece", "outcome")
    table.add_column("by")
    entries: list[ProvenLayer | ProvenPiece] = [*result.layers, *result.pieces]
    for entry in entries:
        colour = {"proven": "green", "refuted": "red"}.get(entry.outcome, "yellow")
        said = entry.how if entry.reason is None else entry.reason
        table.add_row(entry.name, f"[{colour}]{entry.outcome}[/]", escape(said))
    lines: list[RenderableType] = [table]
    lines += [f"not covered: {escape(what)}" for what in result.not_covered]
    if result.edited_files:
        lines.append(f"edited by hand: {', '.join(result.edited_files)}")
    if result.passed:
        loaded = {"weights": result.weight_bits, "thresholds": result.threshold_bits}
        weights = "".join(f" and any of 2^{bits:,} {what}" for what, bits in loaded.items() if bits)
        kinds = {piece.kind for piece in result.pieces}
        parts = ["sources", *(["Verilog"] if "logic" in kinds else []), *(["emulator"] if "emulator" in kinds else [])]
        what = f"{', '.join(parts)}: " if kinds else ""
        lines.append(f"{what}[green]proven[/] for 2^{result.input_bits:,} events{weights} in {result.seconds:g} s")
    return Group(*lines)


def _trace(result: TraceResult) -> RenderableType:
    cost = result.estimated
    return (
        f"{result.input_bits} bits of hardware integers in, {_short(result.score_type)} and "
        f"{result.thresholds} decisions out; {result.stages} stages at {result.clock_ns:g} ns, "
        f"estimated {cost.lut:,} LUT, {cost.ff:,} FF"
    )


def _of_latents(result: RtlResult | PlaceResult) -> str:
    return "" if result.latent_mismatches is None else f", {result.latent_mismatches:,} in the latents"


def _rtl(result: RtlResult) -> RenderableType:
    lines = [f"edited by hand: {escape(', '.join(result.edited_files))}"] if result.edited_files else []
    verdict = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
    cycles, clock_ns, cost = result.latency_cycles, result.clock_ns, result.estimated
    lines += [
        f"{verdict}: of {result.events:,} events {result.score_mismatches:,} differ in the score, "
        f"{result.decision_flips:,} in the decision{_of_latents(result)}, in da4ml's interpreter "
        f"{result.interpreter.mismatched_events:,}",
        f"measured latency {cycles} clocks of {clock_ns:g} ns ({cycles * clock_ns:g} ns), initiation interval "
        f"{result.initiation_interval}; estimated {cost.lut:,} LUT, {cost.ff:,} FF",
        f"{result.events_per_second:,.0f} events/s on one core",
        *(
            f"of {wrapper.events:,} events with gaps, back-pressure and resets {wrapper.mismatched_events:,} "
            f"were lost or wrong in {wrapper.file}"
            for wrapper in result.wrappers
        ),
        *_loaded(result.reloaded_thresholds),
        _proven("of the Verilog", result.stages),
        "the VHDL was not simulated: ghdl is not on the PATH"
        if result.vhdl is None
        else f"of {result.vhdl.events:,} events {result.vhdl.mismatched_events:,} differ in the VHDL; "
        + _proven("of the VHDL", result.vhdl_stages),
    ]
    return Group(*lines)


def _loaded(loads: RegisterLoads | None) -> list[str]:
    if loads is None:
        return []
    return [
        f"with {loads.sets:,} sets of thresholds in the registers: {loads.mismatched_events:,} results of "
        f"{loads.events:,} events behind each differ"
    ]


def _proven(where: str, proofs: Sequence[StageProof]) -> str:
    if not proofs:
        return f"the stages {where} were not proven: yosys is not on the PATH"
    proven = sum(own.proven for own in proofs)
    return f"{proven} of {len(proofs)} stages {where} are proven to be what was traced, for all inputs"


def _synth(result: SynthResult) -> RenderableType:
    table = new_table("", "LUT", "FF", "DSP", "BRAM")
    for row in result.comparison:
        numbers = {"lut": row.lut, "ff": row.ff, "dsp": row.dsp, "bram": row.bram}
        table.add_row(row.name, *(_count(number, row.percent.get(key)) for key, number in numbers.items()))
    lines: list[RenderableType] = [table]
    if result.logic_levels is not None:
        lines.append(f"longest combinational path: {result.logic_levels} cells; {result.carry:,} CARRY8")
    if (hls := result.hls) is not None:
        lines.append(
            f"HLS expects {hls.clock_ns:g} ns a clock, {hls.latency_cycles} clocks, initiation interval "
            f"{hls.initiation_interval}"
        )
    if result.vivado is not None:
        lines.append(f"slack of the slowest path after routing: {result.vivado.slack_ns:g} ns")
    lines += [f"{tool} failed: {escape(said)}" for tool, said in (result.failed or {}).items()]
    lines.append(f"{result.tool}, {result.part}, {result.seconds:.0f} s")
    return Group(*lines)


def attempts_table(attempts: Sequence[Attempt]) -> Table:
    """Give a row for each pipelining that was placed and routed."""
    table = new_table("adders between registers", "stages", "latency", "MHz", "LUT", "FF", "s")
    for own in attempts:
        latency = f"{own.latency_cycles} clocks, {own.latency_ns:g} ns"
        lut, ff = f"{own.lut:,}", f"{own.ff:,}"
        table.add_row(
            str(own.depth), str(own.stages), latency, f"{own.clock_mhz:g}", lut, ff, f"{own.seconds:.0f}"
        )  # fmt: skip
    return table


def _place(result: PlaceResult) -> RenderableType:
    path = result.critical_path
    used = ", ".join(f"{own.used:,} of {own.available:,} {name}" for name, own in result.utilization.items())
    verdict = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
    return Group(
        attempts_table(result.attempts),
        f"{result.family} {result.device}, {result.package}, speed {result.speed}: {used}",
        f"slowest path {path.delay_ns:g} ns ({path.routing_ns:g} ns of it routing), from {escape(path.start)} to "
        f"{escape(path.end)}" + (f", through {escape(', '.join(path.layers))}" if path.layers else ""),
        f"{verdict}: {result.clock_mhz:g} MHz for the wanted {result.wanted_mhz:g}; of {result.events:,} events "
        f"through the routed netlist {result.score_mismatches:,} differ in the score, {result.decision_flips:,} in the "
        f"decision{_of_latents(result)}",
        f"{result.synthesis}, {result.router}, {result.seconds:.0f} s",
    )


def _count(number: float | None, percent: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,}" if percent is None else f"{number:,} ({percent:.1f} %)"


def _evaluate(result: MetricsResult) -> RenderableType:
    said = [
        f"[bold]{escape(signal)}[/]: {escape(own.sentence)}"
        for signal, own in result.verdicts.models.get("firmware", {}).items()
    ]
    if result.compression is not None:
        said.append(_compression(result.compression))
    said += map(escape, student_sentences(result.distillation))
    flatness = terminal_tables(result.flatness)
    groups = [] if result.groups is None else [group_table(result.groups, result)]
    if not any(result.models.values()):
        said.append("no signal in `data.files`: rates and decisions only")
        return Group(*decision_tables(result.decisions), *flatness, *said)
    return Group(metrics_table(result), *groups, *decision_tables(result.decisions), *flatness, *said)


def _compression(result: Compression) -> str:
    return (
        f"{result.latents} latents: {result.input_bits} bits in, {result.output_bits} out "
        f"({result.compression_ratio:.2f} times fewer, {result.output_gbit_per_s:.3g} Gbit/s of "
        f"{result.input_gbit_per_s:.3g})\n"
    ) + "\n".join(
        f"{escape(process)}: earth mover's distance {_value(found['firmware'].earth_movers_distance)} cells "
        f"(float {_value(found['float'].earth_movers_distance)}), telescope error "
        f"{_value(found['firmware'].telescope)} (float {_value(found['float'].telescope)})"
        for process, found in result.processes.items()
    )


def _value(measure: MeasuredMean) -> str:
    """Write a mean with half its interval, or say that there is none."""
    if measure.value is None or measure.low is None or measure.high is None:
        return "not measurable"
    return f"{measure.value:.4g} +- {(measure.high - measure.low) / 2:.2g}"


def _report(result: ReportResult) -> RenderableType:
    return f"wrote {escape(result.file)}"


_SUMMARIES: Mapping[str, Callable[[Any], RenderableType]] = {
    "data": _data,
    "reference": _reference,
    "train": _train,
    "convert": _convert,
    "csim": _csim,
    "prove": _prove,
    "trace": _trace,
    "rtl": _rtl,
    "synth": _synth,
    "place": _place,
    "evaluate": _evaluate,
    "report": _report,
}
