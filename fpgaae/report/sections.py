"""What the page's sections show, from the result files: rows ready to print, and the numbers behind the slider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fpgaae.evaluation.ablation import QUANTIZED as EVERYTHING
from fpgaae.evaluation.comparison import FIRMWARE, FLOAT
from fpgaae.report.tables import (
    NOT_MEASURABLE,
    MetricRow,
    compact_interval,
    deltas,
    group_columns,
    group_rows,
    group_sentence,
    metric_rows,
    model_columns,
)
from fpgaae.runs.record import as_json
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.metrics import Ablation, Correlation, MetricsResult, ScoreMetrics, SignalMetrics, SignalVerdict
from fpgaae.runs.results.place import PlaceResult
from fpgaae.runs.results.review import Anomalous, DrivingSlot, Menu
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.results.synth import SynthResult

QUANTITIES = {
    "ht_gev": "HT", "multiplicity": "Number of objects", "sum": "Sum of the cells", "cells": "Cells above 0",
    "cells_above_mean": "Cells above their mean",
}  # fmt: skip
_WHOLE_EVENT = {  # quantities of `review.json` and how they are shown
    "ht": "HT, GeV", "multiplicity": "Objects", "met": "MET, GeV", "sum": "Sum of the cells", "cells": "Cells",
}  # fmt: skip
_AUC = "auc"
_ABLATION_KEYS = ("1e-02", "1e-03")


@dataclass(frozen=True)
class MetricTable:
    """Rows by signal, a column each model or part."""

    title: str
    columns: list[str]
    signals: dict[str, list[MetricRow]]


class VerdictRow(NamedTuple):
    """What is said of a signal: of the firmware against the float model, and of the quantization alone."""

    signal: str
    distinguishable: bool
    sentence: str
    alone: str | None
    direction: str | None = None  # "better", "worse" or both: what is distinguishable


class CorrelationRow(NamedTuple):
    """What a model's score goes with."""

    quantity: str
    model: str
    distance_correlation: str
    shared: tuple[str, ...]  # one a rate


class AnomalousRow(NamedTuple):
    """One of the most anomalous events, ready to print."""

    event: int
    group: int
    score: str
    quantities: dict[str, str]
    driving: str


class MenuRow(NamedTuple):
    """A bit of the existing menu: whole, unique and shared rates."""

    bit: int
    passed: int
    rates: tuple[str, str, str]


class ResourceRow(NamedTuple):
    """What a design takes; a number that is not known is None."""

    source: str
    lut: int | None
    ff: int | None
    dsp: int | None = None
    bram: float | None = None
    percent: Mapping[str, float] | None = None


def verdict_rows(metrics: MetricsResult) -> list[VerdictRow]:
    """Give the verdict on each signal, where the evaluation has one."""
    alone = metrics.ablation.verdicts.models.get(EVERYTHING, {})
    return [
        VerdictRow(
            signal,
            own.distinguishable,
            own.sentence,
            alone[signal].sentence if signal in alone else None,
            _direction(own, (metrics.delta or {}).get(signal), metrics.verdicts.level),
        )
        for signal, own in metrics.verdicts.models.get(FIRMWARE, {}).items()
    ]


def _direction(verdict: SignalVerdict, delta: SignalMetrics | None, level: float) -> str | None:
    """Say whether the metrics that differ are better or worse; None where none does, or the difference is not known."""
    if delta is None:
        return None
    differing = [name for name, own in verdict.metrics.items() if own.corrected_p_value < level]
    values = [(delta.auc if name == _AUC else delta.tpr[name]).value for name in differing]
    signs = {value > 0 for value in values if value}
    words = [word for sign, word in ((True, "better"), (False, "worse")) if sign in signs]
    return " and ".join(words) or None


def metric_tables(metrics: MetricsResult) -> list[MetricTable]:
    """Give the differences to the float model first, then every model's metrics; none where there is no signal."""
    models = model_columns(metrics.models)
    rows = metric_rows([metrics.models[model] for model in models])
    if not rows:
        return []
    labels = [metrics.labels.get(model, model) for model in models]
    tables = [MetricTable("AUC, and signal efficiency (TPR) in % at a false positive rate", labels, _by_signal(rows))]
    if (groups := metrics.groups) is not None:
        columns = group_columns(groups, metrics.labels)
        tables.append(MetricTable(group_sentence(groups), columns, _by_signal(group_rows(groups))))
    if found := deltas(metrics):
        rows = metric_rows(list(found.values()), signed=True)
        title = "Paired differences to the float model, TPR in percentage points"
        tables.insert(0, MetricTable(title, list(found), _by_signal(rows)))
    return tables


def ablation_table(ablation: Ablation) -> MetricTable | None:
    """Give what quantizing one part alone changes, against the same weights unrounded; None of no part or signal."""
    delta = ablation.delta
    if not any(delta.values()):
        return None
    known = next(iter(next(iter(delta.values())).values())).tpr
    keys = [key for key in _ABLATION_KEYS if key in known]
    title = "Change against the same weights unrounded, TPR in percentage points"
    return MetricTable(title, list(delta), _by_signal(metric_rows(list(delta.values()), keys, signed=True)))


