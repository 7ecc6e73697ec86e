"""Where the cells of each layer lie on the routed chip."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fpgaae.errors import CheckFailed
from fpgaae.place.route import OPERATION, LayerOf
from fpgaae.runs.results.place import FloorPlan, Occupied

PLAN_FILE = "floor_plan.json"
REGISTERS, HARNESS, OTHER = "registers between stages", "harness", "other logic"
# Largest column and row of a device: https://github.com/YosysHQ/prjtrellis, database/devices.json
_ENDS: Mapping[str, tuple[int, int]] = MappingProxyType({"25k": (72, 50), "45k": (90, 71), "85k": (126, 95)})
_BEL, _PLACE = "NEXTPNR_BEL", re.compile(r"X(\d+)/Y(\d+)/")
_CELLS = ("TRELLIS_COMB", "TRELLIS_FF")
_FLIP_FLOP = "TRELLIS_FF"
_BLOCK = ("block.", "$nextpnr_CCU2C")  # the second begin and end the block's carry chains


def floor_plan(routed: Path, device: str, layer_of: LayerOf) -> FloorPlan:
    """Count LUTs and registers by tile and layer; the cells of an operation have its name.

    Raises
    ------
    CheckFailed
        If the file is not what nextpnr writes, or a cell lies outside of the chip.
    """
    tiles: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    columns, rows = (end + 1 for end in _ENDS[device])
    try:
        (module,) = json.loads(routed.read_text(encoding="utf-8"))["modules"].values()
        for name, cell in module["cells"].items():
            if cell["type"] in _CELLS:
                place = _PLACE.match(cell["attributes"][_BEL])
                if place is None or not (int(place[1]) < columns and int(place[2]) < rows):
                    raise ValueError
                tiles[_group(name, cell["type"], layer_of)][int(place[1]), int(place[2])] += 1
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckFailed(f"{routed} does not say where each cell lies; run the stage `place` with --force") from None
    return FloorPlan(
        columns=columns,
        rows=rows,
        groups={
            name: Occupied(
                columns=tuple(x for x, _ in sorted(own)),
                rows=tuple(y for _, y in sorted(own)),
                cells=tuple(own[tile] for tile in sorted(own)),
            )
            for name, own in sorted(tiles.items())
        },
    )


def _group(name: str, kind: str, layer_of: LayerOf) -> str:
    if (found := OPERATION.search(name)) is not None:
        return layer_of(int(found[1]), int(found[2])) or OTHER
    if name.startswith(_BLOCK):
        return REGISTERS if kind == _FLIP_FLOP else OTHER
    return HARNESS
