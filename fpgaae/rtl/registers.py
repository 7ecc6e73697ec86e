"""The registers of the block with thresholds that are loaded: one map, from which Verilog and descriptions are made.

All words have 32 bits; a value of 64 takes two, the lower first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fpgaae.errors import InputError
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.design import Design
from fpgaae.rtl.saturated_inputs import saturated_slots
from fpgaae.rtl.templates import port_values, wrapper_text
from fpgaae.runs.results.ip import RegisterEntry

MAP_VERSION = 2
CONTROL = 0x008
HASH = 0x020
COUNTERS, THRESHOLDS, IN_FORCE = 0x100, 0x200, 0x300
ENABLE, COMMIT, SNAPSHOT, CLEAR = 1, 2, 4, 8  # bits of CONTROL
_IDENTITY, _VERSION, _SIZES = 0x000, 0x004, 0x00C
_WORD = 4
_HASH_WORDS = 8


class Register(NamedTuple):
    """A word of the map."""

    name: str
    address: int  # in bytes
    writable: bool
    meaning: str


def counter_names(n_thresholds: int) -> tuple[str, ...]:
    """Name the counters in their order; `GoldenTrigger.saturated_inputs` says which events have saturated inputs."""
    return ("events", "saturated_scores", "saturated_inputs", *(f"accepted_{n}" for n in range(n_thresholds)))


def register_map(n_thresholds: int) -> tuple[Register, ...]:
    """Give every word, in the order of its address."""
    registers = [
        Register("identity", _IDENTITY, False, "0x46504145"),
        Register("map_version", _VERSION, False, f"{MAP_VERSION}, the version of this map"),
        Register(
            "control", CONTROL, True,
            "bit 0 enable (1 after a reset); written 1: bit 1 puts the thresholds in force, bit 2 copies all counters, "
            "bit 3 sets them to 0",
        ),
        Register("sizes", _SIZES, False, "bits 15:0 thresholds, 23:16 bits of the score, 31:24 clocks of latency"),
        *(
            Register(f"network_{place}", HASH + _WORD * place, False, "of the hash of network, types and thresholds")
            for place in range(_HASH_WORDS)
        ),
        *_pairs(counter_names(n_thresholds), COUNTERS, False, "counter as it was copied last"),
        *_pairs([f"threshold_{n}" for n in range(n_thresholds)], THRESHOLDS, True, "code, in force after a commit"),
        *_pairs([f"in_force_{n}" for n in range(n_thresholds)], IN_FORCE, False, "code in force"),
    ]  # fmt: skip
    return tuple(sorted(registers, key=lambda register: register.address))


def register_entries(design: Design) -> tuple[RegisterEntry, ...]:
    """Give the map of a block as records keep it."""
    return tuple(
        RegisterEntry(address=f"0x{own.address:03X}", name=own.name, writable=own.writable, meaning=own.meaning)
        for own in register_map(design.n_thresholds)
    )


def _pairs(names: Sequence[str], base: int, writable: bool, meaning: str) -> list[Register]:
    return [
        Register(f"{name}_{half}", base + 2 * _WORD * place + _WORD * (half == "high"), writable, meaning)
        for place, name in enumerate(names)
        for half in ("low", "high")
    ]


def threshold_writes(codes: Sequence[int], score_bits: int) -> list[tuple[int, int]]:
    """Give the writes, (address, word), that put a set of thresholds in force between two events.

    Raises
    ------
    InputError
        If a code is none that a threshold register holds: a score has no sign.
    """
    writes = []
    for place, code in enumerate(codes):
        if not 0 <= code < 1 << score_bits:
            raise InputError(f"threshold {place} is {code}, and a register takes 0 to {(1 << score_bits) - 1}")
        address = THRESHOLDS + 2 * _WORD * place
        writes += [(address, code & 0xFFFFFFFF), (address + _WORD, code >> 32)]
    return [*writes, (CONTROL, ENABLE | COMMIT)]


def registers_text(design: Design, trigger: GoldenTrigger, network_hash: str) -> str:
    """Write `NAME_registers.v` of a block.

    Raises
    ------
    InputError
        If its thresholds follow sums over an event.
    """
    thresholds = trigger.thresholds_for_all("a block with registers")
    threshold_writes(thresholds, design.score.width)  # refuses what is out of range
    words: Mapping[str, int] = {
        "IDENTITY": _IDENTITY, "MAP_VERSION": _VERSION, "CONTROL": CONTROL, "SIZES": _SIZES, "HASH_AT": HASH,
        "COUNTERS": COUNTERS, "THRESHOLDS": THRESHOLDS, "IN_FORCE": IN_FORCE,
    }  # fmt: skip
    slots = saturated_slots(trigger, "in_objects") or ("1'b0",)
    trained = ", ".join(f"64'd{code}" for code in reversed(thresholds))
    values = port_values(design) | {
        "TRAINED": f"{{{trained}}}", "HASH": network_hash, "LATENCY": design.latency_cycles + 1,
        "BLOCK_LATENCY": design.latency_cycles, "N_SLOTS": len(slots),
        "BEYOND": ",\n".join(f"        {slot}" for slot in slots),
        "MAP_VERSION_VALUE": f"32'd{MAP_VERSION}",
    }  # fmt: skip
    return wrapper_text("registers.v", values | {name: f"{address // _WORD:x}" for name, address in words.items()})


def system_rdl(design: Design) -> str:
    """Describe the map in SystemRDL 2.0 (Accellera)."""
    lines = [
        f"addrmap {design.name} {{",
        f'    name = "Trigger block {design.name}";',
        "    default regwidth = 32;",
        "    default accesswidth = 32;",
    ]
    for register in register_map(design.n_thresholds):
        software, hardware = ("rw", "r") if register.writable else ("r", "w")
        lines += [
            f'    reg {{ desc = "{register.meaning}"; field {{ sw = {software}; hw = {hardware}; }} value[31:0]; }} '
            f"{register.name} @ 0x{register.address:03X};"
        ]
    return "\n".join([*lines, "};"]) + "\n"


def c_header(design: Design) -> str:
    """Give the addresses to programs in C."""
    prefix = design.name.upper()
    lines = [f"#ifndef {prefix}_REGISTERS_H_", f"#define {prefix}_REGISTERS_H_", ""]
    for register in register_map(design.n_thresholds):
        lines.append(f"#define {prefix}_{register.name.upper()} 0x{register.address:03X} /* {register.meaning} */")
    for name, bit in (("ENABLE", ENABLE), ("COMMIT", COMMIT), ("SNAPSHOT", SNAPSHOT), ("CLEAR", CLEAR)):
        lines.append(f"#define {prefix}_CONTROL_{name} {bit}")
    return "\n".join([*lines, "", "#endif"]) + "\n"
