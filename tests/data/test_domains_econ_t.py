"""ECON-T: the charges of 48 trigger cells stand on the map where the chip's study has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import array_data, read_all, refusal

from fpgaae.data import arrow
from fpgaae.data.domains.econ_t import ABSENT, on_map
from fpgaae.data.layout import hardware_features

ARRAY = {"name": "charge", "shape": [8, 8], "bits": 12, "absent": list(ABSENT)}
DATA = array_data(ARRAY, "econ_t")
PLACES = {0: (0, 4), 3: (3, 4), 4: (0, 5), 15: (3, 7), 16: (3, 0), 31: (0, 3), 28: (0, 0), 32: (7, 3), 44: (7, 0),
          47: (4, 0), 35: (4, 3)}  # fmt: skip  # cell: (row, column), placed by hand from the figure of the study


def _charges(n: int = 200) -> NDArray[np.int64]:
    return np.random.default_rng(1).integers(0, 4096, (n, 48))


def _csv(file: Path, charges: NDArray[np.int64], names: bool) -> Path:
    lines = [",".join(map(str, row)) for row in charges.tolist()]
    head = [",".join(f"CALQ_{cell}" for cell in range(charges.shape[1]))] if names else []
    file.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    return file


def test_every_cell_has_one_place_and_the_last_quadrant_none() -> None:
    laid = on_map(np.arange(1, 49)[None])[0]
    for cell, place in PLACES.items():
        assert laid[place] == cell + 1
    assert sorted(laid[laid > 0]) == list(range(1, 49))
    assert not laid[4:, 4:].any()
    assert set(ABSENT) == {row * 8 + column for row in range(4, 8) for column in range(4, 8)}


def test_absent_cells_have_no_bits() -> None:
    features = hardware_features(DATA.hardware)
    assert [index for index, feature in enumerate(features) if not feature.bits] == sorted(ABSENT)
    assert {feature.bits for feature in features} == {0, 12}


@pytest.mark.slow
@pytest.mark.parametrize("names", [True, False], ids=["names", "no-names"])
@pytest.mark.parametrize("chunk_events", [1, 64, 1000])
def test_a_csv_file_gives_its_charges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: bool, chunk_events: int
) -> None:
    monkeypatch.setattr(arrow, "_CSV_BLOCK_BYTES", 4096)
    charges = _charges()
    events = read_all(_csv(tmp_path / "e.csv", charges, names), DATA, chunk_events)
    np.testing.assert_array_equal(events.values, on_map(charges))
    assert events.groups.tolist() == list(range(200))


def test_names_may_have_spaces_and_a_mark_of_their_order(tmp_path: Path) -> None:
    file = _csv(tmp_path / "e.csv", _charges(20), names=True)
    file.write_text(file.read_text().replace(",CALQ", " , CALQ"), encoding="utf-8-sig")
    np.testing.assert_array_equal(read_all(file, DATA).values, on_map(_charges(20)))


def test_wrong_files_get_their_sentence(tmp_path: Path) -> None:
    file = _csv(tmp_path / "e.csv", _charges()[:, :47], names=True)
    assert refusal(file, DATA) == f"{file}: its first line has 47 columns; give one row a wafer with 48 charges"
    file.write_text("", encoding="utf-8")
    assert refusal(file, DATA) == f"{file}: its first line has 0 columns; give one row a wafer with 48 charges"
    _csv(file, _charges(20), names=True)
    lines = file.read_text().splitlines()
    cut = [*lines[:-1], lines[-1][:40]]
    file.write_text("\n".join(cut), encoding="utf-8")
    assert refusal(file, DATA).startswith(f"{file} is damaged (")
    lines[9] = lines[9].replace(",", ".5,", 1)
    file.write_text("\n".join(lines), encoding="utf-8")
    assert refusal(file, DATA) == f"{file}: the column CALQ_0 holds float64, but charges are whole numbers"
    _csv(file, -_charges(5), names=False)
    assert refusal(file, DATA).endswith("holds a negative value; set `data.hardware.array.signed` if that is meant")


def test_the_map_is_asked_for() -> None:
    message = f"the reader econ_t needs `data.hardware.array` with shape [8, 8] and absent {list(ABSENT)}"
    assert refusal("toy:electrons", array_data(ARRAY | {"absent": []}, "econ_t")) == message
    assert refusal("toy:electrons", array_data(ARRAY | {"shape": [6, 8], "absent": []}, "econ_t")) == message
