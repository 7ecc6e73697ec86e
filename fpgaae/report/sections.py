"""What the page's sections show, from the result files: rows ready to print, and the numbers behind the slider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fpgaae.evaluation.comparison import FIRMWARE, FLOAT
from fpgaae.report.tables import (
    DELTAS,
    NOT_MEASURABLE,
    MetricRow,
    group_columns,
    group_rows,
    group_sentence,
    metric_rows,
    model_columns,
    model_label,
)

QUANTITIES = {
    "ht_gev": "HT", "multiplicity": "Number of objects", "sum": "Sum of the cells", "cells": "Cells above 0",
    "cells_above_mean": "Cells above their mean",
}  # fmt: skip
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


class CorrelationRow(NamedTuple):
    """What a model's score goes with."""

    quantity: str
    model: str
    distance_correlation: str
    shared: tuple[str, ...]  # one a rate


class ResourceRow(NamedTuple):
    """What a design takes; a number that is not known is None."""

    source: str
    lut: int | None
    ff: int | None
    dsp: int | None = None
    bram: float | None = None
    percent: Mapping[str, float] | None = None


def verdict_rows(metrics: Mapping[str, Any]) -> list[VerdictRow]:
    """Give the verdict on each signal, where the evaluation has one."""
    models = metrics.get("verdicts", {}).get("models", {})
    alone = metrics.get("ablation", {}).get("verdicts", {}).get("models", {}).get("everything", {})
    return [
        VerdictRow(signal, own["distinguishable"], own["sentence"], alone.get(signal, {}).get("sentence"))
        for signal, own in models.get(FIRMWARE, {}).items()
    ]


def metric_tables(metrics: Mapping[str, Any]) -> list[MetricTable]:
    """Give the differences to the float model first, then every model's metrics; none where there is no signal."""
    models = model_columns(metrics)
    rows = metric_rows([metrics["models"][model] for model in models])
    if not rows:
        return []
    labels = [model_label(model, metrics) for model in models]
    tables = [MetricTable("AUC, and signal efficiency (TPR) in % at a false positive rate", labels, _by_signal(rows))]
    if "groups" in metrics:
        tables.append(MetricTable(group_sentence(metrics), group_columns(metrics), _by_signal(group_rows(metrics))))
    deltas = [key for key in DELTAS if key in metrics]
    if deltas:
        rows = metric_rows([metrics[key] for key in deltas], signed=True)
        title = "Paired differences to the float model, TPR in percentage points"
        tables.insert(0, MetricTable(title, [DELTAS[key] for key in deltas], _by_signal(rows)))
    return tables


def ablation_table(metrics: Mapping[str, Any]) -> MetricTable | None:
    """Give what quantizing one part alone changes, against the same weights unrounded."""
    delta = metrics.get("ablation", {}).get("delta", {})
    if not any(delta.values()):
        return None
    known = next(iter(next(iter(delta.values())).values()))["tpr"]
    keys = [key for key in _ABLATION_KEYS if key in known]
    title = "Change against the same weights unrounded, TPR in percentage points"
    return MetricTable(title, list(delta), _by_signal(metric_rows(list(delta.values()), keys, signed=True)))


def _by_signal(rows: Sequence[MetricRow]) -> dict[str, list[MetricRow]]:
    signals: dict[str, list[MetricRow]] = {}
    for row in rows:
        signals.setdefault(row.signal, []).append(row)
    return signals


def notes(metrics: Mapping[str, Any]) -> list[str]:
    """Give the reasons for what is not measurable, each once."""
    found = {
        estimate["note"]: None
        for model in model_columns(metrics)
        for signal in metrics["models"][model].values()
        for estimate in signal["tpr"].values()
        if "note" in estimate
    }
    return [note[0].upper() + note[1:] + "." for note in found]


def correlation_rows(metrics: Mapping[str, Any]) -> list[CorrelationRow]:
    """Give what float and firmware go with, side by side."""
    return [
        CorrelationRow(
            QUANTITIES.get(quantity, quantity),
            model,
            f"{own['distance_correlation'][model]:.2f}",
            tuple(NOT_MEASURABLE if s is None else f"{100 * s:.0f} %" for s in own["shared_decisions"][model]),
        )
        for quantity, own in metrics.get("correlation", {}).items()
        for model in (FLOAT, FIRMWARE)
    ]


def rate_chart(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the numbers behind the slider: rates and efficiencies of float and firmware at each threshold."""
    if "rates" not in metrics or FIRMWARE not in metrics["rates"]["models"]:
        return None
    rates = metrics["rates"]
    return {
        "level": metrics["confidence_level"],
        "background_events": metrics["background_events"],
        "bunch_crossing_rate_khz": rates["bunch_crossing_rate_khz"],
        "models": {model: rates["models"][model] for model in (FIRMWARE, FLOAT) if model in rates["models"]},
        "marks": [decision["value"] for decision in metrics.get("decisions", ())],
    }


def resource_rows(rtl: Mapping[str, Any] | None, synth: Mapping[str, Any] | None) -> tuple[ResourceRow, ...]:
    """Give what is known of the resources: the estimate of the tracing, and what the synthesis found."""
    if synth is not None:
        return tuple(
            ResourceRow(
                synth["tool"] if row["name"] == "Yosys" else row["name"],
                row.get("lut"), row.get("ff"), row.get("dsp"), row.get("bram"), row.get("percent"),
            )
            for row in synth["comparison"]
        )  # fmt: skip
    if rtl is not None:
        return (ResourceRow("da4ml's estimate", rtl["estimated"]["lut"], rtl["estimated"]["ff"]),)
    return ()
