"""Which bits of the existing trigger take the events: rate, what only that bit takes, and what the firmware shares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.source import unpack_bits
from fpgaae.runs.results.review import Menu, MenuBit
from fpgaae.statistics import EventGroups, Interval

Flags = NDArray[np.bool_]


def menu_table(
    columns: Mapping[str, Mapping[str, NDArray[np.float64]]],
    accepted: Mapping[str, Flags],
    groups: Mapping[str, EventGroups],
    background: str,
    bunch_crossings_khz: float,
    level: float,
) -> Menu | None:
    """Tabulate the bits of the existing trigger, or give None where the events say none.

    Parameters
    ----------
    columns, accepted, groups
        By process; `accepted` at the firmware's first threshold.
    bunch_crossings_khz
        Rate of those that the events stand for, as in `rates` of `metrics.json`: without those of events left out.
    """
    bits = {process: found for process, own in columns.items() if (found := unpack_bits(own)) is not None}
    if background not in bits:
        return None
    own, firmware = bits[background], accepted[background]
    number = own.sum(axis=1)

    def rate(flags: Flags) -> Interval:
        return Interval(*(end * bunch_crossings_khz for end in groups[background].count(flags).interval(level)))

    entries = []
    for bit in range(own.shape[1]):
        passes = own[:, bit]
        unique, shared = passes & (number == 1) & ~firmware, passes & firmware
        entries.append(
            MenuBit(
                bit=bit,
                passed=int(np.count_nonzero(passes)),
                unique=int(np.count_nonzero(unique)),
                shared=int(np.count_nonzero(shared)),
                rate_khz=rate(passes),
                unique_rate_khz=rate(unique),
                shared_rate_khz=rate(shared),
                signals={
                    process: groups[process].count(found[:, bit]).interval(level) if bit < found.shape[1] else None
                    for process, found in bits.items()
                    if process != background
                },
            )
        )
    return Menu(
        bits=tuple(entries),
        events=len(own),
        taken=int(np.count_nonzero(number)),
        firmware=int(np.count_nonzero(firmware)),
        firmware_unique=int(np.count_nonzero(firmware & (number == 0))),
    )
