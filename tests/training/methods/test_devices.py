from __future__ import annotations

import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.training.methods import devices
from fpgaae.training.methods.devices import EVENTS, MEMBERS, Placement, require_memory


def test_events_that_a_device_cannot_hold_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"x": np.zeros((1000, 57), dtype=np.float32)}
    require_memory(columns)
    monkeypatch.setattr(devices, "_memory_bytes", lambda: columns["x"].nbytes)
    with pytest.raises(InputError, match=r"the 1,000 training events take .* GiB, more than 80% of the .*give fewer"):
        require_memory(columns)


@pytest.mark.parametrize(("n_members", "n_devices", "padded"), [(5, 2, 6), (4, 2, 4), (3, 3, 3)])
def test_every_device_has_as_many_members(
    n_members: int, n_devices: int, padded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Placement, "n_devices", n_devices)
    assert Placement(None, MEMBERS).padded(n_members) == padded
    assert Placement(None, EVENTS).padded(n_members) == n_members
