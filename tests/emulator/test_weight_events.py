"""Events in which an error of a single weight shows: chosen for each weight for which there is one."""

from __future__ import annotations

from dataclasses import replace

import networks
import numpy as np
import pytest

from fpgaae.config.model import Score
from fpgaae.emulator.weight_events import weight_events
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger

_TRIED = 3000


@pytest.mark.parametrize("score", [Score.SQUARED_ERROR, Score.MU_SQUARED])
def test_one_lsb_of_every_weight_shows_where_any_event_shows_it(score: Score) -> None:
    features = networks.feature_map()
    trigger = GoldenTrigger(features, networks.random_network(score, features))
    network = trigger.network
    pool = networks.events(features, _TRIED)
    known, batches = pool[:20], [pool[start : start + 500] for start in range(20, _TRIED, 500)]
    chosen = weight_events(trigger, known, batches, np.random.default_rng(1))
    assert len(chosen) < _TRIED // 10, "few events show many errors"
    events = np.concatenate([known, chosen])
    shown, hidden = 0, 0
    for layer in network.layers:
        if not isinstance(layer, Dense):
            continue
        for name in ("kernel", "bias"):
            codes = getattr(layer, name)
            for place in np.argwhere((codes != 0) | (name == "bias")):
                for step in (-1, 1):
                    damaged = codes.copy()
                    damaged[tuple(place)] += step
                    other = replace(layer, **{name: damaged})
                    wrong = GoldenTrigger(
                        features, IntegerNetwork(tuple(other if one is layer else one for one in network.layers))
                    )
                    if (wrong.scores(events) != trigger.scores(events)).any():
                        shown += 1
                    else:
                        hidden += 1
                        assert (wrong.scores(pool) == trigger.scores(pool)).all(), (layer.name, name, place, step)
    assert shown > 10 * hidden
