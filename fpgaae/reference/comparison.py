"""All finished float methods side by side: AUC and TPR per method, score and signal, as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fpgaae.errors import InputError
from fpgaae.files import Json, read_json

_RESULT = Path("reference") / "reference.json"
_TPR = "1e-03"


def compare_references(runs: Iterable[Path]) -> Json:
    """Read the results of run folders that hold a float method.

    Raises
    ------
    InputError
        If none does.
    """
    rows = []
    given = list(runs)
    for folder in sorted(given):
        file = folder / _RESULT
        result = read_json(file) if file.is_file() else {}
        if "method" not in result:
            continue
        for score, signals in result["scores"].items():
            rows.append(
                {
                    "experiment": folder.name,
                    "method": result["method"],
                    "score": score,
                    "members": len(result["members"]),
                    "signals": signals,
                }
            )
        for name, signals in result.get("baselines", {}).items():
            baseline = {"experiment": "(no network)", "method": name, "score": name, "members": 1, "signals": signals}
            if not any(row["experiment"] == "(no network)" and row["method"] == name for row in rows):
                rows.insert(0, baseline)
    if not rows:
        shown = ", ".join(map(str, given)) or "nothing"
        raise InputError(
            f"{shown} holds no finished float method; run `fpgaae reference CONFIG` with a `method:` first"
        )
    return {"tpr_at": _TPR, "rows": rows}


def comparison_markdown(result: Json) -> str:
    """Give the table of a comparison in Markdown: AUC / TPR at a false positive rate of 1e-3, in per cent."""
    signals = list(dict.fromkeys(signal for row in result["rows"] for signal in row["signals"]))
    lines = [
        f"| experiment | score | members | {' | '.join(signals)} |",
        f"|---|---|---|{'---|' * len(signals)}",
    ]
    for row in result["rows"]:
        cells = (_cell(row["signals"].get(signal), result["tpr_at"]) for signal in signals)
        lines.append(f"| {row['experiment']} | {row['score']} | {row['members']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(found: Json | None, tpr_at: str) -> str:
    if found is None:
        return ""
    rate = found["tpr"].get(tpr_at)
    return f"{_percent(found['auc'], 1)} / {'' if rate is None else _percent(rate, 2)}"


def _percent(value: Json, digits: int) -> str:
    spread = "" if value["spread"] is None else f" ± {100 * value['spread']:.{digits}f}"
    return f"{100 * value['mean']:.{digits}f}{spread}"
