"""C++ of thresholds that follow sums over an event, by `firmware/hls/fpgaae_cells.h`: a table, and an event's cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import dedent, indent

from fpgaae.data.layout import HardwareFeature
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.cell import BinnedSum, Cell
from fpgaae.golden.network import CELL_LAYER
from fpgaae.hls.project import SUPPORT_HEADER, in_simulation

CELLS_HEADER = "fpgaae_cells.h"
_LOOK_UP = """
    ap_uint<score_t::width> thresholds[n_thresholds];
    fpgaae::look_up_thresholds<n_thresholds>(event_cell[0], threshold_table::thresholds, thresholds);"""
_NOTHING = dict.fromkeys(
    ("CELLS_HEADER", "FIND_CELL", "CELL_ARGUMENT", "CALL_FIND_CELL", "CELL_NAME", "LOOK_UP", "FIRST_CELL", "GIVE_CELL"),
    "",
)


def cell_values(
    cell: Cell | None, hardware: Sequence[HardwareFeature], expressions: Sequence[str], ports: str, port_names: str
) -> dict[str, str]:  # fmt: skip
    """Give what the templates leave open for cells; nothing where the thresholds follow nothing.

    Parameters
    ----------
    expressions
        C++ of the hardware integer of each feature.
    ports, port_names
        The block's ports as arguments are declared and passed.
    """
    if cell is None:
        return _NOTHING
    support = f'#include "{SUPPORT_HEADER}"'
    body = "\n".join(_bin_lines(cell, hardware, expressions))
    tap = f'csim::tap(event_cell, "{CELL_LAYER}", 1);'
    return {
        "CELLS_HEADER": f'\n#include "{CELLS_HEADER}"\n{in_simulation(support)}'.rstrip("\n"),
        "FIND_CELL": (
            "// The cell whose thresholds an event gets.\n"
            f"static void find_cell(\n    {ports},\n    cell_t event_cell[1]\n) {{\n    #pragma HLS INLINE off\n"
            f"{indent(body, '    ')}\n}}\n\n"
        ),
        "CELL_ARGUMENT": "cell_t event_cell[1], ",
        "CALL_FIND_CELL": f"    cell_t event_cell[1];\n    find_cell({port_names}, event_cell);\n{in_simulation(tap)}",
        "CELL_NAME": "event_cell, ",
        "LOOK_UP": _LOOK_UP,
        "GIVE_CELL": "\n        cell_t event_cell[1] = {cells[event]};",
        "FIRST_CELL": f"\n    cell_t event_cell[1] = {{0}}; // none is known of such inputs\n    {tap}",
    }


def table_lines(cell: Cell, accept: Accept, hardware: Sequence[HardwareFeature], score_width: int) -> str:
    """Give C++ of the edges and of the thresholds of every cell."""
    edges = "\n".join(
        f"static const ap_uint<{sum_width(of, hardware)}> edges_{index}[{len(of.edges)}] = "
        f"{{{', '.join(map(str, of.edges))}}};"
        for index, of in enumerate(cell.sums)
    )
    codes = ", ".join(map(str, accept.by_cell.ravel().tolist()))
    return dedent("""\
        typedef ap_uint<{width}> cell_t;

        // The thresholds of an event are those of its cell: the number of edges below each sum, the last by ones.
        namespace threshold_table {{
        static const unsigned n = {n};
        {edges}
        static const ap_uint<{score_width}> thresholds[n * n_thresholds] = {{{codes}}};
        }} // namespace threshold_table
        """).format(width=cell.type.width, n=cell.n_cells, edges=edges, score_width=score_width, codes=codes)


def sum_width(of: BinnedSum, hardware: Sequence[HardwareFeature]) -> int:
    """Give the bits of the largest sum."""
    largest = sum(1 if of.counts else hardware[place].max_code for place in of.places)
    return max(largest, *of.edges).bit_length()


def _bin_lines(cell: Cell, hardware: Sequence[HardwareFeature], expressions: Sequence[str]) -> Iterator[str]:
    for index, of in enumerate(cell.sums):
        yield "{"
        yield f"    ap_uint<{sum_width(of, hardware)}> cell_sum = 0;"
        for place in of.places:
            code = f"fpgaae::is_filled({expressions[place]})" if of.counts else expressions[place]
            yield f"    cell_sum += {code};"
        bin_of = f"fpgaae::bin_of<cell_t, {len(of.edges)}>(cell_sum, threshold_table::edges_{index})"
        yield f"    event_cell[0] = {f'event_cell[0] * {of.n_bins} + ' if index else ''}{bin_of};"
        yield "}"
