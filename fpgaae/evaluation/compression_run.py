"""The part of the stage `evaluate` that decodes the latents of float model and firmware, and compares the images.

This module imports TensorFlow (Keras 2 for the quantized model, Keras 3 for the float one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import Split, open_split
from fpgaae.evaluation.comparison import FIRMWARE, FLOAT
from fpgaae.evaluation.compression import Images, compare_images, data_rate, latent_layer
from fpgaae.evaluation.compression_figure import compression_figure
from fpgaae.fixedpoint import Codes, values_of
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.models.extract import extract_network
from fpgaae.models.float_output import open_float_decoder, open_float_output
from fpgaae.models.quantized import MODEL_FILE, load_quantized
from fpgaae.runs.results.metrics import Compression
from fpgaae.runs.run import StageRun

_SHOWN = 4  # images of the figure
Latents = Callable[[Codes], NDArray[np.floating]]


def run_compression(run: StageRun, limit: int) -> tuple[Compression, Figure]:
    """Give the block `compression` of the result, and a figure of the first background images."""
    config, split = run.config, open_split(run, "test")
    network = extract_network(load_quantized(str(run.upstream("train") / MODEL_FILE)))
    trigger = GoldenTrigger(split.features, network).behind_words
    latents = {FLOAT: _float_latents(run, split), FIRMWARE: _firmware_latents(trigger)}
    decode = open_float_decoder(run.upstream("reference"), config)
    height, width, _ = config.data.hardware.image_shape

    def decoded(codes: Codes) -> Mapping[str, Images]:
        return {
            model: _counts(split.features, decode(own(codes).astype(np.float32))).reshape(-1, height, width)
            for model, own in latents.items()
        }

    processes = {}
    shown: tuple[Images, Mapping[str, Images]] = np.zeros((0, height, width)), {}
    for process in config.data.files:
        codes = np.concatenate(list(split.store.chunks(process, "test", limit, limit=limit)))
        groups = split.store.groups(process, "test", limit=len(codes))
        images, models = codes.reshape(-1, height, width).astype(np.float64), decoded(codes)
        processes[process] = compare_images(images, models, groups, config.evaluation.confidence_level)
        if process == config.data.background:
            shown = images[:_SHOWN], {model: own[:_SHOWN] for model, own in models.items()}
    input_bits = sum(feature.hardware.bits for feature in split.features.features)
    rate = data_rate(network, input_bits, config.trigger.bunch_crossing_rate_khz)
    level = config.evaluation.confidence_level
    return Compression(**vars(rate), confidence_level=level, processes=processes), compression_figure(*shown)


def _float_latents(run: StageRun, split: Split) -> Latents:
    output = open_float_output(run.upstream("reference"), run.config)
    return lambda codes: output(split.clipped(split.features.values(codes).astype(np.float32)))


def _firmware_latents(golden: GoldenTrigger) -> Latents:
    """Give the latents that the firmware puts out: the golden codes, which the C simulation gave bit for bit."""
    name = latent_layer(golden.network).name
    return lambda codes: values_of(*golden.run(codes)[name])


def _counts(features: FeatureMap, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn network inputs back into counts within the range of their hardware integers, (n, n_features)."""
    low, high = features.limits
    counts = values.astype(np.float64) * np.ldexp(1.0, features.shifts) + features.offsets
    return np.asarray(np.clip(counts, low, high))
