"""The score of every model on every event: float, quantized, firmware, a teacher, and those without a network.

What the scores are compared by does not belong here. This module imports TensorFlow (Keras 2 for the quantized model,
Keras 3 for the float one).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fpgaae.data.inputs import BLOCK_EVENTS, Split, open_split
from fpgaae.evaluation.baseline_scores import Score, baseline_scorers
from fpgaae.evaluation.comparison import FIRMWARE
from fpgaae.evaluation.networks import open_networks
from fpgaae.evaluation.score_blocks import parts_folder, score_by_workers
from fpgaae.fixedpoint import parse_type, values_of
from fpgaae.golden.partial import PartialNetwork, shadow_weights
from fpgaae.hls.csim import SCORES_FILE
from fpgaae.models.extract import extract_network
from fpgaae.models.quantized import MODEL_FILE, load_quantized
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.run import StageRun

Scores = dict[str, dict[str, NDArray[np.float64]]]  # model -> process -> one a event


def score_events(run: StageRun) -> Scores:
    """Score every event of the C simulation with every model; workers do what takes a network."""
    split = open_split(run, "train")
    firmware = _firmware_scores(run)
    lengths = {process: len(found) for process, found in firmware.items()}
    if run.workers.are_asked_for or parts_folder(run).is_dir():  # of a run that was killed
        scores = score_by_workers(run, lengths) | _score_all(run, baseline_scorers(run, split), lengths)
    else:
        scores = _score_all(run, open_scorers(run, split), lengths)
    scores[FIRMWARE] = firmware
    return scores


def open_scorers(run: StageRun, split: Split) -> dict[str, Score]:
    """Open every model but the firmware as a function from hardware codes to scores.

    Parameters
    ----------
    split
        The training events of the background, which PCA is fitted on.
    """
    return open_networks(run, split) | baseline_scorers(run, split)


def open_partial(run: StageRun) -> PartialNetwork:
    """Open the trained network with the weights that its own were rounded from."""
    model = load_quantized(str(run.upstream("train") / MODEL_FILE))
    network = extract_network(model)
    return PartialNetwork(network, shadow_weights(model, network))


def _firmware_scores(run: StageRun) -> dict[str, NDArray[np.float64]]:
    """Read what the firmware put out, by process; its codes have fewer than 53 bits and are exact in float64."""
    fraction = parse_type(run.result(CsimResult).score_type).fraction
    with np.load(run.upstream("csim") / SCORES_FILE, allow_pickle=False) as codes:
        return {process: values_of(codes[process], fraction) for process in codes}


def _score_all(run: StageRun, models: dict[str, Score], lengths: Mapping[str, int]) -> Scores:
    store = open_split(run, "test").store
    scores: Scores = {}
    with run.progress.task("scores", sum(lengths.values())) as task:
        for process, length in lengths.items():
            parts: dict[str, list[NDArray[np.float64]]] = {model: [] for model in models}
            for codes in store.chunks(process, "test", BLOCK_EVENTS, limit=length):
                for model, score in models.items():
                    parts[model].append(score(codes))
                task.advance(len(codes))
            for model, found in parts.items():
                scores.setdefault(model, {})[process] = np.concatenate(found)
    return scores
