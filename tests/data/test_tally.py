"""What a user hears of values that codes do not tell: by kind of object, and of the cells of an array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import make_events

from fpgaae.config.data import Data
from fpgaae.data.checks import checked
from fpgaae.data.integers import narrow_event_codes
from fpgaae.data.source import EventChunk
from fpgaae.data.tally import Tally
from fpgaae.errors import InputError

N = 400
MUONS = np.s_[:, 5:9]
FILE = Path("events.h5")
KINDS = (("met", 1, 0), ("electron", 4, 8), ("muon", 4, 8), ("jet", 10, 8))
OBJECTS = {"objects": [{"name": n, "slots": s, "pt_bits": 11, "eta_bits": eta, "phi_bits": 8} for n, s, eta in KINDS]}
CELLS = {"array": {"name": "cell", "shape": [2, 3], "bits": 8, "absent": [5]}}


def _tally(events: NDArray[Any], hardware: dict[str, Any], kept: NDArray[np.bool_] | None = None, **data: Any) -> Tally:  # noqa: ANN401
    config = Data.model_validate({"files": {"background": "b.h5"}, "hardware": hardware} | data)
    tally = Tally(config)
    integers = config.values is not None
    chunk = checked(EventChunk(0, events, np.arange(len(events)), integers=integers, kept=kept), FILE, config)
    tally.add(chunk, narrow_event_codes(chunk, config, np.int16))
    return tally


def test_usual_events_are_not_warned_of() -> None:
    assert [*_tally(make_events(N, 1), OBJECTS).warnings()] == []
    assert [*_tally(np.full((N, 2, 3), 200.4), CELLS).warnings()] == []


@pytest.mark.parametrize(
    ("quantity", "change", "words"),
    [
        (0, lambda pt: pt / 1000, "muon objects (100.0%) have a pT that rounds to 0: is it in TeV"),
        (1, lambda eta: np.degrees(2 * np.arctan(np.exp(-eta))), "muon objects (100.0%) have an eta beyond what its"),
        (1, lambda _: -999, "muon objects (100.0%) have an eta beyond"),
    ],
    ids=["TeV", "theta", "sentinel"],
)
def test_a_unit_of_one_kind_is_warned_of(quantity: int, change: Any, words: str) -> None:  # noqa: ANN401
    events = make_events(N, 1)
    muons = events[MUONS]
    muons[..., quantity] = np.where(muons[..., 0] > 0, change(muons[..., quantity]), 0)
    (warning,) = _tally(events, OBJECTS).warnings()
    assert words in warning


@pytest.mark.parametrize("turn", [0, 2 * np.pi], ids=["around 0", "from 0"])
def test_angles_of_one_kind_that_were_cut_to_integers_are_warned_of(turn: float) -> None:
    events = make_events(N, 1)
    events[..., 0] = np.rint(events[..., 0] * 2)
    events[..., 1:3] = np.rint(events[..., 1:3] / 0.0435) * (np.arange(19) > 0)[:, None]
    events[:, 0, 2] = 7
    angle = events[MUONS][..., 2] * 0.0435
    events[MUONS][..., 2] = np.trunc(angle % turn if turn else angle)
    (warning,) = _tally(events, OBJECTS, values="integers").warnings()
    assert f"no phi of muon is larger than {6 if turn else 3}: are these integers angles in rad" in warning


def test_events_that_where_leaves_out_are_not_counted() -> None:
    events = make_events(N, 1)
    events[: N // 4, :, 0] *= 1e6
    kept = np.arange(N) >= N // 4
    assert [*_tally(events, OBJECTS).warnings()]
    tally = _tally(events, OBJECTS, kept)
    assert [*tally.warnings()] == []
    assert tally.seen().objects["met"] == N - N // 4


def test_cells_beyond_their_bits_are_refused_or_counted() -> None:
    cells = np.full((N, 2, 3), 7, np.uint16)
    cells[:, 1, 2] = 60_000  # has no port
    assert [*_tally(cells, CELLS).warnings()] == []
    cells[3, 0, 1], cells[9, 1, 1] = 256, 40_000
    with pytest.raises(InputError) as refused:
        _tally(cells, CELLS)
    assert "event 3, cell 1 holds 256, but `data.hardware.array` holds 0 to 255: 2 of the 2,400 cells" in str(refused)
    assert "up to 40000; give `bits` that hold them" in str(refused.value)
    assert [*_tally(cells, CELLS, clip=True).warnings()] == [
        "2 integers of cell were beyond their declaration, and saturated by `data.clip`"
    ]


@pytest.mark.parametrize(
    ("factor", "words"), [(1000, "(100.0%) are beyond what their bits hold"), (1e-3, "(100.0%) round to 0")]
)
def test_a_step_that_cells_do_not_fit_is_warned_of(factor: float, words: str) -> None:
    (warning,) = _tally(np.full((N, 2, 3), 200.4 * factor), CELLS).warnings()
    assert words in warning
