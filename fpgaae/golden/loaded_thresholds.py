"""Thresholds that are loaded at run time: others for a trigger block, and sets that show what is wrong (NumPy only).

How the firmware takes them does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.trigger import GoldenTrigger

_RANDOM_SETS = 8  # of codes over the whole range; as many of codes of any length
_SCORE_SETS = 8  # at the scores of events, one below and one above


def with_loaded(trigger: GoldenTrigger, thresholds: Codes) -> GoldenTrigger:
    """Put other thresholds in force.

    Parameters
    ----------
    thresholds
        (n_thresholds,) codes of the score; where they follow sums, (n_thresholds, n_cells).

    Raises
    ------
    InputError
        If there are more or fewer, or one is no code of the score.
    """
    accept, codes = trigger.accept, np.asarray(thresholds, dtype=np.int64)
    of = accept.threshold_type
    if codes.shape != accept.thresholds.shape:
        raise InputError(f"{codes.size} thresholds are given, and the block has {accept.thresholds.size}; give all")
    wrong = codes[(codes < of.min_code) | (codes > of.max_code)]
    if wrong.size:
        raise InputError(
            f"the threshold {wrong.flat[0]} is no code of the score, whose codes are {of.min_code} to {of.max_code}"
        )
    loaded = replace(accept, thresholds=codes)
    layers = tuple(loaded if layer is accept else layer for layer in trigger.network.layers)
    return replace(trigger, network=replace(trigger.network, layers=layers))


def threshold_sets(accept: Accept, scores: Codes, seed: int) -> Codes:
    """Give sets of codes to load, (n_sets, n_thresholds), each once, in no order that a trigger would choose.

    The ends of the type, alternating; codes of scores, one below and one above; each threshold alone at a score while
    the others are at an end, so that each is told from each; codes over the whole range, and of any length.

    Parameters
    ----------
    scores
        (n_events,) codes of the score of some events.
    """
    rng = np.random.default_rng([seed, accept.size, len(scores)])
    sets = np.concatenate(list(_sets(accept, scores, rng)))
    codes = np.clip(sets, accept.threshold_type.min_code, accept.threshold_type.max_code)
    return np.array([*dict.fromkeys(map(tuple, codes.tolist()))], dtype=np.int64)


def _sets(accept: Accept, scores: Codes, rng: np.random.Generator) -> Iterator[Codes]:
    n, of = accept.size, accept.threshold_type
    ends = np.array([of.min_code, of.max_code])
    for first in (0, 1):
        yield ends[[first] * n][None]
        yield ends[(np.arange(n) + first) % 2][None]
    known = np.unique(scores)
    for step in (-1, 0, 1):
        yield rng.choice(known, (_SCORE_SETS, n)) + step
    middle = int(known[len(known) // 2])
    for end in ends:
        yield np.where(np.eye(n, dtype=bool), middle, end)
    yield rng.integers(of.min_code, of.max_code, (_RANDOM_SETS, n), endpoint=True)
    yield rng.integers(0, of.max_code, (_RANDOM_SETS, n), endpoint=True) >> rng.integers(0, of.width, (_RANDOM_SETS, n))
