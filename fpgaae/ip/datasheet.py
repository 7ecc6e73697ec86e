"""The data sheet of a package, as Markdown and as a page of HTML: ports, conventions, latency, area, rates, proof."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from fpgaae.emulator.export import Deployed
from fpgaae.fixedpoint import FixedPointType
from fpgaae.hls.port_table import input_ports, port_lines
from fpgaae.ip.ipxact import Identifier, stream_ports
from fpgaae.rtl.design import Design
from fpgaae.rtl.registers import register_map
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.place import PlaceResult
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.results.synth import SynthResult


class Section(NamedTuple):
    """A part of the sheet: a table whose first row is its head."""

    title: str
    rows: tuple[tuple[str, ...], ...]


class Known(NamedTuple):
    """The results that a sheet is made of; what was not run is None."""

    rtl: RtlResult
    convert: ConvertResult
    synth: SynthResult | None
    place: PlaceResult | None


def sections(deployed: Deployed, identifier: Identifier, design: Design, known: Known) -> tuple[Section, ...]:
    """Give the parts of the sheet."""
    found = [
        Section("Identity", (("", ""), ("component", str(identifier)), ("experiment", deployed.experiment.name))),
        Section(
            "Ports of the block between AXI4-Streams",
            (
                ("port", "direction", "bits", "meaning"),
                *((port.name, port.direction, str(port.width), port.meaning) for port in stream_ports(design)),
            ),
        ),
        Section("Words of an event, the first in the lowest bits", _words(deployed, design)),
        Section("Conventions", _conventions(design)),
        Section("Registers of the block with loaded thresholds", _registers(design)),
        Section("Timing and area", _figures(known)),
        Section("Thresholds", _thresholds(known.convert)),
        Section("Proof", _proof(known)),
    ]
    return tuple(section for section in found if len(section.rows) > 1)


def _words(deployed: Deployed, design: Design) -> tuple[tuple[str, ...], ...]:
    meanings = dict(line.split(": ", 1) for line in port_lines(input_ports(deployed.experiment.config.data.hardware)))
    rows, low = [("bits", "word", "type")], 0
    for kind, feature in zip(design.inputs, deployed.trigger.features.features, strict=True):
        if kind.width:
            bits = f"{kind.width} bits, {'signed' if kind.signed else 'unsigned'}"
            rows.append((f"{low + kind.width - 1}:{low}", feature.hardware.name, bits))
        low += kind.width
    return (*rows, *(("", name, meaning) for name, meaning in meanings.items()))


def _conventions(design: Design) -> tuple[tuple[str, ...], ...]:
    return (
        ("", ""),
        ("score", _value_of(design.score)),
        ("accept bit", "1 where the score's code is above the threshold"),
        *([] if design.latents is None else [("latent", _value_of(design.latents))]),
        ("events", "at most one at each clock edge; none is lost under back-pressure"),
    )


def _value_of(kind: FixedPointType) -> str:
    how = ", code in two's complement" if kind.signed else ""
    return f"{kind}: value = code * 2^-{kind.fraction}{how}"


def _registers(design: Design) -> tuple[tuple[str, ...], ...]:
    return (
        ("address", "register", "", "meaning"),
        *(
            (f"0x{own.address:03X}", own.name, "read and write" if own.writable else "read", own.meaning)
            for own in register_map(design.n_thresholds)
        ),
    )


def _figures(known: Known) -> tuple[tuple[str, ...], ...]:
    rtl = known.rtl
    rows = [
        ("", "", "from"),
        (
            "latency",
            f"{rtl.latency_cycles} clocks, {rtl.latency_cycles * rtl.clock_ns:g} ns at {rtl.clock_ns:g} ns",
            "rtl",
        ),
        ("initiation interval", str(rtl.initiation_interval), "rtl"),
        ("estimated LUT, FF", f"{rtl.estimated.lut:,}, {rtl.estimated.ff:,}", "trace"),
    ]
    if (synth := known.synth) is not None:
        rows.append(
            (f"LUT, FF, DSP on {synth.part}", f"{synth.lut:,}, {synth.ff:,}, {synth.dsp}", f"synth, {synth.tool}")
        )
    if (place := known.place) is not None:
        chip = f"{place.family} {place.device}, speed {place.speed}"
        rows.append(
            (f"clock on {chip}", f"{place.clock_mhz:g} MHz in {place.stages} stages, routed", f"place, {place.router}")
        )
    return tuple(rows)


def _thresholds(convert: ConvertResult) -> tuple[tuple[str, ...], ...]:
    return (
        ("code", "value", "false positive rate", "rate, kHz"),
        *(
            (
                str(own.code),
                f"{own.value:g}",
                _interval(own.false_positive_rate.value, own.false_positive_rate.low, own.false_positive_rate.high),
                _interval(own.rate_khz.value, own.rate_khz.low, own.rate_khz.high),
            )
            for own in convert.trigger.thresholds
        ),
    )


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3g} ({low:.3g} to {high:.3g})"


def _proof(known: Known) -> tuple[tuple[str, ...], ...]:
    rows = [("check", "events", "that differ"), ("rtl", f"{known.rtl.events:,}", f"{known.rtl.mismatched_events:,}")]
    rows += [(own.file, f"{own.events:,}", f"{own.mismatched_events:,}") for own in known.rtl.wrappers]
    if (place := known.place) is not None:
        rows.append(("routed netlist", f"{place.events:,}", f"{place.mismatched_events:,}"))
    return tuple(rows)


def as_markdown(title: str, parts: Sequence[Section]) -> str:
    """Write the sheet as Markdown."""
    lines = [f"# {title}"]
    for part in parts:
        head, *rows = part.rows
        lines += ["", f"## {part.title}", "", _row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def as_html(title: str, parts: Sequence[Section]) -> str:
    """Write the sheet as a page that needs no other file."""
    body = "".join(
        f"<h2>{escape(part.title)}</h2><table><thead>{_cells(part.rows[0], 'th')}</thead>"
        f"<tbody>{''.join(_cells(row, 'td') for row in part.rows[1:])}</tbody></table>"
        for part in parts
    )
    style = (
        "body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
        "td,th{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:left}"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )


def _cells(row: Sequence[str], kind: str) -> str:
    return f"<tr>{''.join(f'<{kind}>{escape(cell)}</{kind}>' for cell in row)}</tr>"
