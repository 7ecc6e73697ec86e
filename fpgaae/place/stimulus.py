"""The events on which a netlist, which is slow to simulate, is compared: a share of each origin."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fpgaae.fixedpoint import Codes
from fpgaae.hls.stimulus import LAYERS, Source, Stimuli


def shared_out(stimuli: Stimuli, n: int) -> Iterator[tuple[Source, Codes]]:
    """Give about n events as words of the ports, of each origin the same number as far as it has them."""
    by_origin: dict[str, list[Source]] = {}
    for source in stimuli.sources():
        if source.origin != LAYERS:
            by_origin.setdefault(source.origin, []).append(source)
    sizes = {origin: parts[-1].stop for origin, parts in by_origin.items()}
    left, shares = n, {}
    for place, origin in enumerate(sorted(sizes, key=lambda origin: sizes[origin])):
        shares[origin] = min(sizes[origin], left // (len(sizes) - place))
        left -= shares[origin]
    for origin, parts in by_origin.items():
        wanted = shares[origin]
        for source in parts:
            if not wanted:
                break
            hardware = stimuli.make(source).hardware[:wanted]
            wanted -= len(hardware)
            if len(hardware):
                yield source, np.ascontiguousarray(hardware)
