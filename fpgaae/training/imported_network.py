"""What the stages of an imported model share: the model, its exact form, and its inputs.

This module imports TensorFlow (Keras 2, QKeras).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import Split
from fpgaae.errors import ConfigError, InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.conversion import Conversion
from fpgaae.hls.lint.models import lint_model
from fpgaae.hls.lint.run import refuse_errors
from fpgaae.models.architecture import describe_model
from fpgaae.models.cut import chosen_part
from fpgaae.models.description import NetworkDescription
from fpgaae.models.extract import extract_network
from fpgaae.models.fit import check_fit
from fpgaae.models.model_file import ModelFiles
from fpgaae.models.prepare import Prepared, prepare_network
from fpgaae.models.rebuild import rebuild
from fpgaae.models.resolved_widths import ResolvedWidth
from fpgaae.runs.experiment import ImportedModel
from fpgaae.runs.results.imported import ImportedFrom, ImportResult
from fpgaae.runs.run import StageRun
from fpgaae.runs.stages import IMPORT
from fpgaae.training.import_checks import deploy

_CHUNK_EVENTS = 8192
ANEW = "; or quantize the model anew with --quantize"
KerasModel = Any


def imported_model(run: StageRun) -> ImportedModel:
    """Say which model was imported, and how it was asked for."""
    if run.experiment.imported is None:
        raise InputError(f"no model was imported into {run.experiment.folder}; run `{run.experiment.command(IMPORT)}`")
    return run.experiment.imported


def open_imported(run: StageRun) -> Prepared:
    """Read the model that was imported."""
    asked = imported_model(run).choices
    given = chosen_part(ModelFiles.copied_to(run.upstream(IMPORT)).read(), asked)
    return prepare_network(given, input_type(run.config), quantize=asked.quantize)


def input_type(config: Config) -> FixedPointType:
    """Give the type of the inputs that the config names."""
    return ResolvedWidth(config.quantization.inputs.bits, config.quantization.inputs.integer_bits).signed()


def check_model_fits(run: StageRun, given: NetworkDescription, prepared: Prepared) -> None:
    """Refuse a model that is not one for the config, with its file."""
    try:
        check_fit(run.config, given, prepared)
    except ConfigError as error:
        raise ConfigError(f"{run.experiment.config_file}: {error}") from None


def exact_network(
    config: Config, network: NetworkDescription, features: FeatureMap
) -> tuple[KerasModel, IntegerNetwork]:
    """Build the model that goes into the firmware, and its exact integer form."""
    try:
        fraction_bits = config.quantization.score_table_fraction_bits
        deployed = deploy(rebuild(network), network, config.model.score, features, fraction_bits)
        findings = lint_model(describe_model(deployed), Conversion.of(config.firmware))
        refuse_errors("the model with its score", findings, InputError)
        return deployed, extract_network(deployed)
    except InputError as error:
        raise InputError(f"{error}{ANEW}") from None


def imported_from(run: StageRun) -> ImportedFrom:
    """Say in a result file which model it was made from."""
    result = run.result(ImportResult)
    return ImportedFrom(file=result.file, sha256=result.sha256, kind=result.kind, taken_as_it_is=result.taken_as_it_is)


def float_inputs(split: Split) -> Iterator[NDArray[np.float32]]:
    """Give the events of a split as the float network sees them, few at a time."""
    for block in split.ordered_blocks():
        x = split.clipped(block)
        for start in range(0, len(x), _CHUNK_EVENTS):
            yield x[start : start + _CHUNK_EVENTS]


def shaped(model: KerasModel, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring events (n, n_features) into the shape that a model takes."""
    return x.reshape(-1, *model.input_shape[1:])


def flat(output: Any) -> NDArray[np.float32]:  # noqa: ANN401
    """Give an output as (n, size)."""
    array = np.asarray(output)
    return array.reshape(len(array), -1)


def mean_squared_difference(pairs: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> float:
    """Give the mean squared difference of chunks."""
    squares = sum(float(np.square(a.astype(np.float64) - b).sum()) for a, b in pairs)
    return squares / sum(b.size for _, b in pairs)
