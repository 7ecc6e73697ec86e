"""The events on which a netlist, which is slow to simulate, is compared: a share of each origin."""

from __future__ import annotations

from collections.abc import Iterator

from fpgaae.fixedpoint import Codes
from fpgaae.hls.stimulus import LAYERS, MADE_UP, Source, Stimuli


def shared_out(stimuli: Stimuli, n: int) -> Iterator[tuple[Source, Codes]]:
    """Give n events as words of the ports, of each origin the same number as far as it has them, the real ones last.

    Fewer only where all origins together have fewer.
    """
    by_origin: dict[str, list[Source]] = {}
    for source in stimuli.sources():
        if source.origin != LAYERS:
            by_origin.setdefault(source.origin, []).append(source)
    # Those that have few come first, so that the others get what they leave.
    in_order = sorted(by_origin.values(), key=lambda parts: (parts[0].origin not in MADE_UP, parts[-1].stop))
    left = n
    for place, parts in enumerate(in_order):
        wanted = left // (len(in_order) - place)
        for source in parts:
            hardware = stimuli.make(source).hardware[:wanted]
            wanted -= len(hardware)
            left -= len(hardware)
            if len(hardware):
                yield source, hardware
            if not wanted:
                break
