"""What a method is told of angles: a whole turn of each phi in the inputs' units, and where it begins."""

from __future__ import annotations

import numpy as np
from support import trigger_objects

from fpgaae.models.method_setting import _turns


def test_a_turn_of_each_phi_is_that_of_its_scaled_codes() -> None:
    hardware, features = trigger_objects(12)
    found = _turns(hardware, features)
    for place, feature in enumerate(features.features):
        is_angle = feature.hardware.quantity == "phi" and feature.hardware.bits > 0
        scale = 2.0**-feature.shift
        assert found["turn"][place] == (144 * scale if is_angle else 0)
        assert found["turn_low"][place] == ((-72 - feature.offset) * scale if is_angle else 0)
    codes = np.zeros((2, len(features)), dtype=np.int64)
    codes[0], codes[1] = -72, 71
    inside = features.values(codes) - found["turn_low"]
    angles = found["turn"] > 0
    assert ((inside[:, angles] >= 0) & (inside[:, angles] < found["turn"][angles])).all()
