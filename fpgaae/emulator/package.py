"""The stand-alone emulator package of an experiment: sources, binding, golden vectors, and its compilation."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fpgaae.doctor import require_compiler
from fpgaae.emulator.hashes import network_hashes
from fpgaae.emulator.loading import (
    OTHER_VECTORS_FILE,
    loading_values,
    no_loading,
    ports_of_layers,
    write_loading_test,
)
from fpgaae.emulator.source import EmulatorSource
from fpgaae.emulator.words import declared_limits
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.golden.latents import LATENTS_LAYER
from fpgaae.golden.reloadable import with_random_weights
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.project import WeightPort, fill_template, firmware_source
from fpgaae.processes import run_program
from fpgaae.runs.results.emulate import EmulatorPackage

VECTORS_FILE = "vectors.dat"
KERNEL_FILES = ("processors.h", "kernels.h", "words.h")
_OTHER_WEIGHTS = 1  # seed of those that the test loads over the trained ones
_THIS_MACHINE = "-march=native"
_FLAGS = ("-O3", "-std=c++11", "-fPIC", "-ffp-contract=off", "-fvisibility=hidden", "-fno-gnu-unique")
_TAIL_LINES = 12
_TABLE_HEAD = "Ports, as the config declares them:"


def write_package(
    folder: Path,
    name: str,
    trigger: GoldenTrigger,
    words: Codes,
    ports: Sequence[str] = (),
    weight_ports: Sequence[WeightPort] = (),
) -> EmulatorPackage:
    """Write the sources of an emulator and the vectors of its self-test.

    Parameters
    ----------
    folder
        Must exist.
    name
        Prefix of the C functions.
    trigger
        Features, network and thresholds.
    words
        (n_events, n_features) words of the ports for the self-test.
    ports
        What each port carries, a line each.
    weight_ports
        Those of the HLS project, where weights are loaded; by default one for each kernel and each bias.

    Returns
    -------
    Name, hash and sizes, as for a result file.

    Raises
    ------
    InputError
        If the network has codes that are too wide for the emulator.
    """
    source, hashes = EmulatorSource(trigger), network_hashes(trigger)
    hardware = [feature.hardware for feature in trigger.features.features]
    limits = declared_limits(hardware)
    fraction, n_thresholds = trigger.network.score.type.fraction, trigger.accept.size
    cell = trigger.network.cell
    values = {
        "NAME": name,
        "GUARD": name.upper(),
        "N_FEATURES": str(len(trigger.features)),
        "N_THRESHOLDS": str(n_thresholds),
        "SCORE_FRACTION": str(fraction),
        "N_CELLS": str(1 if cell is None else cell.n_cells),
        "OF_CELL": "" if cell is None else f"(cells ? cells[e] : 0) * {n_thresholds} + ",
        "CELLS": "nullptr" if cell is None else "cell.lane",
        "THRESHOLDS": ", ".join(f"{code}LL" for code in trigger.accept.by_cell.ravel().tolist()),
        "LARGEST": str(trigger.accept.threshold_type.max_code),
        "HASH": hashes.network,
        "WEIGHTS_HASH": hashes.weights,
        "TYPES_HASH": hashes.types,
        "PORT_TABLE": "".join(f"\n * {line}" for line in ports and ("", _TABLE_HEAD, *ports)),
        "DEPENDENCIES": " ".join(KERNEL_FILES),
        "LIMITS": ",\n    ".join(f"{{{low}, {high}}}" for low, high in limits.tolist()),
        "FEATURES": ",\n    ".join(f'"{feature.name}"' for feature in hardware),
        "CONSTANTS": source.constants,
        "BODY": source.body,
        "N_LATENTS": str(source.n_latents),
        "LATENTS": f"{LATENTS_LAYER}_codes[i].lane[e]" if source.n_latents else "0",
    }
    network = trigger.network
    if network.reloadable:
        weight_ports = weight_ports or ports_of_layers(network)
        values |= loading_values(name, source.loaded, weight_ports)
        other = with_random_weights(network, _OTHER_WEIGHTS)
        write_loading_test(folder, values, weight_ports, (network, other))
        _write_vectors(folder / OTHER_VECTORS_FILE, replace(trigger, network=other), words)
    else:
        values |= no_loading()
    for template, target in _files(name).items():
        (folder / target).write_text(fill_template(f"emulator/{template}", values), encoding="utf-8")
    for kernels in KERNEL_FILES:
        shutil.copyfile(firmware_source(f"emulator/{kernels}"), folder / kernels)
    _write_vectors(folder / VECTORS_FILE, trigger, words)
    return EmulatorPackage(
        name=name,
        hash=hashes.network,
        weights_hash=hashes.weights,
        types_hash=hashes.types,
        n_features=len(trigger.features),
        n_thresholds=n_thresholds,
        score_fraction=fraction,
        vectors=len(words),
    )


def _write_vectors(file: Path, trigger: GoldenTrigger, words: Codes) -> None:
    np.savetxt(file, np.concatenate([words, trigger.results(words)], axis=1), fmt="%d")


def _files(name: str) -> Mapping[str, str]:
    return {
        "emulator.h": f"{name}_emulator.h",
        "emulator.cpp": f"{name}_emulator.cpp",
        "self_test.c": "self_test.c",
        "Makefile": "Makefile",
        "binding.py": f"{name}_emulator.py",
    }


def compile_package(folder: Path, name: str, *, for_this_machine: bool = True) -> Path:
    """Compile a written package; give the library.

    Parameters
    ----------
    for_this_machine
        Use all that its processor knows; otherwise the library runs on any of its kind.

    Raises
    ------
    ToolMissing
        If there is no g++.
    CheckFailed
        If it does not compile.
    """
    library = folder / f"lib{name}_emulator.so"
    flags = (*_FLAGS, _THIS_MACHINE) if for_this_machine else _FLAGS
    command = [str(require_compiler()), *flags, "-shared", f"{name}_emulator.cpp", "-o", library.name]
    done = run_program(command, f"compiling the emulator in {folder}", folder=folder)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-_TAIL_LINES:])
        raise CheckFailed(f"the emulator in {folder} does not compile; the compiler's last lines:\n{tail}")
    return library


def open_binding(folder: Path, name: str) -> Any:  # noqa: ANN401
    """Open a compiled package through its own Python binding, as a user of the package does."""
    return _load(folder / f"{name}_emulator.py").Emulator()


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise CheckFailed(f"{file} can't be loaded as a Python module; export the emulator again")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
