"""The metrics as tables: compact numbers with their intervals, for the terminal and for the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.markup import escape
from rich.table import Table

from fpgaae.errors import InputError
from fpgaae.evaluation.comparison import MIN_BACKGROUND_EVENTS, MODELS
from fpgaae.runs.results.metrics import (
    Decision,
    Estimate,
    GroupAreas,
    GroupMetrics,
    MetricsBySignal,
    ScoreMetrics,
    StudentComparison,
)
from fpgaae.statistics import Interval

TERMINAL_FPR_KEYS = ("1e-02", "1e-03", "1e-04")
SYMMETRIC_RATIO = 0.75
NOT_MEASURABLE = "\N{EN DASH}"
_DIGITS_OF_EVENTS = 6  # of an effective number, which rounding may leave just below a whole one
_FIRMWARE_DELTA, _QUANTIZED_DELTA = "firmware \N{MINUS SIGN} float", "quantized \N{MINUS SIGN} float"


class MetricRow(NamedTuple):
    """One line of a signal, with a compact number per column."""

    signal: str
    metric: str  # what the line is about: a metric, or a model where the metrics are the columns
    cells: tuple[str, ...]
    background_events: tuple[int | None, ...] = ()  # that the efficiencies rest on; ties of scores leave fewer

    @property
    def most_background_events(self) -> int | None:
        """The number that most columns have: that of those without ties."""
        return max((number for number in self.background_events if number is not None), default=None)


def compact_interval(value: float, low: float, high: float) -> str:
    """Write a value and its interval with the digits that mean something: ``0.894(4)`` or ``1.2 +1.1 -0.6``.

    The larger of the two errors is rounded as the Particle Data Group does: two digits if its first three are 100 to
    354 or 950 to 999 (then 1000), otherwise one. Errors within a quarter of each other become one, the larger, in
    parentheses and in units of the last digit.

    Notes
    -----
    R. L. Workman et al. (Particle Data Group), Prog. Theor. Exp. Phys. 2022, 083C01, section 5.3 of the introduction.

    Examples
    --------
    >>> compact_interval(0.8941, 0.8901, 0.8978)
    '0.894(4)'
    """
    up, down = max(high - value, 0.0), max(value - low, 0.0)
    smaller, larger = sorted((up, down))
    if larger == 0:
        return f"{value:.4g}"
    decimals = _decimals(larger)
    shown = f"{value:.{decimals}f}"
    if float(shown) == 0:
        shown = shown.lstrip("-")
    if smaller >= SYMMETRIC_RATIO * larger:
        return f"{shown}({round(larger * 10**decimals)})"
    return f"{shown} +{up:.{decimals}f} -{down:.{decimals}f}"


def _decimals(error: float) -> int:
    exponent = math.floor(math.log10(error))
    first_three = round(error / 10.0 ** (exponent - 2))
    two_digits = first_three < 355 or first_three >= 950
    # 0.0951 is shown as 0.10: its two digits end where the one digit of 0.09 would
    places = two_digits - (first_three >= 950)
    return max(0, places - exponent)


def model_columns(models: Collection[str]) -> list[str]:
    """Order models as this package does: networks first, then baselines, then others."""
    return [model for model in MODELS if model in models] + [model for model in models if model not in MODELS]


def metric_rows(
    columns: Sequence[MetricsBySignal], fpr_keys: Sequence[str] | None = None, *, signed: bool = False
) -> list[MetricRow]:
    """Format one part of `metrics.json` per column: AUC as a fraction, signal efficiencies in percent.

    Parameters
    ----------
    columns
        For example ``metrics.models["float"]`` and ``metrics.models["firmware"]``; the same signals in each.
    fpr_keys
        False positive rates such as ``1e-03``; all of them if not given.
    signed
        Whether to show the sign of positive values, as of differences.

    Raises
    ------
    InputError
        If a column lacks a signal or a false positive rate.
    """
    rows = []
    for signal in columns[0] if columns else ():
        try:
            own = [column[signal] for column in columns]
            keys = list(own[0].tpr) if fpr_keys is None else fpr_keys
            rows.append(MetricRow(signal, "AUC", tuple(_cell(each.auc, 1, signed) for each in own)))
            for key in keys:
                cells = tuple(_cell(each.tpr[key], 100, signed) for each in own)
                numbers = tuple(each.tpr[key].background_events_above for each in own)
                rows.append(MetricRow(signal, f"TPR {key}", cells, numbers))
        except KeyError as error:
            raise InputError(f"The metrics of `{signal}` lack {error}: run the evaluation again.") from error
    return rows


def _cell(estimate: Estimate, scale: int, signed: bool) -> str:
    return NOT_MEASURABLE if (interval := estimate.interval) is None else _number(interval, scale, signed)


def _number(interval: Interval, scale: int, signed: bool) -> str:
    text = compact_interval(*(scale * end for end in interval))
    return f"+{text}" if signed and interval.value > 0 else text


def group_rows(groups: GroupMetrics) -> list[MetricRow]:
    """Format the areas from the mean score of each group, a column each model, then firmware - float."""
    columns = [groups.models[model] for model in model_columns(groups.models)]

    def row(signal: str, label: str, area: Callable[[GroupAreas], Interval]) -> MetricRow:
        cells = [_number(area(column[signal]), 1, signed=False) for column in columns]
        if groups.delta is not None:
            cells.append(_number(area(groups.delta[signal]), 1, signed=True))
        return MetricRow(signal, label, tuple(cells))

    return [
        found
        for signal in columns[0]
        for found in (
            row(signal, "AUC", lambda areas: areas.auc),
            row(signal, f"pAUC to {groups.max_false_positive_rate:g}", lambda areas: areas.partial_auc),
        )
    ]


def group_columns(groups: GroupMetrics, labels: Mapping[str, str]) -> list[str]:
    """Name the columns of `group_rows`."""
    return [labels.get(model, model) for model in model_columns(groups.models)] + (
        [] if groups.delta is None else [_FIRMWARE_DELTA]
    )


def group_sentence(groups: GroupMetrics) -> str:
    """Say what is judged in `group_rows`, and on how many."""
    counts = ", ".join(f"{number:,} of {process}" for process, number in groups.groups.items())
    return f"Mean score of each group of events ({counts}); pAUC: standardised, 0.5 is chance"


def group_table(groups: GroupMetrics, metrics: ScoreMetrics) -> Table:
    """Tabulate the areas from the mean score of each group, a row each model, for a terminal."""
    by_metric = group_rows(groups)
    names = list(dict.fromkeys(row.metric for row in by_metric))
    rows = [
        MetricRow(signal, column, tuple(row.cells[index] for row in by_metric if row.signal == signal))
        for signal in dict.fromkeys(row.signal for row in by_metric)
        for index, column in enumerate(group_columns(groups, metrics.labels))
    ]
    return _table(escape(group_sentence(groups)), names, rows, metrics)


def metrics_table(metrics: ScoreMetrics) -> Table:
    """Tabulate AUC and signal efficiency of every model, a row each, for a terminal of 80 columns.

    Raises
    ------
    InputError
        If a model lacks a signal or a false positive rate.
    """
    models = model_columns(metrics.models)
    by_metric = metric_rows([metrics.models[model] for model in models], _shown_keys(metrics))
    names = [_heading(row) for row in {row.metric: row for row in reversed(by_metric)}.values()][::-1]
    rows = [
        MetricRow(
            signal,
            metrics.labels.get(model, model),
            tuple(row.cells[index] for row in by_metric if row.signal == signal),
        )
        for signal in dict.fromkeys(row.signal for row in by_metric)
        for index, model in enumerate(models)
    ]
    return _table("AUC, and signal efficiency (TPR) in % at a false positive rate", names, rows, metrics)


def _heading(row: MetricRow) -> str:
    """Name a metric, and below it the background events that it rests on."""
    most = row.most_background_events
    return row.metric if most is None else f"{row.metric}\non {most:,} events"


def decision_tables(decisions: Iterable[Decision]) -> list[Table]:
    """Tabulate for each threshold its rate, and how many decisions differ between the models at that rate."""
    tables = []
    for decision in decisions:
        columns = (
            "process",
            "events",
            "accepted",
            "float \N{NOT EQUAL TO} firmware",
            "quantized \N{NOT EQUAL TO} firmware",
        )
        table = Table(title=escape(rate_sentence(decision)), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for column in columns:
            table.add_column(column, justify="left" if column == "process" else "right")
        for process, own in decision.processes.items():
            flips = (own.flips["float_firmware"], own.flips["quantized_firmware"])
            numbers = (own.events, own.accepted["firmware"], *flips)
            table.add_row(escape(process), *(f"{number:,}" for number in numbers))
        tables.append(table)
    return tables


def student_sentences(found: StudentComparison | None) -> list[str]:
    """Say how much of its teacher's separation a student keeps, per signal, and with how many weights."""
    if found is None:
        return []
    own = found.weights
    sentences = [
        f"the student has {own.student:,} weights, {100 * own.share:.1f} % of the {own.teacher:,} of its "
        f"teacher, and {own.student_nonzero:,} of them are not zero"
    ]
    for process, rank in found.rank_correlation.items():
        shown = NOT_MEASURABLE if rank is None else f"{rank:.3f}"
        text = f"{process}: rank correlation of student and teacher {shown}"
        if (signal := found.signals.get(process)) is not None:
            interval = signal.kept.interval
            share = signal.kept.note if interval is None else f"{_number(interval, 100, signed=False)} %"
            text += (
                f", AUC {signal.student_auc:.4f} of {signal.teacher_auc:.4f}; kept of the teacher's AUC above "
                f"1/2: {share}"
            )
        sentences.append(text)
    return sentences


