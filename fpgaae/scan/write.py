"""What a finished scan leaves: its result, table and figure, and the whole experiments of its front."""

from __future__ import annotations

from pathlib import Path

from fpgaae.artifacts import Json, write_json
from fpgaae.evaluation.figures import save_figure
from fpgaae.scan.figure import scan_figure
from fpgaae.scan.layout import write_config
from fpgaae.scan.plan import Scan
from fpgaae.scan.table import as_csv, as_markdown

RESULT_FILE = "scan.json"


def write_results(scan: Scan, folder: Path, result: Json) -> Json:
    """Write everything, the result file last, and give its content."""
    result = {**result, "folder": str(folder), "front": _write_front(scan, folder, result)}
    for name, text in (("scan.csv", as_csv(result)), ("scan.md", as_markdown(result))):
        partial = folder / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / name)
    save_figure(scan_figure(result), folder, "scan")
    write_json(folder / RESULT_FILE, result)
    return result


def _write_front(scan: Scan, folder: Path, result: Json) -> list[str]:
    """Write an experiment for each point of the front, with the first seed, and remove those of an earlier front."""
    front = folder / "front"
    seed = scan.settings.seeds[0]
    written = []
    for point in result["points"]:
        if point["on_front"]:
            file = front / f"{scan.name}-{point['label']}.yaml"
            values = {name: tuple(v) if isinstance(v, list) else v for name, v in point["values"].items()}
            write_config(file, scan.config(values, seed), f"A point on the front of {scan.file.name}, seed {seed}.")
            written.append(file)
    for file in front.glob("*.yaml"):
        if file not in written:
            file.unlink()
    return [str(file) for file in written]
