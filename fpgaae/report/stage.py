"""The stage `report`: everything that is known of an experiment on one page."""

from __future__ import annotations

from pathlib import Path

from fpgaae.artifacts import MANIFEST, Json, StageRun, read_json
from fpgaae.report.page import BitCheck, LayerRow, PageContent, PageFigure, render_page

_FIGURES = {
    "roc": ("ROC curves", "Signal efficiency against false positive rate, per signal, for every score."),
    "scores": (
        "Score distributions",
        "The firmware's score per process; the line marks the working point on the test background.",
    ),
}


def run_report(run: StageRun) -> Json:
    """Write `index.html`, which needs no other file and no network."""
    convert, csim = run.result("convert"), run.result("csim")
    manifest = read_json(run.upstream("convert") / MANIFEST)
    content = PageContent(
        experiment=run.experiment.name,
        checks=(BitCheck.from_json("C simulation", csim),),
        metrics=run.result("evaluate"),
        layers=_layers(convert, csim),
        figures=_figures(run.upstream("evaluate") / "figures"),
        firmware=_firmware(convert, csim),
        configuration=run.experiment.config_file.read_text(encoding="utf-8"),
        hashes={
            name: value for name, value in manifest["outputs"].items() if name.endswith((".npz", ".cpp", "defines.h"))
        },
        versions=manifest["versions"],
        commit=manifest["git_commit"],
    )
    page = run.folder / "index.html"
    page.write_text(render_page(content), encoding="utf-8")
    return {"file": str(run.experiment.result_path("report"))}


def _layers(convert: Json, csim: Json) -> tuple[LayerRow, ...]:
    mismatched = {layer["name"]: layer["mismatched_values"] for layer in csim["layers"]}
    return tuple(
        LayerRow(
            layer["name"],
            layer["types"]["result"],
            layer["values"],
            layer["multiplications"],
            layer["nonzero_weights"],
            mismatched.get(layer["name"]),
        )
        for layer in convert["layers"]
    )


def _figures(folder: Path) -> tuple[PageFigure, ...]:
    found = []
    for name, (title, caption) in _FIGURES.items():
        if (file := folder / f"{name}.svg").is_file():
            found.append(PageFigure(title, caption, file.read_text(encoding="utf-8")))
    return tuple(found)


def _firmware(convert: Json, csim: Json) -> dict[str, str]:
    return {
        "backend": convert["backend"],
        "part": convert["part"],
        "clock": f"{convert['clock_ns']:g} ns",
        "interface": convert["io_type"],
        "strategy": f"{convert['strategy']}, reuse factor {convert['reuse_factor']}",
        "input type": convert["input_type"],
        "score type": convert["score_type"],
        "C simulation": f"{csim['events_per_second']:,.0f} events/s on {csim['processes']} processes",
    }
