"""The Verilog that `rtl` proved, written as a package that other tools take.

rtl/            the sources and tables, as they were compared
NAME.core       FuseSoC; its target `sim` streams golden vectors through the block in Verilator and compares, adders of
                three values as the sums that they make; `sim_cells` takes their primitives
component.xml   IP-XACT (IEEE 1685-2014)
package.tcl     packages the same files for Vivado
NAME.rdl, NAME_registers.h  the registers of rtl/NAME_registers.v: thresholds that are loaded, counters
sim/            the testbench and the vectors
DATASHEET.md, DATASHEET.html, manifest.json (hashes of all files, and of the network; what was proven)
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fpgaae
from fpgaae.data.readers import event_hashes
from fpgaae.emulator.export import Deployed, open_deployed
from fpgaae.emulator.hashes import network_hashes
from fpgaae.emulator.vectors import self_test_events
from fpgaae.errors import InputError
from fpgaae.files import lock, new_folder, sha256, write_json, write_text
from fpgaae.fixedpoint import Codes
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.network import GOLDEN_FILE
from fpgaae.hls.project import fill_template
from fpgaae.hls.stimulus import Stimuli
from fpgaae.ip.datasheet import Known, as_html, as_markdown, sections
from fpgaae.ip.ipxact import Identifier, whole_bytes, write_component
from fpgaae.rtl.design import MODELS_FOLDER, VERILOG_FOLDER, Design, verilog_sources
from fpgaae.rtl.registers import c_header, register_entries, registers_text, system_rdl
from fpgaae.rtl.verilator import as_sums
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import hash_tree
from fpgaae.runs.record import as_json
from fpgaae.runs.results.base import Result
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.ip import PACKAGE_FILE, ExportedIp, PackageResult
from fpgaae.runs.results.place import PlaceResult
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.results.synth import SynthResult
from fpgaae.runs.run import require_current
from fpgaae.runs.stages import PROJECT_FOLDER

MANIFEST_FILE = "manifest.json"
_VENDOR, _LIBRARY = "fpgaae", "trigger"
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}")
_SOURCES, _SIMULATION = "rtl", "sim"
_NOTICE = "NOTICE.txt"


def export_ip(experiment: Experiment, folder: Path, version: str) -> ExportedIp:
    """Write the package of an experiment whose Verilog was proven.

    Parameters
    ----------
    folder
        Must not exist; it is put in place when the package is complete.
    version
        Three numbers, such as 1.0.0.

    Raises
    ------
    InputError
        If the folder exists, the version is none, or `rtl` has not passed on the present config.
    """
    if not _VERSION.fullmatch(version):
        raise InputError(
            f"--package-version {version!r} is not three numbers, which a core needs; give one such as 1.0.0"
        )
    deployed = open_deployed(experiment)
    deployed.trigger.thresholds_for_all("a package")
    hashes = event_hashes(experiment.config, experiment.config_file)
    require_current(experiment, "rtl", hashes)
    project = experiment.stage_folder("rtl") / PROJECT_FOLDER
    design = Design.load(project)
    identifier = Identifier(_VENDOR, _LIBRARY, design.name, version)
    known = Known(
        experiment.result(RtlResult), experiment.result(ConvertResult), _current(experiment, SynthResult, hashes),
        _current(experiment, PlaceResult, hashes),
    )  # fmt: skip
    with new_folder(folder) as partial:
        files = _copy_sources(project, partial)
        files = sorted([*files, _write_registers(deployed, design, partial)])
        write_component(partial, identifier, design, files)
        (partial / _SIMULATION).mkdir()
        simulated = _copy_models(project, partial)
        vectors = _write_vectors(deployed, design, partial / _SIMULATION / "vectors.dat")
        _fill_templates(experiment, identifier, files, simulated, partial)
        title = f"Trigger block {design.name} {version}"
        parts = sections(deployed, identifier, design, known)
        write_text(partial / "DATASHEET.md", as_markdown(title, parts))
        write_text(partial / "DATASHEET.html", as_html(title, parts))
        _write_manifest(deployed, identifier, known, partial)
        package = PackageResult(
            component=str(identifier),
            files=len(files),
            vectors=vectors,
            network=network_hashes(deployed.trigger).network,
            golden=sha256(experiment.stage_folder("convert") / GOLDEN_FILE),
            manifest=sha256(partial / MANIFEST_FILE),
            registers=register_entries(design),
        )
    with lock(experiment.folder):
        write_json(experiment.folder / PACKAGE_FILE, as_json(package))
    return ExportedIp(component=str(identifier), files=len(files), vectors=vectors, folder=str(folder))


def _current(experiment: Experiment, kind: type[Result], hashes: dict[str, str]) -> Result | None:
    """Give the result of a stage; None where it was not run."""
    if not experiment.result_path(kind.STAGE).is_file():
        return None
    require_current(experiment, kind.STAGE, hashes)
    return experiment.result(kind)


def _copy_sources(project: Path, folder: Path) -> list[str]:
    """Copy Verilog and tables; give their names from the package's folder on."""
    (folder / _SOURCES).mkdir()
    sources = [*(project / VERILOG_FOLDER).glob("*.v"), *(project / VERILOG_FOLDER).glob("*.mem")]
    for source in sources:
        shutil.copyfile(source, folder / _SOURCES / source.name)
    shutil.copyfile(project / _NOTICE, folder / _NOTICE)
    return sorted(f"{_SOURCES}/{source.name}" for source in sources)


class _Simulated(NamedTuple):
    """What only simulations take, by its place in the package.

    Parameters
    ----------
    models
        Of primitives.
    sums
        In the place of the source of the same name: the sums that its primitives make.
    """

    models: list[str]
    sums: list[str]