def _above(decision: Decision) -> str:
    if decision.cells is None:
        return f"Above code {decision.code:,}"
    return f"Above the codes of {decision.cells} cells (code {decision.code:,} without)"


def rate_sentence(decision: Decision) -> str:
    """Say which rate was asked for and which one the firmware gives."""
    rate, khz = decision.false_positive_rate, decision.rate_khz
    wanted = f"requested {decision.requested_false_positive_rate:.2e} ({decision.requested_rate_khz:.3g} kHz)"
    if decision.chosen_rate is not None:
        wanted += f", of which ties of scores left {decision.chosen_rate:.2e} where it was chosen"
    return (
        f"{_above(decision)}: {wanted}, achieved {rate.value:.2e} ({khz.value:.3g} kHz), "
        f"{rate.low:.2e} to {rate.high:.2e}: {_agreement(decision)} (p = {decision.p_value:.2g})"
        + ("" if decision.doubt is None else f". In doubt: {decision.doubt}")
    )


def _agreement(decision: Decision) -> str:
    """Say whether the rate is that of the events that the threshold was chosen on, and of what is asked for."""
    passed = decision.background_events_passed if decision.effective_passed is None else decision.effective_passed
    if decision.agrees and round(passed, _DIGITS_OF_EVENTS) < MIN_BACKGROUND_EVENTS:
        return "too few events to tell"
    verdict = "agrees" if decision.agrees else "DISAGREES"
    return verdict if decision.chosen_rate is None else f"{verdict} with that"


