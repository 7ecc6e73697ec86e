"""The package of the proven Verilog: its files agree with each other, and its simulation compares golden vectors."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as Xml

import networks
import pytest
import yaml
from conftest import Workspace
from examples import examples_of, run_examples

from fpgaae.errors import InputError
from fpgaae.files import sha256
from fpgaae.ip.datasheet import Section, as_html, as_markdown
from fpgaae.ip.export import export_ip
from fpgaae.ip.ipxact import NAMESPACE
from fpgaae.report.deployment import deployment_of
from fpgaae.report.page import PageContent, render_page
from fpgaae.rtl.registers import register_map

# The order in which IEEE 1685-2014 wants the parts of a component, and those that this one has of a model and a port.
COMPONENT = ["vendor", "library", "name", "version", "busInterfaces", "model", "fileSets", "description"]
MODEL = ["views", "instantiations", "ports"]
INTERFACE = ["name", "busType", "abstractionTypes"]
FILE = ["name", "fileType"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path]:
    """Give an experiment whose Verilog counts as proven, and its package."""
    workspace = networks.tiny_workspace(tmp_path_factory.mktemp("tiny"))
    with pytest.raises(InputError, match=r"rtl has no finished result; run `fpgaae run .* --to rtl"):
        export_ip(workspace.experiment, tmp_path_factory.mktemp("none") / "package", "1.0.0")
    networks.prove_rtl(workspace, events=77)
    run_examples(examples_of("export_ip"), workspace.folder)
    experiment = workspace.experiment
    folder = tmp_path_factory.mktemp("export") / "package"
    export_ip(experiment, folder, "1.2.0")
    return workspace, folder


def _core(folder: Path) -> dict[str, object]:
    text = (folder / "autoencoder.core").read_text()
    assert text.startswith("CAPI=2:\n")
    content: dict[str, object] = yaml.safe_load(text.removeprefix("CAPI=2:"))
    return content


def _simulate(package: Path, folder: Path, target_name: str) -> subprocess.CompletedProcess[str]:
    """Do what FuseSoC does with a target that simulates: in an empty folder, from the core alone."""
    core = _core(package)
    target = core["targets"][target_name]  # type: ignore[index]
    sources = []
    for name in target["filesets"]:
        files = core["filesets"][name]  # type: ignore[index]
        for entry in files["files"]:
            ((file, how),) = entry.items() if isinstance(entry, dict) else ((entry, {}),)
            if "copyto" in how:
                shutil.copyfile(package / file, folder / how["copyto"])
            if how.get("file_type", files.get("file_type")) in {"verilogSource", "cppSource"}:
                sources.append(str(package / file))
    options = target["tools"]["verilator"]["verilator_options"]
    top = target["toplevel"]
    command = ["verilator", "--cc", "--exe", "--build", "--top-module", top, "--prefix", f"V{top}", *options, *sources]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return subprocess.run([f"obj_dir/V{top}"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("target", ["sim", "sim_cells"])
def test_the_simulation_passes_in_an_empty_folder_and_sees_one_wrong_bit(
    package: tuple[Workspace, Path], tmp_path: Path, target: str
) -> None:
    networks.need("verilator")
    _, folder = package
    n = len((folder / "sim" / "vectors.dat").read_text().splitlines())
    assert n > 100
    done = _simulate(folder, tmp_path, target)
    assert (done.returncode, done.stdout) == (0, f"{n} events sent, {n} received, 0 wrong\n")
    lines = (tmp_path / "vectors.dat").read_text().splitlines()
    given, expected = lines[7].split()
    lines[7] = f"{given} {int(expected, 16) ^ 1:0{len(expected)}x}"
    (tmp_path / "vectors.dat").write_text("\n".join(lines))
    program = tmp_path / "obj_dir" / "Vautoencoder_axis"
    wrong = subprocess.run([str(program)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1
    assert "transfer 7 differs" in wrong.stdout
    (tmp_path / "vectors.dat").write_text("")
    assert subprocess.run([str(program)], cwd=tmp_path, capture_output=True, check=False).returncode == 2


def test_the_core_names_every_source_and_table(package: tuple[Workspace, Path]) -> None:
    _, folder = package
    core = _core(folder)
    assert core["name"] == "fpgaae:trigger:autoencoder:1.2.0"
    filesets = core["filesets"]
    assert isinstance(filesets, dict)
    named = {
        f
        for own in filesets.values()
        for entry in own["files"]
        for f in (entry if isinstance(entry, dict) else [entry])
    }
    assert named == {str(f.relative_to(folder)) for f in folder.glob("*/*") if f.parent.name in {"rtl", "sim"}}


def test_one_target_simulates_the_sums_and_one_the_primitives_that_make_them(package: tuple[Workspace, Path]) -> None:
    _, folder = package
    targets = _core(folder)["targets"]
    assert isinstance(targets, dict)
    assert targets["default"]["filesets"] == ["rtl", "adders", "tables"]
    assert targets["sim"]["filesets"] == ["rtl", "tables", "sums", "simulation"]
    assert targets["sim_cells"]["filesets"] == ["rtl", "adders", "tables", "cells", "simulation"]
    shipped, sums = ((folder / place / "three_input_adder.v").read_text() for place in ("rtl", "sim"))
    assert shipped.replace("HAS_PRIMITIVES = 1", "HAS_PRIMITIVES = 0") == sums != shipped


def _names(element: Xml.Element) -> list[str]:
    return [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in element]


def test_the_component_has_the_parts_of_the_standard_and_the_ports_of_the_verilog(
    package: tuple[Workspace, Path],
) -> None:
    _, folder = package
    root = Xml.parse(folder / "component.xml").getroot()
    spaces = {"i": NAMESPACE}
    assert root.tag == f"{{{NAMESPACE}}}component"
    assert _names(root) == COMPONENT
    model = root.find("i:model", spaces)
    assert model is not None
    assert _names(model) == MODEL
    verilog = (folder / "rtl" / "autoencoder_axis.v").read_text()
    declared = re.findall(r"^    (in|out)put +wire (?:\[8\*(\w+)-1:0\])? +(\w+)", verilog, re.MULTILINE)
    sizes = dict(re.findall(r"parameter (\w+) += (\d+)[,\n]", verilog))
    n_bytes = {
        "INPUT_BYTES": (int(sizes["INPUT_BITS"]) + 7) // 8,
        "OUTPUT_BYTES": (int(sizes["SCORE_BITS"]) + int(sizes["N_ACCEPT"]) + 7) // 8,
    }
    wanted = [(name, direction, 8 * n_bytes[width] if width else 1) for direction, width, name in declared]
    found = []
    for port in model.findall("i:ports/i:port", spaces):
        left = port.findtext("i:wire/i:vectors/i:vector/i:left", default="0", namespaces=spaces)
        name, direction = (port.findtext(path, namespaces=spaces) for path in ("i:name", "i:wire/i:direction"))
        found.append((name, direction, int(left) + 1))
    assert found == wanted
    interfaces = root.findall("i:busInterfaces/i:busInterface", spaces)
    assert [_names(own) for own in interfaces] == [[*INTERFACE, "slave"], [*INTERFACE, "master"]]
    mapped = {element.text for own in interfaces for element in own.findall(".//i:physicalPort/i:name", spaces)}
    assert mapped == {name for name, _, _ in wanted}
    files = root.findall("i:fileSets/i:fileSet/i:file", spaces)
    assert all(_names(file) == FILE for file in files)
    assert all((folder / str(file.findtext("i:name", namespaces=spaces))).is_file() for file in files)


def test_the_manifest_has_the_hash_of_every_file_and_what_was_proven(package: tuple[Workspace, Path]) -> None:
    workspace, folder = package
    manifest = json.loads((folder / "manifest.json").read_text())
    there = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert set(manifest["files"]) == there - {"manifest.json"}
    assert all(sha256(folder / name) == value for name, value in manifest["files"].items())
    assert manifest["proven"] == {"rtl": {"passed": True, "events": 77, "mismatched_events": 0}}
    assert manifest["thresholds"] == workspace.network.accept.thresholds.tolist()
    assert f"256'h{manifest['network']}" in (folder / "rtl" / "autoencoder_registers.v").read_text()
    tcl = (folder / "package.tcl").read_text()
    assert "set_property version {1.2} $core" in tcl
    assert not re.search(r"@\w+@", tcl + (folder / "autoencoder.core").read_text())


def test_the_data_sheet_says_ports_latency_and_proof_in_both_forms(package: tuple[Workspace, Path]) -> None:
    _, folder = package
    for text in ((folder / "DATASHEET.md").read_text(), (folder / "DATASHEET.html").read_text()):
        for words in (
            "s_axis_tdata",
            "met_pt",
            "fpgaae:trigger:autoencoder:1.2.0",
            "initiation interval",
            "value = code * 2^-",
            "saturated_inputs_high",
            "77",
        ):
            assert words in text
    part = Section("A <b>", (("x|y", "z"), ("1 & 2", "3")))
    assert as_markdown("T", [part]) == "# T\n\n## A <b>\n\n| x/y | z |\n| --- | --- |\n| 1 & 2 | 3 |\n"
    assert "<h2>A &lt;b&gt;</h2>" in as_html("T", [part])
    assert "<td>1 &amp; 2</td>" in as_html("T", [part])


def test_the_report_shows_the_latest_package_and_its_registers_while_it_is_of_this_network(
    package: tuple[Workspace, Path],
) -> None:
    workspace, folder = package
    shown = deployment_of(workspace.experiment, is_placed=False)
    assert shown.package["component"] == "fpgaae:trigger:autoencoder:1.2.0"
    assert sha256(folder / "manifest.json").startswith(shown.package["SHA-256 of its manifest.json"].rstrip("."))
    assert len(shown.registers) == len(register_map(workspace.network.accept.size))
    page = render_page(PageContent("small", package=shown.package, registers=shown.registers,
                                   commands={"export": "fpgaae export small.yaml FOLDER --ip"}))  # fmt: skip
    assert "saturated_inputs_low" in page
    assert "fpgaae export small.yaml FOLDER --ip</code> gives these numbers: package.json" in page
    file = workspace.experiment.folder / "package.json"
    kept = file.read_text()
    file.write_text(kept.replace(json.loads(kept)["golden"], "0" * 64))
    stale = deployment_of(workspace.experiment, is_placed=False)
    file.write_text(kept)
    assert (stale.package, stale.registers) == ({}, ())
    assert re.search(
        r"package\.json is of another network, and is left out; run `fpgaae export .* --ip`", *stale.left_out
    )


@pytest.mark.parametrize("version", ["v1", "1.0", "1.0.0; rm"])
def test_a_version_that_is_not_three_numbers_is_refused(
    package: tuple[Workspace, Path], tmp_path: Path, version: str
) -> None:
    with pytest.raises(InputError, match="is not three numbers"):
        export_ip(package[0].experiment, tmp_path / "new", version)