def _by_signal(rows: Sequence[MetricRow]) -> dict[str, list[MetricRow]]:
    signals: dict[str, list[MetricRow]] = {}
    for row in rows:
        signals.setdefault(row.signal, []).append(row)
    return signals


def notes(metrics: MetricsResult) -> list[str]:
    """Give the reasons for what is not measurable, each once, with its models unless it holds for all of them."""
    models = model_columns(metrics.models)
    found: dict[str, dict[str, None]] = {}
    for model in models:
        for signal in metrics.models[model].values():
            for estimate in signal.tpr.values():
                if estimate.note is not None:
                    found.setdefault(estimate.note, {})[model] = None
    return [
        f"{note[0].upper()}{note[1:]}" + (f" ({', '.join(named)})." if len(named) < len(models) else ".")
        for note, named in found.items()
    ]


def correlation_rows(correlation: Mapping[str, Correlation]) -> list[CorrelationRow]:
    """Give what float and firmware go with, side by side."""
    return [
        CorrelationRow(
            QUANTITIES.get(quantity, quantity),
            model,
            f"{own.distance_correlation[model]:.2f}",
            tuple(NOT_MEASURABLE if s is None else f"{100 * s:.0f} %" for s in own.shared_decisions[model]),
        )
        for quantity, own in correlation.items()
        for model in (FLOAT, FIRMWARE)
    ]


def anomalous_rows(anomalous: Anomalous) -> list[AnomalousRow]:
    """Give the most anomalous events with what whole events hold and the slots that drive the score."""
    shown = [name for name in _WHOLE_EVENT if any(name in event.quantities for event in anomalous.events)]
    return [
        AnomalousRow(
            event.event,
            event.group,
            f"{event.score:,.6g}",
            {_WHOLE_EVENT[name]: f"{event.quantities[name]:,.4g}" for name in shown},
            "; ".join(_driving(slot) for slot in event.driving) or NOT_MEASURABLE,
        )
        for event in anomalous.events
    ]


def _driving(slot: DrivingSlot) -> str:
    values = ", ".join(f"{name} {value:.3g}" for name, value in slot.values.items())
    return f"{slot.name} {100 * slot.share:.0f} % ({values})"


def menu_rows(menu: Menu | None) -> list[MenuRow]:
    """Give the bits that take an event, the largest rate first."""
    bits = sorted(() if menu is None else menu.bits, key=lambda bit: -bit.passed)
    return [
        MenuRow(
            bit.bit,
            bit.passed,
            (
                compact_interval(*bit.rate_khz),
                compact_interval(*bit.unique_rate_khz),
                compact_interval(*bit.shared_rate_khz),
            ),
        )
        for bit in bits
        if bit.passed
    ]


def rate_chart(metrics: ScoreMetrics) -> dict[str, Any] | None:
    """Give the numbers behind the slider, as the page's script reads them: float and firmware at each threshold."""
    rates = metrics.rates
    if FIRMWARE not in rates.models:
        return None
    return {
        "level": metrics.confidence_level,
        "background_events": metrics.background_events,
        "bunch_crossing_rate_khz": rates.bunch_crossing_rate_khz,
        "models": {model: as_json(rates.models[model]) for model in (FIRMWARE, FLOAT) if model in rates.models},
        "marks": [decision.value for decision in metrics.decisions],
    }


def loaded_facts(csim: CsimResult, rtl: RtlResult | None) -> dict[str, str]:
    """Say with how many sets of thresholds decisions were compared, where others than the trained ones are loaded."""
    in_registers = None if rtl is None else rtl.reloaded_thresholds
    checks = {"C simulation": csim.reloaded_thresholds, "registers in Verilog": in_registers}
    return {
        f"thresholds loaded, {where}": f"{check.sets:,} sets, {'equal' if check.passed else 'NOT equal'}"
        for where, check in checks.items()
        if check is not None
    }


def placed_facts(place: PlaceResult) -> dict[str, str]:
    """Say what is known of the routed chip."""
    path = place.critical_path
    through = f", through {', '.join(path.layers)}" if path.layers else ""
    return {
        "chip": f"{place.family} {place.device}, {place.package}, speed {place.speed}",
        "clock after routing": f"{place.clock_mhz:g} MHz, wanted {place.wanted_mhz:g} MHz",
        "latency": f"{place.latency_cycles} clocks, {place.latency_ns:g} ns at that clock",
        "slowest path": f"{path.delay_ns:g} ns, {path.routing_ns:g} ns of it routing{through}",
        "taken": ", ".join(f"{own.used:,} of {own.available:,} {name}" for name, own in place.utilization.items()),
    }


def resource_rows(rtl: RtlResult | None, synth: SynthResult | None) -> tuple[ResourceRow, ...]:
    """Give what is known of the resources: the estimate of the tracing, and what the synthesis found."""
    if synth is not None:
        return tuple(
            ResourceRow(
                synth.tool if row.name == "Yosys" else row.name, row.lut, row.ff, row.dsp, row.bram, row.percent
            )
            for row in synth.comparison
        )
    if rtl is not None:
        return (ResourceRow("da4ml's estimate", rtl.estimated.lut, rtl.estimated.ff),)
    return ()
