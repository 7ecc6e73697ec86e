"""The emulator of an experiment, written as a package of its own and tested there."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from fpgaae.artifacts import Experiment, Json, StageRun
from fpgaae.data.features import FeatureMap
from fpgaae.emulator.package import compile_package, open_binding, write_package
from fpgaae.errors import CheckFailed, InputError
from fpgaae.fixedpoint import Codes
from fpgaae.hls.stimulus import LAYERS, Stimuli
from fpgaae.models.integer import ACCEPT_LAYER, GOLDEN_FILE, IntegerNetwork

_VECTORS_AN_ORIGIN = 200


def export_emulator(experiment: Experiment, folder: Path) -> Json:
    """Write the emulator package of a converted experiment, compile it, and compare it with the golden codes.

    Parameters
    ----------
    folder
        Must not exist; it is put in place when the package is complete.

    Raises
    ------
    InputError
        If the folder exists, or the experiment is not converted.
    CheckFailed
        If a code of the compiled emulator differs.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already; remove it, or export to another folder")
    golden = experiment.stage_folder("convert") / GOLDEN_FILE
    if not golden.is_file():
        raise InputError(f"{golden} is missing; run `fpgaae convert {experiment.config_file}` first")
    network = IntegerNetwork.load(golden)
    run = StageRun(experiment, folder, folder, {})
    features = FeatureMap.from_json(run.result("data")["feature_types"])
    codes = _vectors(Stimuli(experiment.config, run.upstream("data"), features, network))
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        name = experiment.config.firmware.project_name
        result = write_package(partial, name, network, features, codes)
        compile_package(partial, name)
        _compare(partial, name, network, features, codes)
        partial.chmod(0o755)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {**result, "folder": str(folder)}


def _vectors(stimuli: Stimuli) -> Codes:
    """Give hardware integers of every origin, the extremes among them."""
    parts = []
    for source in stimuli.sources():
        if source.start == 0 and source.origin != LAYERS:
            made = stimuli.make(source).hardware
            parts.append(made[:_VECTORS_AN_ORIGIN])
    return np.concatenate(parts)


def _compare(folder: Path, name: str, network: IntegerNetwork, features: FeatureMap, codes: Codes) -> None:
    scores, accept = open_binding(folder, name).score(codes)
    golden = network.run(features.input_codes(codes, network.input_type))
    wrong = (scores != golden[network.score.name].codes[:, 0]) | (accept != golden[ACCEPT_LAYER].codes).any(axis=1)
    if wrong.any():
        raise CheckFailed(f"the emulator differs from the golden codes in {wrong.sum()} of {len(codes)} events")
