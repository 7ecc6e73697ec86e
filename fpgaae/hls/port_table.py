"""What each port of the trigger block carries, in words: for its header, its metadata, its Verilog, and the report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fpgaae.config.data import Hardware, ObjectWidths
from fpgaae.config.words import Saturated
from fpgaae.data.layout import QUANTITIES, Word, object_words
from fpgaae.runs.results.convert import InputPort

_UNITS = {"pt": " GeV", "eta": "", "phi": " rad"}
_OVERFLOWS = {
    Saturated.KEEP.value: "an overflow, and an object like any other",
    Saturated.ZERO.value: "an overflow, whose slot counts as empty",
    Saturated.DROP.value: "an overflow, an object like any other here; software leaves out such events",
}


def input_ports(hardware: Hardware) -> tuple[InputPort, ...]:
    """Describe every port of the objects; nothing where all of them take the hardware integers themselves."""
    if not hardware.kinds_with_words:
        return ()
    return tuple(port for kind in hardware.objects for port in _ports_of(hardware, kind))


def _ports_of(hardware: Hardware, kind: ObjectWidths) -> Iterator[InputPort]:
    words = object_words(hardware, kind) or _plain_words(hardware, kind)
    widths = kind.pt_bits, kind.eta_bits, kind.phi_bits
    for quantity, bits, word in zip(QUANTITIES, widths, words, strict=True):
        if not bits:
            continue
        smallest, largest = word.limits
        yield InputPort(
            object=kind.name,
            slots=kind.slots,
            quantity=quantity,
            bits=bits,
            signed=word.signed,
            lsb=word.lsb,
            code_offset=word.code_offset,
            smallest=smallest,
            largest=largest,
            steps=word.steps or None,
            none=word.none,
            overflow=word.overflow,
            saturated=None if word.overflow is None else hardware.saturated_of(kind).value,
        )


def _plain_words(hardware: Hardware, kind: ObjectWidths) -> tuple[Word, Word, Word]:
    """Give the hardware integers of an object as words: none of them has a meaning of its own."""
    return (
        Word(kind.pt_bits, False, hardware.pt_lsb_of(kind)),
        Word(max(kind.eta_bits, 1), True, hardware.eta_lsb_of(kind)),
        Word(max(kind.phi_bits, 1), True, 2 * math.pi / hardware.steps_of(kind)),
    )


def port_lines(ports: Sequence[InputPort]) -> list[str]:
    """Say in a line what each port carries."""
    return [f"{port_name(port)}: {port_sentence(port)}" for port in ports]


def packed_lines(ports: Sequence[InputPort], vector: str) -> list[str]:
    """Say in a line what each port carries, and at which bits of a vector that holds all of them, slot by slot."""
    found, low = [], 0
    for kind in dict.fromkeys(port.object for port in ports):
        own = [port for port in ports if port.object == kind]
        width = sum(port.bits for port in own)
        here = low
        for port in own:
            slot = f" + {width} * slot" if port.slots > 1 else ""
            found.append(f"{vector}[{here}{slot} +: {port.bits}] is {port_name(port)}: {port_sentence(port)}")
            here += port.bits
        low += width * own[0].slots
    return found


def port_name(port: InputPort) -> str:
    """Name a port as the trigger block has it: its object, how many there are, and its property."""
    return f"{port.object}[{port.slots}].{port.quantity}"


def port_sentence(port: InputPort) -> str:
    """Say what a port carries: its bits, what a word stands for, and the words with a meaning of their own."""
    word = "word" if not port.code_offset else f"(word {'-' if port.code_offset > 0 else '+'} {abs(port.code_offset)})"
    sign = "signed" if port.signed else "unsigned"
    parts = [f"{port.bits} bits, {sign}; {word} * {_step(port)}"]
    if port.steps is not None:
        parts.append(f"{port.smallest} to {port.largest} are sent, any other word is taken modulo {port.steps}")
    if port.none is not None:
        parts.append(f"{port.none} is an empty slot, whose other words do not count")
    if port.overflow is not None and port.saturated is not None:
        parts.append(f"{port.overflow} is {_OVERFLOWS[port.saturated]}")
    return "; ".join(parts)


def _step(port: InputPort) -> str:
    if port.steps is not None:
        return f"2 pi / {port.steps}"
    return f"{port.lsb:.10g}{_UNITS[port.quantity]}"
