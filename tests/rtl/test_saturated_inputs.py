"""Which events have saturated inputs: by hand, and the Verilog's answer against the golden one, words of all kinds."""

from __future__ import annotations

import math
import subprocess
from fractions import Fraction
from pathlib import Path

import networks
import numpy as np
import pytest

from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import HardwareFeature, Word
from fpgaae.fixedpoint import ChannelTypes, FixedPointType, Overflow, Rounding
from fpgaae.golden.layers.rounding import Input
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.saturated_inputs import saturated_slots

_PT = Word(6, False, 1.0, 0, 0, 0, 63, True)  # an overflow empties the slot
_ETA = Word(5, True, 0.1, -3)
_PHI = Word(5, False, 2 * math.pi / 20, 4, 20)  # a turn is 20 of the 32 words


def _saturating(width: int, integer: int, rounding: Rounding = Rounding.HALF_EVEN) -> FixedPointType:
    return FixedPointType(width, integer, True, rounding, Overflow.SATURATE)


def test_an_input_saturates_where_its_rounded_value_lies_beyond_the_type() -> None:
    """By hand: (code - 3) / 4 in steps of 1/2 up to 3.5, half to even; the tie 3.75 rounds to 4, and saturates."""
    features = FeatureMap((Feature(HardwareFeature("a", "amount", 6), 3, 2),))
    codes = np.arange(64)[:, None]
    saturates = features.saturates(codes, _saturating(4, 3))[:, 0]
    assert np.flatnonzero(saturates).min() == 18
    assert saturates[18:].all()
    below = FeatureMap((Feature(HardwareFeature("a", "level", 6), 0, 2),))
    codes = np.arange(-32, 32)[:, None]
    lowest = codes[~below.saturates(codes, _saturating(4, 3))[:, 0], 0].min()
    assert lowest == -17, "-4.25 is a tie between -4.5 and -4"
    cut = codes[~below.saturates(codes, _saturating(4, 3, Rounding.TRUNCATE))[:, 0], 0].min()
    assert cut == -16
    for kind in (_saturating(4, 3), _saturating(5, 1, Rounding.HALF_UP), FixedPointType(3, 4, False)):
        values = [Fraction(int(code), 4) for code in codes[:, 0]]
        found = below.saturates(codes, kind)[:, 0]
        inside = [kind.min_code * kind.lsb - kind.lsb <= v <= kind.max_code * kind.lsb + kind.lsb for v in values]
        assert not found[[kind.min_code * kind.lsb <= v <= kind.max_code * kind.lsb for v in values]].any()
        assert found[~np.array(inside)].all()


def _trigger(words: tuple[Word | None, Word | None, Word | None], offsets: tuple[int, int, int]) -> GoldenTrigger:
    bits = (6, 6, 5)
    features = [
        Feature(HardwareFeature(f"{name}_{quantity}", quantity, size, word), offset, shift)
        for name in ("muon", "jet")
        for quantity, size, word, offset, shift in zip(
            ("pt", "eta", "phi"), bits, words, offsets, (2, 1, 0), strict=True
        )
    ]
    types = ChannelTypes((_saturating(5, 4), _saturating(6, 4), _saturating(4, 4)) * 2)
    return GoldenTrigger(FeatureMap(tuple(features)), IntegerNetwork((Input("features", (), 6, types),)))


_UNUSED = Word(6, False, 1.0, 0, 0, None, 63, False)


@pytest.mark.parametrize(
    ("words", "offsets"),
    [
        ((_PT, _ETA, _PHI), (9, 1, 0)),
        ((_PT, _ETA, _PHI), (40, 0, 0)),  # an empty slot saturates
        ((_UNUSED, _ETA, _PHI), (9, -7, 2)),
        ((None, None, None), (20, 0, 1)),
    ],
    ids=["words", "empty-slots", "no-word-for-none", "integers"],
)
def test_the_verilog_sees_the_golden_events(
    words: tuple[Word | None, Word | None, Word | None], offsets: tuple[int, int, int], tmp_path: Path
) -> None:
    networks.need("iverilog")
    trigger = _trigger(words, offsets)
    rng, n = np.random.default_rng(1), 3000
    low, high = trigger.features.port_limits
    events = rng.integers(low, high + 1, size=(n, len(low)))
    events[:, ::3][rng.random((n, 2)) < 0.2] = 0
    events[:, ::3][rng.random((n, 2)) < 0.2] = 63
    widths = [feature.hardware.port.bits for feature in trigger.features.features]
    packed, at = np.zeros(n, dtype=np.int64), 0
    for place, width in enumerate(widths):
        packed |= (events[:, place] & ((1 << width) - 1)) << at
        at += width
    slots = saturated_slots(trigger, "event_words")
    assert len(slots) == 2
    (tmp_path / "events.hex").write_text("\n".join(f"{word:x}" for word in packed.tolist()))
    (tmp_path / "bench.v").write_text(
        f"module bench; reg [{at - 1}:0] events [0:{n - 1}]; reg [{at - 1}:0] event_words; integer i;\n"
        f"wire beyond = {' || '.join(f'({slot})' for slot in slots)};\n"
        f'initial begin $readmemh("events.hex", events); for (i = 0; i < {n}; i = i + 1) begin\n'
        '    event_words = events[i]; #1 $write("%b", beyond); end $finish; end endmodule\n'
    )
    subprocess.run(["iverilog", "-g2005", "-o", "bench", "bench.v"], cwd=tmp_path, check=True, capture_output=True)
    said = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    golden = trigger.saturated_inputs(events)
    assert 0.02 < golden.mean() < 0.99
    assert [bit == "1" for bit in said.strip()] == golden.tolist()


def test_a_network_whose_inputs_never_saturate_has_no_comparison() -> None:
    trigger = _trigger((_PT, _ETA, _PHI), (0, 0, 0))
    wide = IntegerNetwork((Input("features", (), 6, _saturating(20, 10)),))
    assert saturated_slots(GoldenTrigger(trigger.features, wide), "x") == ()
