"""The figures of a placed block: the front of clock against latency, and where the cells of each layer lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fpgaae.evaluation.style import PALETTE, colours, house_style, settled
from fpgaae.place.floor_plan import HARNESS, OTHER, REGISTERS
from fpgaae.runs.results.place import FloorPlan, FrontPoint, Occupied, PlaceFront

_NO_LAYER = {REGISTERS: "#717581", OTHER: "#94a4a2", HARNESS: "#c9ced3"}
_NAMED_LAYERS = 9
_FURTHER = "further layers"
_EMPTY = (0.965, 0.97, 0.975)
_FULL = 16  # cells of a tile: four slices of two LUTs and two registers
_MARGIN = 4  # tiles around the block
_DIMMED = 0.35


def front_figure(front: PlaceFront) -> Figure:
    """Draw the clock and the area of each pipelining against its latency."""
    with house_style():
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        clock, area = figure.subplots(1, 2)
        points = sorted(front.points, key=lambda point: point.latency_ns)
        best = pareto(points)
        latency = [point.latency_ns for point in points]
        clock.plot(latency, [p.clock_mhz for p in points], "o", color=PALETTE[3], label="other pipelinings")
        clock.plot([p.latency_ns for p in best], [p.clock_mhz for p in best], "o-", color=PALETTE[2], label="front")
        clock.axhline(front.wanted_mhz, color=PALETTE[0], linewidth=1.2, linestyle=(0, (5, 3)),
                      label=f"wanted, {front.wanted_mhz:g} MHz")  # fmt: skip
        for index, point in enumerate(points):
            clock.annotate(f"{point.depth}", (point.latency_ns, point.clock_mhz), xytext=(5, -12 if index % 2 else 5),
                           textcoords="offset points", fontsize="small")  # fmt: skip
        clock.set_ylabel("Clock after routing (MHz)")
        clock.set_ylim(0, 1.15 * max(front.wanted_mhz, *(point.clock_mhz for point in points)))
        clock.legend(loc="lower right", fontsize="small", title="numbers: adders between registers",
                     title_fontsize="small")  # fmt: skip
        for name, values, colour in (
            ("LUT", [point.lut for point in points], PALETTE[0]),
            ("FF", [point.ff for point in points], PALETTE[1]),
        ):
            area.plot(latency, values, "o-", color=colour, label=name)
        area.set_ylabel("Taken of the chip")
        area.set_ylim(0, 1.15 * max(max(point.lut, point.ff) for point in points))
        area.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        area.legend(loc="center right", fontsize="small")
        for panel in (clock, area):
            _latency_axis(panel, latency)
        return settled(figure)


def _latency_axis(panel: Axes, latency: Sequence[float]) -> None:
    margin = 0.12 * (max(latency) - min(latency)) or 0.1 * max(latency)
    panel.set_xlim(min(latency) - margin, max(latency) + margin)
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.set_xlabel("Latency at that clock (ns)")


def pareto(points: Sequence[FrontPoint]) -> list[FrontPoint]:
    """Give the points than which none has a shorter latency at a clock as fast, the shortest latency first."""
    found: list[FrontPoint] = []
    for point in sorted(points, key=lambda own: (own.latency_ns, -own.clock_mhz)):
        if not found or point.clock_mhz > found[-1].clock_mhz:
            found.append(point)
    return found


def floor_plan_figure(plan: FloorPlan) -> Figure:
    """Draw the part of the chip that is taken.

    Each tile has the colour of the group with most cells in it, and is paler where it is less full.
    """
    groups = _shown(plan.groups)
    painted = dict(zip((name for name in groups if name not in _NO_LAYER), colours(len(groups)), strict=False))
    painted |= {name: colour for name, colour in _NO_LAYER.items() if name in groups}
    counts = np.zeros((len(groups), plan.rows, plan.columns), dtype=np.int64)
    for place, parts in enumerate(groups.values()):
        for own in parts:
            counts[place, own.rows, own.columns] += np.array(own.cells)
    total, most = counts.sum(axis=0), counts.argmax(axis=0)
    palette = np.array([to_rgb(painted[name]) for name in groups])
    strength = np.clip(_DIMMED + (1 - _DIMMED) * total / _FULL, 0, 1)[..., None]
    image = np.where(total[..., None] > 0, strength * palette[most] + (1 - strength) * 1.0, np.array(_EMPTY))
    with house_style():
        figure = Figure(figsize=(9, 5.2), layout="constrained")
        panel = figure.subplots()
        panel.imshow(image, interpolation="nearest", aspect="equal", origin="upper")
        panel.set_xlabel("Column of the chip")
        panel.set_ylabel("Row of the chip", loc="center")
        _zoom(panel, plan)
        handles = [
            Patch(color=painted[name], label=f"{name}, {counts[place].sum():,}") for place, name in enumerate(groups)
        ]
        figure.legend(handles=handles, loc="outside right upper", fontsize="small", title="cells of",
                      title_fontsize="small")  # fmt: skip
        return settled(figure)


def _zoom(panel: Axes, plan: FloorPlan) -> None:
    """Show the part of the chip with the block; the registers of the harness also lie at the pins."""
    block = [own for name, own in plan.groups.items() if name != HARNESS]
    columns, rows = ([place for own in block for place in getattr(own, axis)] for axis in ("columns", "rows"))
    if columns:
        panel.set_xlim(max(min(columns) - _MARGIN, 0) - 0.5, min(max(columns) + _MARGIN, plan.columns - 1) + 0.5)
        panel.set_ylim(min(max(rows) + _MARGIN, plan.rows - 1) + 0.5, max(min(rows) - _MARGIN, 0) - 0.5)


def _shown(groups: Mapping[str, Occupied]) -> dict[str, list[Occupied]]:
    """Give layers from the largest on, of which the last share a colour, then what belongs to none."""
    layers = sorted((name for name in groups if name not in _NO_LAYER), key=lambda name: -sum(groups[name].cells))
    found = {name: [groups[name]] for name in layers[:_NAMED_LAYERS]}
    if len(layers) > _NAMED_LAYERS:
        found[_FURTHER] = [groups[name] for name in layers[_NAMED_LAYERS:]]
    return found | {name: [groups[name]] for name in _NO_LAYER if name in groups}
