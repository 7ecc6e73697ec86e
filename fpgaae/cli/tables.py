"""What commands besides the stages say on the terminal about what they found: tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from fpgaae.doctor import Finding, Status
from fpgaae.errors import InputError
from fpgaae.hls.lint.findings import Report, Severity
from fpgaae.report.flatness import terminal_tables
from fpgaae.report.tables import decision_tables, metrics_table
from fpgaae.runs.results.compare import RunComparison
from fpgaae.runs.results.csim import ComparedLayer
from fpgaae.runs.results.data import is_saturated
from fpgaae.runs.results.drift import DriftResult
from fpgaae.runs.results.emulate import EmulatedFile, EmulateResult
from fpgaae.runs.results.metrics import OtherEvents, SignalMetrics, fpr_key
from fpgaae.runs.results.mutants import MutantsResult, ProveMutantsResult
from fpgaae.runs.results.repeat import OverSeeds, RepeatResult
from fpgaae.runs.results.scan import ScanResult
from fpgaae.runs.results.thresholds import ThresholdSet
from fpgaae.scan.table import header, legend, rows
from fpgaae.statistics import Interval

_COST_NAMES = {
    "lut": "LUT, estimated", "ff": "FF, estimated", "latency_ns": "latency, ns", "yosys_lut": "LUT, Yosys",
    "yosys_ff": "FF, Yosys",
}  # fmt: skip


def findings_table(findings: tuple[Finding, ...]) -> RenderableType:
    """Give what `fpgaae doctor` prints."""
    colours = {Status.OK: "green", Status.WARNING: "yellow", Status.MISSING: "red"}
    table = Table(box=None, pad_edge=False)
    for name in ("check", "", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        colour = colours[finding.status]
        name, detail, cure = map(escape, (finding.name, finding.detail, finding.cure))
        table.add_row(name, f"[{colour}]{finding.status.value}[/]", detail, cure)
    return table


def emulate_table(result: EmulateResult) -> RenderableType:
    """Give what `fpgaae emulate` prints: a row for each event file, then what each threshold accepts of all."""
    table = new_table("result", "events", *(f"above {row.code:,}" for row in result.thresholds))
    for entry in result.files:
        accepted = (f"{n:,} ({n / max(entry.counted, 1):.2e})" for n in entry.accepted)
        table.add_row(escape(entry.output), f"{entry.events:,}", *accepted)
    lines: list[RenderableType] = [table, *(line for entry in result.files for line in _largest_pt(entry))]
    if result.loaded:
        lines.append("thresholds as they were loaded, in the place of the trained ones")
    if left := sum(entry.events - entry.counted for entry in result.files):
        lines.append(f"{left:,} events do not fulfil `data.where`: they have a score, but count nowhere")
    for index, row in enumerate(result.thresholds):
        share, khz = row.accepted_share, row.rate_khz
        if share is not None and khz is not None:
            lines.append(
                f"threshold {index} accepts {share.value:.3e} ({share.low:.3e} to {share.high:.3e}) of all "
                f"events; {khz.value:.3g} kHz, were they the trigger's input"
            )
    lines.append(f"{result.events:,} events in {result.seconds:.1f} s")
    return Group(*lines)


def _largest_pt(entry: EmulatedFile) -> list[str]:
    """Say the share of an event file's objects at the largest pT, with a warning where it is large."""
    objects = entry.objects or {}
    shares = [(kind, n, objects[kind]) for kind, n in (entry.largest_pt or {}).items() if n]
    shown = ", ".join(f"{kind} {n / of:.2%}" for kind, n, of in shares)
    many = any(is_saturated(n, of) for _, n, of in shares)
    mark = "[yellow]warning:[/] " if many else ""
    return [f"{mark}{escape(entry.output)}: objects at the largest pT: {escape(shown)}"] if shares else []


def mutants_table(result: MutantsResult) -> RenderableType:
    """Give what `--mutate` prints: a row for each kind of damage, then those that the project has no place for."""
    table = new_table("damaged", "mutants", "caught", "equivalent", "missed", "wrong layer named")
    for damage in dict.fromkeys(mutant.damage for mutant in result.mutants):
        own = [mutant for mutant in result.mutants if mutant.damage == damage]
        counts = [sum(m.outcome == outcome for m in own) for outcome in ("caught", "equivalent", "missed")]
        wrong = sum(mutant.attributed is False for mutant in own)
        table.add_row(damage, *(str(n) for n in (len(own), *counts, wrong)))
    verdict = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
    line = (
        f"{verdict}: of {result.total} mutants {result.caught} were caught, {result.equivalent} proven to "
        f"compute the same, {result.missed} missed"
    )
    not_made = (f"not made: {kind.damage} ({escape(kind.reason)})" for kind in result.not_made)
    return Group(table, *not_made, line)


