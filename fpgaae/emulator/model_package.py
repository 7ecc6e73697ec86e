"""The emulator behind the interface by which CMSSW loads models of hls4ml, as a package that is tested through it.

`hls4mlEmulator::Model` has `prepare_input`, `predict` and `read_result`, whose arguments each model chooses; a library
is found by its name and version, and gives its model by `create_model`
(https://github.com/cms-hls4ml/hls4mlEmulatorExtras).
"""

from __future__ import annotations

import re
from pathlib import Path

import fpgaae
from fpgaae.emulator.export import build_package, open_deployed
from fpgaae.errors import CheckFailed, InputError
from fpgaae.files import new_folder, write_json
from fpgaae.hls.port_table import input_ports, port_lines
from fpgaae.hls.project import fill_template
from fpgaae.processes import run_program
from fpgaae.rtl.tools import MAKE, require_tool
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.emulate import ExportedModel

METADATA_FILE = "model.json"
_EMULATOR_FOLDER = "emulator"
_FILES = ("model.cpp", "model_interface.h", "loader.cpp", "Makefile")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_COMPARED = re.compile(r"(\d+) events, 0 wrong")
_TAIL_LINES = 12


def export_model(experiment: Experiment, folder: Path, version: str) -> ExportedModel:
    """Write the package of a converted experiment, compile it, and compare it through the interface.

    Parameters
    ----------
    folder
        Must not exist; it is put in place when the package is complete.
    version
        Part of the library's name, so that several versions lie side by side.

    Raises
    ------
    InputError
        If the folder exists, the version can't stand in a name, or the experiment is not converted.
    CheckFailed
        If a code of the compiled model differs.
    """
    if not _VERSION.fullmatch(version):
        raise InputError(f"--package-version {version!r} can't stand in a file's name; give letters, digits, _ . or -")
    deployed = open_deployed(experiment)
    name = deployed.name
    with new_folder(folder) as partial:
        (partial / _EMULATOR_FOLDER).mkdir()
        emulator = build_package(deployed, partial / _EMULATOR_FOLDER)
        values = {
            "NAME": name,
            "VERSION": version,
            "N_FEATURES": str(emulator.n_features),
            "N_THRESHOLDS": str(emulator.n_thresholds),
            "SCORE_FRACTION": str(emulator.score_fraction),
        }
        for file in _FILES:
            (partial / file).write_text(fill_template(f"cmssw/{file}", values), encoding="utf-8")
        hardware = [feature.hardware for feature in deployed.trigger.features.features]
        low, high = deployed.trigger.features.port_limits
        write_json(
            partial / METADATA_FILE,
            {
                "name": name,
                "version": version,
                "library": f"{name}_{version}.so",
                "interface": "hls4mlEmulator::Model",
                "prepare_input": "std::vector<std::int16_t> *, the words of an event in the order of `features`",
                "read_result": "std::pair<std::int64_t, std::vector<std::uint8_t>> *, the score's code and a byte a "
                "threshold, 1 where the score is above it",
                "features": [
                    {"name": own.name, "smallest": smallest, "largest": largest}
                    for own, smallest, largest in zip(hardware, low.tolist(), high.tolist(), strict=True)
                ],
                "ports": port_lines(input_ports(experiment.config.data.hardware)),
                "score_type": str(deployed.trigger.network.score.type),
                "score_fraction": emulator.score_fraction,
                "thresholds": deployed.trigger.accept.thresholds.tolist(),
                "hash": emulator.hash,
                "weights_hash": emulator.weights_hash,
                "types_hash": emulator.types_hash,
                "fpgaae": fpgaae.__version__,
            },
        )
        events = _compare(partial)
    return ExportedModel(name=name, version=version, library=f"{name}_{version}.so", events=events, folder=str(folder))


def _compare(folder: Path) -> int:
    """Build the library and load it as CMSSW does; give the number of golden events that agree."""
    done = run_program([require_tool(MAKE), "test"], f"compiling the model in {folder}", folder=folder)
    found = _COMPARED.search(done.stdout)
    if done.returncode or found is None:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-_TAIL_LINES:])
        raise CheckFailed(f"the model in {folder} does not agree with the golden vectors; the last lines:\n{tail}")
    return int(found[1])
