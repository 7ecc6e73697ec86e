"""What a finished scan leaves: its result, table and figure."""

from __future__ import annotations

from pathlib import Path

from fpgaae.evaluation.figure_files import save_figure
from fpgaae.files import write_json, write_text
from fpgaae.runs.record import as_json
from fpgaae.runs.results.scan import ScanResult
from fpgaae.scan.figure import scan_figure
from fpgaae.scan.table import as_csv, as_markdown

RESULT_FILE = "scan.json"


def write_results(folder: Path, result: ScanResult) -> None:
    """Write everything, the result file last."""
    for name, text in (("scan.csv", as_csv(result)), ("scan.md", as_markdown(result))):
        write_text(folder / name, text)
    save_figure(scan_figure(result), folder, "scan")
    write_json(folder / RESULT_FILE, as_json(result))