def proven_mutants_table(result: ProveMutantsResult) -> RenderableType:
    """Give what `prove --mutate` prints: a row for each kind of damage, by what it was decided, and the sum."""
    table = new_table("damaged", "mutants", "refuted", "proven equal", "open", "wrong")
    for damage in dict.fromkeys(mutant.damage for mutant in result.mutants):
        own = [mutant for mutant in result.mutants if mutant.damage == damage]
        counts = (sum(m.outcome == outcome for m in own) for outcome in ("refuted", "proven", "open", "wrong"))
        table.add_row(damage, *(str(n) for n in (len(own), *counts)))
    ways = Counter(mutant.by for mutant in result.mutants if mutant.outcome == "refuted")
    verdict = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
    line = (
        f"{verdict}: of {result.total} mutants {result.refuted} were refuted and replayed, {result.proven} proven to "
        f"compute the same, {result.open} left open, {result.wrong} judged wrongly"
    )
    by = "refuted by " + ", ".join(f"{escape(way)} {n}" for way, n in ways.most_common())
    not_made = (f"not made: {kind.damage} ({escape(kind.reason)})" for kind in result.not_made)
    return Group(table, *not_made, *([by] if ways else []), line)


def drift_tables(result: DriftResult) -> RenderableType:
    """Give what `fpgaae evaluate --against` prints: what moved, the rates, and the features that moved the most."""
    rates = new_table("rate above code", "here", "there", "p")
    for rate in result.rates:
        khz = (rate.reference.rate_khz, rate.other.rate_khz)
        shown = (f"{own.value:.3g} kHz ({own.low:.3g} to {own.high:.3g})" for own in khz)
        rates.add_row(f"{rate.code:,}", *shown, f"{rate.p_value:.2g}")
    features = new_table("feature", "distance", "p (Holm)", "mean code", "there", "saturated", "there", "moved")
    for entry in result.features[:10]:
        means, saturated = (f"{own:.1f}" for own in entry.mean_code), (f"{own:.2%}" for own in entry.saturated)
        marked = "[yellow]yes[/]" if entry.moved else "no"
        features.add_row(
            entry.name, f"{entry.distance:.4f}", f"{entry.corrected_p_value:.2g}", *means, *saturated, marked
        )
    events = f"{result.events.reference:,} events here, {result.events.other:,} in {escape(result.file)}"
    return Group(events, escape(result.sentence), "", rates, "", features)


def lint_table(report: Report) -> RenderableType:
    """Give what `fpgaae lint` prints of one thing that it looked at."""
    subject = escape(report.subject)
    if not report.findings:
        return f"[bold]{subject}[/]: [green]clean[/]"
    colours = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("rule", "layer", "cause", "what to do"):
        table.add_column(name, overflow="fold")
    for finding in report.findings:
        cause = f"{finding.found}: {finding.cause}" if finding.found else finding.cause
        cells = (finding.rule, finding.layer, cause, finding.cure)
        table.add_row(f"[{colours[finding.severity]}]{finding.severity.value}[/]", *map(escape, cells))
    return Group(f"[bold]{subject}[/]", table)


def scan_summary(result: ScanResult) -> RenderableType:
    """Give what `fpgaae scan` prints: a row a point, and where the rest lies."""
    table = new_table(*map(escape, header(result)))
    for row in rows(result):
        table.add_row(*map(escape, row))
    n_trials = sum(len(point.trials) for point in result.points)
    lines = [
        f"{legend(result)}; *: on the front",
        f"{n_trials} trials, of which {result.trials_run} were run now, in {result.wall_time_s:.0f} s",
        f"figure and table: {escape(result.folder)}/scan.png, scan.md, scan.csv",
        *(f"make convert csim CONFIG={escape(file)}" for file in result.front),
    ]
    return Group(table, *lines)


