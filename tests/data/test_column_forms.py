"""Columns whose form or type hides something: exact, packed or whole numbers, and lists beside single numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from pydantic import ValidationError

from fpgaae.config.data import Data
from fpgaae.config.selection import parse_condition
from fpgaae.data.readers import read_events
from fpgaae.data.source import EventChunk
from fpgaae.errors import InputError

N = 12
PT = np.linspace(3, 90, N)
FAR = 2**53  # behind it, floats of 64 bits leave whole numbers out


def _chunk(file: Path, names: dict[str, str] | None = None, slots: int = 1, **data: Any) -> EventChunk:  # noqa: ANN401
    names = names or {"pt": "pt"}
    kind = {"name": "jet", "slots": slots, "pt_bits": 11, "eta_bits": 8, "phi_bits": 8}
    config = {
        "files": {"background": file.name}, "group": None, "hardware": {"objects": [kind]},
        "table": {"values": data.pop("values", "physical"), "objects": {"jet": names}},
    }  # fmt: skip
    (chunk,) = read_events(file, Data.model_validate(config | data))
    return chunk


def _kept(file: Path, condition: str) -> list[bool]:
    kept = _chunk(file, where=[condition]).kept
    assert kept is not None
    return kept.tolist()


def _parquet(folder: Path, **columns: Any) -> Path:  # noqa: ANN401
    file = folder / "events.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"pt": PT} | columns), file)
    return file


def _csv(folder: Path, names: str, *rows: str) -> Path:
    file = folder / "events.csv"
    file.write_text("\n".join([names, *rows, ""]), encoding="utf-8")
    return file


def _refusal(file: Path, *names: Any, **data: Any) -> str:  # noqa: ANN401
    with pytest.raises(InputError) as refused:
        _chunk(file, *names, **data)
    assert "damaged" not in str(refused.value)
    return str(refused.value)


def test_whole_numbers_are_compared_exactly(tmp_path: Path) -> None:
    events = [FAR, FAR + 1, FAR + 2]
    wanted = [False, True, False]
    assert _kept(_csv(tmp_path, "pt,event", *(f"1.5,{event}" for event in events)), f"event == {FAR + 1}") == wanted
    for dtype in (np.int64, np.uint64):
        file = _parquet(tmp_path, event=np.array(events * 4, dtype=dtype))
        assert _kept(file, f"event == {FAR + 1}") == wanted * 4
    floats = _parquet(tmp_path, event=np.array(events * 4, dtype=np.float64))
    assert _kept(floats, f"event == {FAR}") == [True, True, False] * 4, "the file holds them like that"
    assert f"`event` holds float64 values, which do not tell {FAR + 1}" in _refusal(
        floats, where=[f"event == {FAR + 1}"]
    )


@pytest.mark.parametrize(("dtype", "number"), [(np.float16, 2**11), (np.float32, 2**24)])
def test_a_narrow_type_does_not_round_what_it_is_compared_with(tmp_path: Path, dtype: Any, number: int) -> None:  # noqa: ANN401
    file = _parquet(tmp_path, x=pyarrow.array(np.full(N, number, dtype)))
    assert _kept(file, f"x < {number + 1}") == [True] * N
    assert _kept(file, f"x == {number + 1}.0") == [False] * N


def test_a_number_that_no_float_holds_is_no_value() -> None:
    for text in ("1" + "0" * 400, "1" + "0" * 5000, "1e400", "nan", "-inf"):
        with pytest.raises(ValueError, match="is no value; give a number"):
            parse_condition(f"x < {text}")
    assert parse_condition("x < 1e18").value == 10**18
    assert parse_condition("x < -2.5").value == -2.5


def test_the_split_of_an_event_does_not_depend_on_its_neighbours(tmp_path: Path) -> None:
    split = {"column": "x", "names": {"train": ["0"], "validation": ["1"], "test": ["2.5"]}}
    file = _parquet(tmp_path, x=[0.0, np.nan, 1.0, 2.5] * 3)
    splits = _chunk(file, split=split, where=["x >= 0"]).splits
    assert splits is not None
    assert splits.tolist() == [0, -1, 1, 2] * 3
    with pytest.raises(ValidationError, match="`a` stands for two splits"):
        _chunk(file, split={"column": "x", "names": {"train": ["a"], "test": ["b", "a"]}})


def test_lists_beside_single_numbers_are_refused(tmp_path: Path) -> None:
    """The largest angle came first, or the angles of the file's order stood beside sorted momenta."""
    lists = {name: [[0.1, 0.9]] * N for name in ("eta", "phi")}
    ones = {f"jet{slot}_{q}": PT / 90 for slot in (1, 2) for q in ("pt", "eta", "phi")}
    file = _parquet(tmp_path, pts=[[5.0, 50.0]] * N, **lists, **ones)
    several = {q: f"jet{{slot}}_{q}" for q in ("pt", "eta", "phi")}
    assert _refusal(file, several | {"eta": "eta"}, 2).endswith(
        "the pt of jet (`jet1_pt`) is one number a slot, but the eta of jet (`eta`) is a list; give all columns of jet "
        "one form"
    )
    assert "(`pts`) is a list, but the phi of jet (`jet1_phi`) is one" in _refusal(
        file, {"pt": "pts", "eta": "eta", "phi": "jet{slot}_phi"}, 2
    )
    assert "(`pt`) is one number a slot, but the phi of jet (`phi`) is a list" in _refusal(
        file, {"pt": "pt", "phi": "phi"}
    )


