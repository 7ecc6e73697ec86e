"""All finished float methods side by side: AUC and TPR per method, score and signal, as Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpgaae.errors import InputError
from fpgaae.files import read_json
from fpgaae.runs.results.reference import MeanAndSpread, MethodReference, ReferenceResult, SeparationOfMembers
from fpgaae.training.methods.separation import mean_and_spread

_RESULT = Path("reference") / "reference.json"
_TPR = "1e-03"
_NO_NETWORK = "(no network)"


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """A score of a float method, or of what needs no network."""

    experiment: str
    method: str
    score: str
    members: int
    signals: Mapping[str, SeparationOfMembers]


@dataclass(frozen=True, kw_only=True)
class MethodComparison:
    """The float methods of several run folders."""

    tpr_at: str  # the false positive rate that is shown
    rows: tuple[MethodRow, ...]

    def to_markdown(self) -> str:
        """Give the comparison in Markdown, a table for each set of signals.

        A cell holds AUC / TPR at a false positive rate of 1e-3, in per cent.
        """
        tables: dict[tuple[str, ...], list[MethodRow]] = {}
        for row in self.rows:
            tables.setdefault(tuple(row.signals), []).append(row)
        return "\n".join(_table(signals, rows, self.tpr_at) for signals, rows in tables.items())


def compare_methods(runs: Iterable[Path]) -> MethodComparison:
    """Read the results of run folders that hold a float method.

    Raises
    ------
    InputError
        If none does.
    """
    rows: list[MethodRow] = []
    given = list(runs)
    for folder in sorted(given):
        file = folder / _RESULT
        if not file.is_file() or ReferenceResult.form(read_json(file)) is not MethodReference:
            continue
        result = MethodReference.read(file, "run `fpgaae reference CONFIG --force`")
        rows += _rows(folder.name, result)
        for name, signals in result.baselines.items():
            baseline = MethodRow(experiment=_NO_NETWORK, method=name, score=name, members=1, signals=signals)
            if not any(_same_signals(row, baseline) for row in rows if row.score == name):
                rows.insert(0, baseline)
    if not rows:
        shown = ", ".join(map(str, given)) or "nothing"
        raise InputError(
            f"{shown} holds no finished float method; run `fpgaae reference CONFIG` with a `method:` first"
        )
    return MethodComparison(tpr_at=_TPR, rows=tuple(rows))


def _rows(experiment: str, result: MethodReference) -> list[MethodRow]:
    """Give a row a score and point of the ensemble, so that a spread is one of seeds alone."""
    points = list({json.dumps(dict(member.point)): member.point for member in result.members}.values())
    rows = []
    for point in points:
        members = [member for member in result.members if member.point == point]
        knobs = ", ".join(f"{key} {value:g}" for key, value in point.items())
        for score in result.scores:
            rows.append(
                MethodRow(
                    experiment=f"{experiment}, {knobs}" if len(points) > 1 else experiment,
                    method=result.method,
                    score=score,
                    members=len(members),
                    signals=mean_and_spread([member.scores[score] for member in members]),
                )
            )
    return rows


def _same_signals(row: MethodRow, other: MethodRow) -> bool:
    return row.experiment == other.experiment and set(row.signals) == set(other.signals)


def _table(signals: tuple[str, ...], rows: Sequence[MethodRow], tpr_at: str) -> str:
    lines = [
        f"| experiment | score | members | {' | '.join(signals)} |",
        f"|---|---|---|{'---|' * len(signals)}",
    ]
    for row in rows:
        cells = (_cell(row.signals.get(signal), tpr_at) for signal in signals)
        lines.append(f"| {row.experiment} | {row.score} | {row.members} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(found: SeparationOfMembers | None, tpr_at: str) -> str:
    if found is None:
        return ""
    rate = found.tpr.get(tpr_at)
    return f"{_percent(found.auc, 1)} / {'' if rate is None else _percent(rate, 2)}"


def _percent(value: MeanAndSpread, digits: int) -> str:
    spread = "" if value.spread is None else f" ± {100 * value.spread:.{digits}f}"
    return f"{100 * value.mean:.{digits}f}{spread}"