def repeat_table(result: RepeatResult, rate: float) -> RenderableType:
    """Give what `fpgaae repeat` prints: a row a figure, with its mean and spread and what each seed gave.

    Raises
    ------
    InputError
        If no efficiency was measured at a false positive rate.
    """
    key = fpr_key(rate)
    measured = list(next(iter(result.signals.values())).tpr)
    if key not in measured:
        raise InputError(f"no efficiency was measured at --rate {rate:g}; there are {', '.join(measured) or 'none'}")
    table = new_table("", "mean", "spread", "error", *(f"seed {seed}" for seed in result.seeds))
    for signal, own in result.signals.items():
        table.add_row(f"{escape(signal)}, AUC, %", *_numbers(own.auc, 100, 2))
        table.add_row(f"{escape(signal)}, TPR, %", *_numbers(own.tpr[key], 100, 2))
    for name, cost in result.costs.items():
        table.add_row(_COST_NAMES[name], *_numbers(cost, 1, 0))
    table.add_row("weights that are zero, %", *_numbers(result.sparsity, 100, 1))
    said = (
        f"scored: the {result.judged_on} split; TPR: at a false positive rate of {rate:g}; error: of the mean, "
        "by events and seeds together",
        f"all figures: {escape(result.folder)}/repeat.json",
    )
    return Group(table, *said)


def _numbers(over: OverSeeds, scale: float, digits: int) -> list[str]:
    """Give mean, spread and error over the seeds, and the number of each."""
    numbers = (over.mean, over.spread, over.standard_error, *over.by_seed)
    return ["" if number is None else f"{scale * number:,.{digits}f}" for number in numbers]


def threshold_set_table(result: ThresholdSet) -> RenderableType:
    """Give what `fpgaae thresholds` prints."""
    table = new_table("threshold", "code", "converted", "value", "rate", "kHz")
    for place, (own, before) in enumerate(zip(result.thresholds, result.converted, strict=True)):
        table.add_row(
            str(place),
            f"{own.code:,}",
            f"{before:,}",
            f"{own.value:g}",
            _rate(own.false_positive_rate),
            _rate(own.rate_khz),
        )
    doubts = (
        f"[yellow]threshold {place} is in doubt[/]: {escape(own.doubt)}"
        for place, own in enumerate(result.thresholds)
        if own.doubt is not None
    )
    return Group(table, *doubts, f"{result.events:,} events, {len(result.writes)} register writes")


def _rate(interval: Interval) -> str:
    return f"{interval.value:.3g} ({interval.low:.3g} to {interval.high:.3g})"


def layers_table(layers: Sequence[ComparedLayer]) -> RenderableType:
    """Give what was compared of each layer."""
    table = new_table("layer", "values compared", "mismatched", "largest, LSB")
    for layer in layers:
        table.add_row(layer.name, f"{layer.values:,}", f"{layer.mismatched_values:,}", f"{layer.max_lsb:,}")
    return table


def other_events_tables(result: OtherEvents) -> RenderableType:
    """Give what `fpgaae evaluate --events` prints."""
    said = [
        f"[bold]{escape(signal)}[/]: {escape(own.sentence)}"
        for signal, own in result.verdicts.models.get("firmware", {}).items()
    ]
    first = [metrics_table(result)] if any(result.models.values()) else []
    return Group(*first, *decision_tables(result.decisions), *terminal_tables(result.flatness), *said)


def compared_table(result: RunComparison) -> RenderableType:
    """Give what `fpgaae compare` prints: a row a run and model, AUC and differences of it a signal."""
    signals = list(dict.fromkeys(signal for run in result.runs for own in run.models.values() for signal in own))
    table = new_table("AUC", "model", *map(escape, signals))
    for run in result.runs:
        for model, own in run.models.items():
            table.add_row(escape(run.name), model, *(_area(own.get(signal)) for signal in signals))
    for name, own in result.differences.items():
        table.add_row(
            escape(name),
            f"- {escape(result.reference or '')}",
            *(_area(own.get(signal), sign="+") for signal in signals),
        )
    notes = (f"{escape(name)} has no difference: {escape(reason)}" for name, reason in result.unpaired.items())
    return Group(table, *notes, *(f"[yellow]{escape(sentence)}[/]" for sentence in result.left_out))


def _area(metrics: SignalMetrics | None, sign: str = "") -> str:
    return "" if metrics is None or metrics.auc.value is None else f"{metrics.auc.value:{sign}.4f}"


def new_table(*columns: str) -> Table:
    """Make a table without borders, the first column of text, the others of numbers."""
    table = Table(box=None, pad_edge=False)
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table