def _copy_models(project: Path, folder: Path) -> _Simulated:
    """Copy the models of primitives, and write adders of three values as the sums that they are."""
    models = sorted((project / MODELS_FOLDER).glob("*.v"))
    for model in models:
        shutil.copyfile(model, folder / _SIMULATION / model.name)
    with tempfile.TemporaryDirectory(prefix="fpgaae-") as scratch:
        sources = as_sums([*verilog_sources(project), *models], Path(scratch))
        sums = [source for source in sources if source.is_relative_to(scratch)]
        for source in sums:
            shutil.copyfile(source, folder / _SIMULATION / source.name)
    return _Simulated(*([f"{_SIMULATION}/{file.name}" for file in files] for files in (models, sums)))


def _write_registers(deployed: Deployed, design: Design, folder: Path) -> str:
    """Write the block with loaded thresholds, and what describes its registers; give its file."""
    file = f"{_SOURCES}/{design.name}_registers.v"
    write_text(folder / file, registers_text(design, deployed.trigger, network_hashes(deployed.trigger).network))
    write_text(folder / f"{design.name}.rdl", system_rdl(design))
    write_text(folder / f"{design.name}_registers.h", c_header(design))
    return file


def _write_vectors(deployed: Deployed, design: Design, file: Path) -> int:
    """Write events and their golden results as the words of the streams; give their number."""
    experiment, trigger = deployed.experiment, deployed.trigger
    edges = EdgeEvents.load(experiment.stage_folder("convert") / EDGES_FILE)
    stimuli = Stimuli(experiment.config, experiment.stage_folder("data"), trigger, edges.hardware)
    hardware = self_test_events(stimuli, trigger, experiment.config.seed)
    results = trigger.results(hardware)
    widths_in = [kind.width for kind in design.inputs]
    widths_out = [kind.width for kind in design.results]
    lines = [
        f"{given} {expected}"
        for given, expected in zip(_packed(hardware, widths_in), _packed(results, widths_out), strict=True)
    ]
    write_text(file, "\n".join(lines) + "\n")
    return len(lines)


def _packed(rows: Codes, widths: list[int]) -> list[str]:
    """Write rows of codes as hexadecimal words, the first code in the lowest bits."""
    digits = whole_bytes(sum(widths)) // 4
    words = np.zeros(len(rows), dtype=object)
    low = 0
    for place, width in enumerate(widths):
        words += (rows[:, place].astype(object) & ((1 << width) - 1)) * (1 << low)
        low += width
    return [f"{word:0{digits}x}" for word in words]


def _fill_templates(
    experiment: Experiment, identifier: Identifier, files: list[str], simulated: _Simulated, folder: Path
) -> None:
    values = {
        "VENDOR": identifier.vendor,
        "LIBRARY": identifier.library,
        "NAME": identifier.name,
        "VERSION": identifier.version,
        "VIVADO_VERSION": identifier.version.rpartition(".")[0],
        "PART": experiment.config.firmware.part,
    }
    write_text(folder / f"{identifier.name}.core", _core(values, files, simulated))
    write_text(folder / "package.tcl", fill_template("ip/package.tcl", values))
    write_text(folder / _SIMULATION / "sim_main.cpp", fill_template("ip/sim_main.cpp", values))


def _core(values: Mapping[str, str], files: list[str], simulated: _Simulated) -> str:
    """Give the text of the core: what a simulation has another form of is a fileset of its own."""
    other = {Path(file).name for file in simulated.sums}
    adders = [file for file in files if Path(file).name in other]
    verilog = [file for file in files if file.endswith(".v") and file not in adders]
    tables = [f"{file}: {{file_type: user, copyto: {Path(file).name}}}" for file in files if file.endswith(".mem")]
    filesets = {
        "rtl": (verilog, "verilogSource"),
        "adders": (adders, "verilogSource"),
        "tables": (tables, ""),
        "sums": (simulated.sums, "verilogSource"),
        "cells": (simulated.models, "verilogSource"),
    }
    used = {name: entries for name, entries in filesets.items() if entries[0]}
    quick = [name for name in used if name not in ({"adders", "cells"} if simulated.sums else {"sums"})]
    exact = [name for name in used if name != "sums"]
    return fill_template(
        "ip/block.core",
        {
            **values,
            "FILESETS": "\n".join(_fileset(name, *entries) for name, entries in used.items()),
            "SHIPPED": ", ".join(name for name in exact if name != "cells"),
            "QUICK": ", ".join(quick),
            "EXACT": ", ".join(exact),
        },
    )


def _fileset(name: str, files: Sequence[str], file_type: str) -> str:
    lines = [f"  {name}:", "    files:", *(f"      - {file}" for file in files)]
    return "\n".join([*lines, *([f"    file_type: {file_type}"] if file_type else [])])


def _write_manifest(deployed: Deployed, identifier: Identifier, known: Known, folder: Path) -> None:
    hashes, rtl, place = network_hashes(deployed.trigger), known.rtl, known.place
    proven = {"rtl": {"passed": rtl.passed, "events": rtl.events, "mismatched_events": rtl.mismatched_events}}
    if place is not None:
        proven["place"] = {
            "passed": place.passed, "events": place.events, "mismatched_events": place.mismatched_events,
        }  # fmt: skip
    write_json(
        folder / MANIFEST_FILE,
        {
            **identifier._asdict(),
            "fpgaae": fpgaae.__version__,
            "network": hashes.network,
            "weights": hashes.weights,
            "types": hashes.types,
            "thresholds": deployed.trigger.accept.thresholds.tolist(),
            "latency_cycles": rtl.latency_cycles,
            "initiation_interval": rtl.initiation_interval,
            "proven": proven,
            "files": hash_tree(folder),
        },
    )