def deltas(metrics: ScoreMetrics) -> dict[str, MetricsBySignal]:
    """Give the paired differences to the float model that there are, by what they are shown as."""
    found = {_FIRMWARE_DELTA: metrics.delta, _QUANTIZED_DELTA: metrics.delta_quantized}
    return {label: own for label, own in found.items() if own is not None}


def delta_table(metrics: ScoreMetrics) -> Table:
    """Tabulate the paired differences to the float model; efficiencies in percentage points.

    Raises
    ------
    InputError
        If a difference lacks a signal or a false positive rate.
    """
    present = deltas(metrics)
    rows = metric_rows(list(present.values()), _shown_keys(metrics), signed=True)
    return _table("Paired differences, TPR in percentage points", list(present), rows, metrics)


def _shown_keys(metrics: ScoreMetrics) -> list[str]:
    known = {key for model in metrics.models.values() for signal in model.values() for key in signal.tpr}
    return [key for key in TERMINAL_FPR_KEYS if key in known]


def _table(title: str, columns: Sequence[str], rows: Sequence[MetricRow], metrics: ScoreMetrics) -> Table:
    caption = f"{metrics.background_events:,} background events, intervals at {100 * metrics.confidence_level:.4g} %"
    if metrics.effective_events is not None:
        worth = ", ".join(f"{number:,.0f} {escape(process)}" for process, number in metrics.effective_events.items())
        caption += f", weighted (worth {worth} events of weight 1)"
    if any(NOT_MEASURABLE in row.cells for row in rows):
        caption += f", {NOT_MEASURABLE} not measurable (too few background events pass)"
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    previous = None
    for row in rows:
        if row.signal != previous:
            if previous is not None:
                table.add_section()
            table.add_row(f"[bold]{escape(row.signal)}[/bold]")
        table.add_row(row.metric, *row.cells)
        previous = row.signal
    return table
