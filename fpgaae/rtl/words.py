"""From the words on the ports to hardware integers, in comparisons, selections and adders (needs da4ml).

`fpgaae.data.words` says what is meant.
"""

from __future__ import annotations

from collections.abc import Sequence

from fpgaae.data.layout import QUANTITIES, HardwareFeature, Word
from fpgaae.fixedpoint import FixedPointType
from fpgaae.rtl.arithmetic import Variable, constant, low_bits, select_negative


def port_type(feature: HardwareFeature) -> FixedPointType:
    """Give the type of what arrives on a feature's port."""
    return FixedPointType(feature.port.bits, feature.port.bits, feature.port.signed)


def hardware_integers(ports: Sequence[Variable], features: Sequence[HardwareFeature]) -> list[Variable]:
    """Give the hardware integer of each feature: what arrives on its port, or what is made of the words of its slot."""
    arrived = [_arrived(port, feature) for port, feature in zip(ports, features, strict=True)]
    if all(feature.word is None for feature in features):
        return arrived
    found = []
    for first in range(0, len(features), len(QUANTITIES)):
        slot = slice(first, first + len(QUANTITIES))
        found += _slot(arrived[slot], features[slot])
    return found


def _arrived(port: Variable, feature: HardwareFeature) -> Variable:
    bits, signed = feature.port.bits, feature.port.signed
    return port.quantize(signed, bits - signed, 0, "WRAP") if bits else constant(0)


def _slot(words: Sequence[Variable], features: Sequence[HardwareFeature]) -> list[Variable]:
    """Make the hardware integers of one object; where it is empty, all of them are 0."""
    pt = features[0].word
    if pt is None:
        return list(words)
    specials = (pt.none, pt.overflow if pt.zero_overflow else None)  # each leaves the slot empty
    found = [words[0], *(_code(word, feature) for word, feature in zip(words[1:], features[1:], strict=True))]
    for special in (code for code in specials if code is not None):
        filled = _differs(words[0], special)
        found = [select_negative(filled, code, constant(0)) for code in found]
    return [
        low_bits(code, feature.bits, feature.signed) if feature.bits else constant(0)
        for code, feature in zip(found, features, strict=True)
    ]


def _differs(x: Variable, code: int) -> Variable:
    """Give -1 where a variable is another code, 0 where it is this one."""
    above = select_negative(x - (code + 1), constant(0), constant(-1))
    return select_negative(x - code, constant(-1), above)


def _code(word: Variable, feature: HardwareFeature) -> Variable:
    declared = feature.word
    if declared is None:
        return word
    return _within_half_a_turn(word, declared) if declared.steps else word - declared.code_offset


def _within_half_a_turn(word: Variable, declared: Word) -> Variable:
    """Take whole turns away until the angle lies around 0, from the largest power of two of turns down to one."""
    steps, half = declared.steps, declared.steps // 2
    low, high = int(word.low), int(word.high)
    into_first_turn = (low + half - declared.code_offset) % steps - low
    rest = word + into_first_turn
    for bit in reversed(range(((high + into_first_turn) // steps).bit_length())):
        turns = steps << bit
        without = rest - turns
        rest = low_bits(select_negative(without, rest, without), (turns - 1).bit_length(), signed=False)
    return rest - half
