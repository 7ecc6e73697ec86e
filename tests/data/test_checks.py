"""No integer is changed in silence, no unit is guessed, and no number type changes a code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import make_events, read_all, refusal

from fpgaae.config.data import Data
from fpgaae.data.integers import event_codes, hardware_codes
from fpgaae.data.readers import read_events

KINDS = [
    {"name": "met", "slots": 1, "pt_bits": 12, "eta_bits": 0, "phi_bits": 8},
    {"name": "muon", "slots": 2, "pt_bits": 9, "eta_bits": 8, "phi_bits": 8},
]
NUMBERS = [np.dtype(kind) for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i2")]


def _data(hardware: dict[str, Any] | None = None, **more: Any) -> Data:  # noqa: ANN401
    hardware = {"objects": KINDS} | (hardware or {})
    return Data.model_validate({"files": {"background": "x"}, "group": None, "hardware": hardware} | more)


def _write(folder: Path, events: np.ndarray) -> Path:
    with h5py.File(folder / "e.h5", "w") as file:
        file["Particles"] = events
    return folder / "e.h5"


def _integers(n: int = 200) -> np.ndarray:
    rng = np.random.default_rng(2)
    events = rng.integers((1, -100, 0), (400, 100, 144), size=(n, 3, 3))
    events[:, 0, 1] = 0
    return events


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
@pytest.mark.parametrize("values", ["physical", "integers"])
def test_a_number_of_any_type_gives_the_code_of_float64(tmp_path: Path, dtype: np.dtype[Any], values: str) -> None:
    """With LSBs that no narrow type can divide by."""
    rng = np.random.default_rng(3)
    low = 0 if dtype.kind == "u" or values == "integers" else -5
    events = rng.uniform((0, low, 0), (120, 5, 6), size=(400, 3, 3)).astype(dtype)
    if values == "integers":
        events = np.rint(events.astype(np.float64)).astype(dtype)
    data = _data({"pt_lsb_gev": 0.3, "eta_lsb": 0.0435}, values=values)
    (chunk,) = read_events(_write(tmp_path, events), data)
    (wide,) = read_events(_write(tmp_path, events.astype(np.float64)), data)
    found = event_codes(chunk, data)
    assert np.array_equal(found, event_codes(wide, data))
    assert found.any()


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
def test_a_cell_of_any_type_gives_the_code_of_float64(dtype: np.dtype[Any]) -> None:
    hardware = {"array": {"name": "cells", "shape": [200], "bits": 12, "lsb": 0.07}}
    cells = np.random.default_rng(4).uniform(0, 120, size=(50, 200)).astype(dtype)
    data = Data.model_validate({"files": {"background": "x"}, "group": None, "hardware": hardware})
    assert np.array_equal(hardware_codes(cells, data.hardware), hardware_codes(cells.astype(float), data.hardware))


def test_integers_in_an_array_are_the_codes(tmp_path: Path) -> None:
    events = _integers()
    data = _data(values="integers", order="file")
    codes = event_codes(read_all(_write(tmp_path, events.astype(np.float32)), data)._replace(integers=True), data)
    expected = events.copy()
    expected[..., 2] = np.where(events[..., 2] < 72, events[..., 2], events[..., 2] - 144)
    assert np.array_equal(codes.reshape(events.shape), expected)


@pytest.mark.parametrize(
    ("quantity", "value", "words"),
    [
        pytest.param(0, 512, "the pt of muon is 512 in event 130, but its declaration holds 0 to 511: 2 of", id="pt"),
        pytest.param(1, -129, "the eta of muon is -129 in event 130, but its declaration holds -128 to 127", id="eta"),
        pytest.param(2, 144, "the phi of muon is 144 in event 130, but its declaration holds -72 to 143", id="phi"),
        pytest.param(2, -73, "the phi of muon is -73 in event 130, but its declaration holds -72 to 143", id="low-phi"),
        pytest.param(0, 2**40, f"beyond, up to {2**40}", id="far"),
    ],
)  # fmt: skip
def test_an_integer_beyond_its_declaration_is_named(tmp_path: Path, quantity: int, value: int, words: str) -> None:
    events = _integers()
    events[[130, 150], 2, quantity] = value
    message = refusal(_write(tmp_path, events), _data(values="integers"))
    assert words in message
    assert f"declare `{('pt', 'eta', 'phi')[quantity]}` of muon as it arrives" in message
    assert ("data.clip" in message) == (quantity != 2)


def test_integers_are_saturated_only_where_the_config_says_so(tmp_path: Path) -> None:
    events = _integers()
    events[3, 1, 0], events[5, 1:, 1] = 700, -200
    data = _data(values="integers", clip=True, order="file")
    (chunk,) = read_events(_write(tmp_path, events), data)
    codes = event_codes(chunk, data).reshape(events.shape)
    assert (codes[3, 1, 0], codes[5, 1, 1], codes[5, 2, 1]) == (511, -128, -128)
    assert chunk.counts == {"clipped": {"muon.pt": 1, "muon.eta": 2}}
    events[7, 1, 2] = 575
    assert "the phi of muon is 575 in event 7" in refusal(_write(tmp_path, events), data)


def test_what_stands_in_an_empty_slot_does_not_matter(tmp_path: Path) -> None:
    events = _integers()
    events[4, 2] = 0, -999, 999
    data = _data(values="integers")
    (chunk,) = read_events(_write(tmp_path, events), data)
    assert event_codes(chunk, data).reshape(events.shape)[4, 2].tolist() == [0, 0, 0]


def test_a_fraction_among_integers_is_named(tmp_path: Path) -> None:
    events = _integers().astype(np.float32)
    events[9, 1, 0] = 0.5
    assert "event 9, slot 1 holds a pt of 0.5, but `values: integers` needs whole" in refusal(
        _write(tmp_path, events), _data(values="integers")
    )


def test_degrees_and_integers_are_no_rad(tmp_path: Path) -> None:
    events = make_events(100, 1)[:, :3, :3]
    events[..., 2] = np.degrees(events[..., 2])
    message = refusal(_write(tmp_path, events), _data())
    assert "beyond 2 pi" in message
    assert message.endswith("look like degrees")
    assert "declare them with `data.values: integers`" in refusal(_write(tmp_path, _integers()), _data())
    turn = make_events(100, 1)[:, :3, :3]
    turn[..., 2] += np.pi  # from 0 to a whole turn
    assert len(read_all(_write(tmp_path, turn.astype(np.float16)), _data()).values) == 100


def test_objects_are_sorted_by_pt_unless_the_file_counts(tmp_path: Path) -> None:
    events = np.array(
        [[[9, 0, 1], [3, 1, 1], [7, 2, 2]], [[9, 0, 1], [7, 1, 1], [7, 2, 2]], [[9, 0, 1], [0] * 3, [4] * 3]]
    )
    file = _write(tmp_path, events.astype(float))
    (chunk,) = read_events(file, _data())
    assert chunk.values[:, 1:, 0].tolist() == [[7, 3], [7, 7], [4, 0]]
    assert chunk.values[1, 1:, 1].tolist() == [1, 2]  # equal ones stay in their order
    assert chunk.counts == {"sorted": {"muon": 2}}
    (chunk,) = read_events(file, _data(order="file"))
    assert np.array_equal(chunk.values, events)


def test_integers_of_a_file_give_the_codes_of_its_gev(tmp_path: Path) -> None:
    events = make_events(300, 5)[:, [0, 5, 6], :3].astype(np.float64)
    integers = np.rint(events / [0.5, 0.0435, 2 * np.pi / 144])
    integers[..., 2] %= 144  # as a trigger counts
    integers[events[..., 0] == 0] = 0
    integers[:, 1:, 0] = np.minimum(integers[:, 1:, 0], 511)
    data = _data(values="integers")
    (chunk,) = read_events(_write(tmp_path, integers.astype(np.int16)), data)
    assert np.array_equal(event_codes(chunk, data), hardware_codes(events, _data().hardware))


def test_integers_are_saturated_at_the_overflow(tmp_path: Path) -> None:
    """They became the largest word, which says here that there is no object."""
    muon = {"name": "muon", "slots": 1, "pt": {"bits": 9, "none": 511, "overflow": 500}}
    data = Data.model_validate(
        {
            "files": {"background": "x"},
            "values": "integers",
            "clip": True,
            "group": None,
            "hardware": {"objects": [muon]},
        }
    )
    np.savez(tmp_path / "e.npz", Particles=np.array([[[600, 0, 0]], [[505, 0, 0]], [[511, 0, 0]]]))
    (chunk,) = read_events(tmp_path / "e.npz", data)
    assert event_codes(chunk, data).tolist() == [[500, 0, 0], [505, 0, 0], [0, 0, 0]]
