"""What the page says of a block that is placed and packaged: figures, facts, registers, and what is out of date."""

from __future__ import annotations

from dataclasses import dataclass, field

from fpgaae.evaluation.figure_files import figure_svg
from fpgaae.files import sha256
from fpgaae.place.floor_plan import PLAN_FILE
from fpgaae.report.page import PageFigure
from fpgaae.report.place_figures import floor_plan_figure, front_figure
from fpgaae.rtl.design import LOGIC_FILE
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import MANIFEST, read_manifest
from fpgaae.runs.record import read_record
from fpgaae.runs.results.ip import PACKAGE_FILE, PackageResult, RegisterEntry
from fpgaae.runs.results.place import FRONT_FILE, FloorPlan, PlaceFront

_GOLDEN = "golden.npz"
_SHOWN = 16  # digits of a hash
PLACED, FRONT = "placed", "front"  # sections of figures


@dataclass(frozen=True)
class Deployment:
    """What is shown of it."""

    figures: tuple[PageFigure, ...] = ()
    package: dict[str, str] = field(default_factory=dict)
    registers: tuple[RegisterEntry, ...] = ()
    left_out: tuple[str, ...] = ()


def deployment_of(experiment: Experiment, *, is_placed: bool) -> Deployment:
    """Read what lies in the run folder of the chip, of the front of its pipelinings, and of the latest package.

    Parameters
    ----------
    is_placed
        Whether the result of the stage `place` is shown.

    Raises
    ------
    InputError
        If one of the files is damaged.
    """
    plan = _floor_plan(experiment) if is_placed else None
    (front, old_front), (package, old_package) = _front(experiment), _package(experiment)
    return Deployment(
        figures=tuple(figure for figure in (plan, front) if figure is not None),
        package={} if package is None else _facts(package),
        registers=() if package is None else package.registers,
        left_out=tuple(sentence for sentence in (old_front, old_package) if sentence is not None),
    )


def _floor_plan(experiment: Experiment) -> PageFigure | None:
    file = experiment.stage_folder("place") / PLAN_FILE
    if not file.is_file():  # of an earlier version
        return None
    plan = read_record(FloorPlan, file, f"run `{experiment.command('place')} --force`")
    caption = (
        "The part of the chip that is taken: each tile in the colour of the layer that has most cells in it, paler "
        "where it is less full; cells are LUTs, halves of carry cells and registers. What two layers need belongs to "
        "the first."
    )
    return PageFigure("Floor plan", caption, figure_svg(floor_plan_figure(plan)), PLACED)


def _front(experiment: Experiment) -> tuple[PageFigure | None, str | None]:
    file = experiment.folder / FRONT_FILE
    if not file.is_file():
        return None, None
    again = f"run `{experiment.command('place')} --front`"
    front = read_record(PlaceFront, file, again)
    logic = experiment.stage_folder("trace") / LOGIC_FILE
    if not logic.is_file() or sha256(logic) != front.logic:
        return None, f"{file} is of another traced block, and is left out; {again} and this report again"
    caption = (
        f"Pipelinings on {front.family} {front.device}, {front.package}, speed {front.speed}, after routing by "
        f"{front.router}: numbers are adders, at most, between two registers."
    )
    return PageFigure("Clock against latency", caption, figure_svg(front_figure(front)), FRONT), None


def _package(experiment: Experiment) -> tuple[PackageResult | None, str | None]:
    file = experiment.folder / PACKAGE_FILE
    if not file.is_file():
        return None, None
    again = f"run `{export_command(experiment)}`"
    package = read_record(PackageResult, file, again)
    convert = experiment.stage_folder("convert")
    made_now = read_manifest(convert)["outputs"].get(_GOLDEN) if (convert / MANIFEST).is_file() else None
    if made_now != package.golden:
        return None, f"{file} is of another network, and is left out; {again} and this report again"
    return package, None


def _facts(package: PackageResult) -> dict[str, str]:
    return {
        "component": package.component,
        "sources and tables": f"{package.files}",
        "golden events of its simulation": f"{package.vectors:,}",
        "network": f"{package.network[:_SHOWN]}...",
        "SHA-256 of its manifest.json": f"{package.manifest[:_SHOWN]}...",
    }


def export_command(experiment: Experiment) -> str:
    """Give the command that writes a package."""
    return f"{experiment.command('export')} FOLDER --ip"


def front_command(experiment: Experiment) -> str:
    """Give the command that places several pipelinings."""
    return f"{experiment.command('place')} --front"