def test_a_list_of_one_number_is_a_number(tmp_path: Path) -> None:
    file = _parquet(tmp_path, phi=[[0.5]] * N, pts=[[pt] for pt in PT], angle=[0.5] * N)
    for names in ({"pt": "pt", "phi": "phi"}, {"pt": "pts", "phi": "angle"}):
        assert _chunk(file, names).values[:, 0].tolist() == [[pt, 0, 0.5] for pt in PT]


def test_structs_of_lists_are_columns(tmp_path: Path) -> None:
    jets = [{"pt": [5.0 + i, 50.0], "eta": [0.1, 0.3], "phi": [0.2, 0.4]} for i in range(N)]
    chunk = _chunk(_parquet(tmp_path, jets=jets), {q: f"jets.{q}" for q in ("pt", "eta", "phi")}, 2)
    assert chunk.values[3].tolist() == [[50, 0.3, 0.4], [8, 0.1, 0.2]]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8"])
def test_integers_may_be_held_as_floats(tmp_path: Path, dtype: Any) -> None:  # noqa: ANN401
    with h5py.File(tmp_path / "events.h5", "w") as file:
        file["pt"] = np.arange(N).astype(dtype)
    chunk = _chunk(tmp_path / "events.h5", values="integers")
    assert chunk.integers
    assert chunk.values[:, 0, 0].tolist() == [*range(N)]


@pytest.mark.parametrize("bad", [0.5, np.nan, np.inf])
def test_floats_that_are_no_integers_are_refused(tmp_path: Path, bad: float) -> None:
    file = _parquet(tmp_path, x=np.where(np.arange(N) == 5, bad, 1.0))
    assert "`x` holds float64, but needs whole numbers" in _refusal(file, {"pt": "x"}, values="integers")


@pytest.mark.parametrize(("key", "value"), [("scale_factor", 0.01), ("add_offset", 5)])
@pytest.mark.parametrize("dataset", ["Particles", "none"])
def test_packed_numbers_are_refused(tmp_path: Path, key: str, value: float, dataset: str) -> None:
    with h5py.File(tmp_path / "events.h5", "w") as file:
        file["pt"], file["Particles"] = PT, np.zeros((N, 1, 3))
        for name in file:
            file[name].attrs[key] = value
    assert f"are packed (its attribute {key} is {value})" in _refusal(tmp_path / "events.h5", dataset=dataset)
    with h5py.File(tmp_path / "events.h5", "a") as file:
        for name in file:
            file[name].attrs["scale_factor"], file[name].attrs["add_offset"] = 1.0, 0.0
    assert len(_chunk(tmp_path / "events.h5", dataset=dataset).values) == N


def test_links_within_a_file_are_columns(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "events.h5", "w") as file:
        file["raw/pt"] = PT
        file["same"], file["soft"] = file["raw/pt"], h5py.SoftLink("/raw/pt")
    for name in ("raw.pt", "same", "soft"):
        assert _chunk(tmp_path / "events.h5", {"pt": name}).values[:, 0, 0].tolist() == PT.tolist()


def test_fields_of_several_numbers_a_slot_are_no_columns(tmp_path: Path) -> None:
    fields = [("pt", "f4"), ("three", "f4", (3,))]
    with h5py.File(tmp_path / "events.h5", "w") as file:
        file["one"], file["jets"] = np.ones(N, fields), np.ones((N, 2), fields)
    assert "has no column `jets.three` (there: jets.pt, one.pt, one.three)" in _refusal(
        tmp_path / "events.h5", {"pt": "jets.three"}, 2
    )
    assert _chunk(tmp_path / "events.h5", {"pt": "one.three"}, 3).values[:, :, 0].tolist() == [[1, 1, 1]] * N


def test_a_number_of_another_kind_far_down_a_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpgaae.data.arrow._CSV_BLOCK_BYTES", 64)
    file = _csv(tmp_path, "x,pt,lumi", *["1,1.5,7"] * 30, "1,1.5,7.5")
    assert "line 32 has `7.5` in column 3, whose first values are int64; write values" in _refusal(file, group="lumi")


def test_a_dataset_of_times_is_no_damage(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "events.h5", "w") as file:
        h5py.h5d.create(file.id, b"time", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((N,)))
        file["pt"] = PT
    for names, dataset in (({"pt": "time"}, "none"), ({"pt": "pt"}, "time")):
        assert "`time` is of a type that is no number (as times are); write numbers" in _refusal(
            tmp_path / "events.h5", names, dataset=dataset
        )
