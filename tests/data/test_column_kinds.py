"""Columns of kinds that formats hold beside numbers: taken as what they say, or named as what they are."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import awkward
import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import uproot

from fpgaae.config.data import Data
from fpgaae.data.readers import read_events
from fpgaae.data.source import EventChunk
from fpgaae.data.splits import SPLITS
from fpgaae.errors import InputError

N = 12
MET = np.linspace(3, 90, N)
DAY = datetime.date(2026, 1, 2)
TEXTS = [SPLITS[i % 3] for i in range(N)]


def _chunk(file: Path, **data: Any) -> EventChunk:  # noqa: ANN401
    config = {
        "files": {"background": file.name}, "group": None,
        "hardware": {"objects": [{"name": "met", "slots": 1, "pt_bits": 11, "eta_bits": 0, "phi_bits": 0}]},
        "table": {"values": "physical", "objects": {"met": {"pt": "met_pt"}}},
    }  # fmt: skip
    (chunk,) = read_events(file, Data.model_validate(config | data))
    return chunk


def _parquet(folder: Path, **columns: Any) -> Path:  # noqa: ANN401
    file = folder / "events.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"met_pt": MET} | columns), file)
    return file


def _csv(folder: Path, names: str, rows: list[str], encoding: str = "utf-8") -> Path:
    file = folder / "events.csv"
    file.write_text("\n".join([names, *rows, ""]), encoding=encoding)
    return file


def _refusal(file: Path, **data: Any) -> str:  # noqa: ANN401
    with pytest.raises(InputError) as refused:
        _chunk(file, **data)
    assert "damaged" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ([DAY] * N, "times"),
        ([datetime.timedelta(1)] * N, "durations"),
        ([Decimal("1.5")] * N, "decimals"),
        ([{"a": 1}] * N, "structs"),
    ],
    ids=["date", "duration", "decimal", "struct"],
)
def test_what_is_neither_number_nor_text_is_named(tmp_path: Path, values: list[Any], held: str) -> None:
    file = _parquet(tmp_path, x=values)
    for condition in ("x > 1", "x > '1'", "x != 5"):
        assert f"`x` holds {held}, but `data.where` takes numbers and texts" in _refusal(file, where=[condition])
    assert f"`x` holds {held}, but `data.split.column` takes" in _refusal(file, split={"column": "x"})
    assert f"`x` holds {held}, but whole numbers are needed" in _refusal(file, group="x")
    assert f"`x` holds {held}, but needs one number an event" in _refusal(file, columns={"weight": "x"})
    objects = {"values": "physical", "objects": {"met": {"pt": "x"}}}
    assert f"`x` holds {held}, but needs numbers" in _refusal(file, table=objects)


@pytest.mark.parametrize("text", ["-", "GeV", '"1,234.5"'])
def test_a_text_among_numbers_is_shown(tmp_path: Path, text: str) -> None:
    file = _csv(tmp_path, "met_pt", ["1.5", text, "2"])
    assert f"`met_pt` holds text (`{text.strip(chr(34))}`), but needs numbers" in _refusal(file)


@pytest.mark.parametrize(
    ("values", "names"),
    [(np.arange(N) % 3, "012"), (pyarrow.array(TEXTS).dictionary_encode(), SPLITS), (np.arange(N) % 3 == 1, None)],
    ids=["numbers", "dictionary", "booleans"],
)
def test_a_split_may_be_said_in_numbers(tmp_path: Path, values: Any, names: Any) -> None:  # noqa: ANN401
    said = dict(zip(SPLITS, names or ("false", "true", "none"), strict=True))
    split = {"column": "x", "names": {name: [text] for name, text in said.items()}}
    found = _chunk(_parquet(tmp_path, x=values), split=split).splits
    assert found is not None
    assert found.tolist() == [i % 3 if names else int(i % 3 == 1) for i in range(N)]
    assert "the column `x` says `" in _refusal(_parquet(tmp_path, x=np.arange(N)), split={"column": "x"})


def test_a_split_in_numbers_of_a_text_is_the_same(tmp_path: Path) -> None:
    file = _csv(tmp_path, "met_pt,x", [f"1.5,{i % 3}" for i in range(N)])
    split = {"column": "x", "names": {name: [str(i)] for i, name in enumerate(SPLITS)}}
    found = _chunk(file, split=split).splits
    assert found is not None
    assert found.tolist() == [i % 3 for i in range(N)]


def test_texts_of_any_length_in_hdf5_are_no_lists(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "events.h5", "w") as file:
        file["met_pt"] = MET
        file["x"] = np.array(TEXTS, dtype=object)
    chunk = _chunk(tmp_path / "events.h5", split={"column": "x"}, where=["x != 'test'"])
    assert chunk.splits is not None
    assert chunk.kept is not None
    assert chunk.splits.tolist() == [i % 3 for i in range(N)]
    assert chunk.kept.tolist() == [text != "test" for text in TEXTS]


def test_what_an_ntuple_lacks_is_no_number(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "events.root") as file:
        file.mkrntuple("Events", {"met_pt": awkward.Array(MET), "x": awkward.Array([1.0, None] * (N // 2))})
    assert "`x` holds 6 nulls from event 0 on; fill them" in _refusal(tmp_path / "events.root", columns={"weight": "x"})


def test_a_name_of_two_columns_is_refused(tmp_path: Path) -> None:
    two = pyarrow.Table.from_arrays([pyarrow.array(MET), pyarrow.array(MET + 1)], names=["met_pt", "met_pt"])
    pyarrow.parquet.write_table(two, tmp_path / "events.parquet")
    assert "has 2 columns `met_pt`; rename" in _refusal(tmp_path / "events.parquet")
    assert "has 2 columns `met_pt`; rename" in _refusal(_csv(tmp_path, "met_pt,met_pt", ["1.5,2.5"]))
    assert len(_chunk(_csv(tmp_path, "met_pt,x,x", ["1.5,2.5,3.5"])).values) == 1


def test_spaces_around_names_do_not_count(tmp_path: Path) -> None:
    chunk = _chunk(_csv(tmp_path, "x, met_pt ,lumi", ["1, 2.5,7", "3, 4.5,8"]), group="lumi")
    assert chunk.values[:, 0, 0].tolist() == [2.5, 4.5]
    assert chunk.groups.tolist() == [7, 8]


def test_other_encodings_and_separators_are_named(tmp_path: Path) -> None:
    assert "is UTF-16; write it as UTF-8" in _refusal(_csv(tmp_path, "met_pt", ["1.5"], "utf-16"))
    assert "line 1 has | between its columns" in _refusal(_csv(tmp_path, "met_pt|x", ["1.5|2"]))
    assert "line 1 has a space between its columns" in _refusal(_csv(tmp_path, "met_pt x", ["1.5 2"]))


@pytest.mark.parametrize("bad", [np.nan, -1.0])
def test_what_where_leaves_out_need_not_be_a_weight(tmp_path: Path, bad: float) -> None:
    weights = np.where(np.arange(N) == 4, bad, 0.5)
    file = _parquet(tmp_path, w=weights)
    kept = _chunk(file, columns={"weight": "w"}, where=["w >= 0"]).kept
    assert kept is not None
    assert kept.tolist() == [i != 4 for i in range(N)]
    assert "the weight of event 4 is " in _refusal(file, columns={"weight": "w"})


@pytest.mark.parametrize("weight", [1e300, 1e-300])
def test_weights_whose_sums_of_squares_are_none_are_refused(tmp_path: Path, weight: float) -> None:
    file = _parquet(tmp_path, w=[0.0] * 3 + [weight] * (N - 3))
    assert "the weight of event 3 is too large or small; sums of their squares need 0, or 1e-30 to 1e+30" in _refusal(
        file, columns={"weight": "w"}
    )


def test_a_trigger_bit_that_is_no_number_is_refused_and_not_set(tmp_path: Path) -> None:
    file = _parquet(tmp_path, x=np.where(np.arange(N) == 2, np.nan, 0.0))
    assert "the existing_trigger of event 2 is NaN" in _refusal(file, columns={"existing_trigger": "x"})
    bits = _chunk(_parquet(tmp_path, x=np.arange(N) % 2), columns={"existing_trigger": "x"}).columns
    assert bits["existing_trigger"].tolist() == [0, 1] * (N // 2)


def test_lists_that_are_all_empty_have_no_type_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"met_pt": [[]] * N}), file)
    assert not _chunk(file).values.any()
    table = {"values": "integers", "objects": {"met": {"pt": "met_pt"}}}
    assert not _chunk(file, table=table).values.any()


def test_a_number_beyond_a_narrow_type_is_compared(tmp_path: Path) -> None:
    file = _parquet(tmp_path, x=pyarrow.array(np.full(N, 60_000, np.float16)))
    kept = _chunk(file, where=["x < 70000"]).kept
    assert kept is not None
    assert kept.all()
