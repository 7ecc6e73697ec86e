"""`component.xml`: the block as IP-XACT (IEEE 1685-2014) describes it: bus interfaces, ports, files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as Xml

from fpgaae.rtl.design import Design

NAMESPACE = "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"
_SCHEMA = "http://www.accellera.org/XMLSchema/IPXACT/1685-2014/index.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_VIEW, _IMPLEMENTATION, _FILES = "rtl", "rtl_implementation", "rtl_files"
_STREAM = {"vendor": "amba.com", "library": "AMBA4", "version": "r0p0_1"}
_FILE_TYPES = {".v": "verilogSource", ".mem": "user"}


class Identifier(NamedTuple):
    """Vendor, library, name and version of a component."""

    vendor: str
    library: str
    name: str
    version: str

    def __str__(self) -> str:
        """Give it as FuseSoC and Vivado write it."""
        return ":".join(self)


class Port(NamedTuple):
    """A port of the block between AXI4-Streams."""

    name: str
    direction: str  # "in" or "out"
    width: int
    meaning: str


def stream_ports(design: Design) -> tuple[Port, ...]:
    """Give the ports of `NAME_axis.v`."""
    of = design.latents
    latents = "" if of is None else f"then {design.n_latents} latents of {of.width} bits, the first in the lowest, "
    return (
        Port("aclk", "in", 1, "clock, rising edge"),
        Port("aresetn", "in", 1, "reset, low, at a clock edge; forgets every event under way"),
        Port("s_axis_tdata", "in", whole_bytes(design.input_bits), f"an event in the lowest {design.input_bits} bits"),
        Port("s_axis_tvalid", "in", 1, "an event is offered"),
        Port("s_axis_tready", "out", 1, "it is taken at this clock edge"),
        Port("s_axis_tlast", "in", 1, "travels with its event"),
        Port(
            "m_axis_tdata", "out", whole_bytes(design.result_bits),
            f"the score in the lowest {design.score.width} bits, then {design.n_thresholds} accept bits, "
            f"{latents}then 0",
        ),
        Port("m_axis_tvalid", "out", 1, "a result is offered"),
        Port("m_axis_tready", "in", 1, "it is taken at this clock edge"),
        Port("m_axis_tlast", "out", 1, "that of its event"),
    )  # fmt: skip


def whole_bytes(bits: int) -> int:
    """Give the next multiple of 8."""
    return -(-bits // 8) * 8


def write_component(folder: Path, identifier: Identifier, design: Design, files: Sequence[str]) -> None:
    """Write `component.xml` of a package whose files are named from its folder on."""
    Xml.register_namespace("ipxact", NAMESPACE)
    root = Xml.Element(_tag("component"), {f"{{{_INSTANCE}}}schemaLocation": f"{NAMESPACE} {_SCHEMA}"})
    for key, value in identifier._asdict().items():
        _add(root, key, value)
    interfaces = _add(root, "busInterfaces")
    for prefix, role in (("s_axis", "slave"), ("m_axis", "master")):
        _add_stream(interfaces, prefix, role)
    model = _add(root, "model")
    view = _add(_add(model, "views"), "view")
    _add(view, "name", _VIEW)
    _add(view, "envIdentifier", "*:*:")
    _add(view, "componentInstantiationRef", _IMPLEMENTATION)
    implementation = _add(_add(model, "instantiations"), "componentInstantiation")
    _add(implementation, "name", _IMPLEMENTATION)
    _add(implementation, "language", "Verilog")
    _add(implementation, "moduleName", f"{design.name}_axis")
    _add(_add(implementation, "fileSetRef"), "localName", _FILES)
    ports = _add(model, "ports")
    for port in stream_ports(design):
        _add_port(ports, port)
    file_set = _add(_add(root, "fileSets"), "fileSet")
    _add(file_set, "name", _FILES)
    for file in files:
        entry = _add(file_set, "file")
        _add(entry, "name", file)
        _add(entry, "fileType", _FILE_TYPES[Path(file).suffix])
    _add(root, "description", f"Trigger block {design.name} between two AXI4-Streams, an event a transfer")
    Xml.indent(root)
    Xml.ElementTree(root).write(folder / "component.xml", encoding="utf-8", xml_declaration=True)


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _add(parent: Xml.Element, name: str, text: str | None = None) -> Xml.Element:
    child = Xml.SubElement(parent, _tag(name))
    child.text = text
    return child


def _add_stream(interfaces: Xml.Element, prefix: str, role: str) -> None:
    interface = _add(interfaces, "busInterface")
    _add(interface, "name", prefix)
    _add(interface, "busType").attrib.update(_STREAM, name="AXI4Stream")
    abstraction = _add(_add(interface, "abstractionTypes"), "abstractionType")
    _add(abstraction, "abstractionRef").attrib.update(_STREAM, name="AXI4Stream_rtl")
    maps = _add(abstraction, "portMaps")
    signals = {"TDATA": "tdata", "TVALID": "tvalid", "TREADY": "tready", "TLAST": "tlast"}
    physical = {logical: f"{prefix}_{suffix}" for logical, suffix in signals.items()}
    for logical, port in ({"ACLK": "aclk", "ARESETn": "aresetn"} | physical).items():
        entry = _add(maps, "portMap")
        _add(_add(entry, "logicalPort"), "name", logical)
        _add(_add(entry, "physicalPort"), "name", port)
    _add(interface, role)


def _add_port(ports: Xml.Element, port: Port) -> None:
    entry = _add(ports, "port")
    _add(entry, "name", port.name)
    _add(entry, "description", port.meaning)
    wire = _add(entry, "wire")
    _add(wire, "direction", port.direction)
    if port.width > 1:
        vector = _add(_add(wire, "vectors"), "vector")
        _add(vector, "left", str(port.width - 1))
        _add(vector, "right", "0")
