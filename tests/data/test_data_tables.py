"""Tables of Level-1 integers: Parquet, CSV and ROOT give the events that were written, or one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward
import numpy as np
import psutil
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import uproot
from support import CONFIGS, make_events

from fpgaae.config.data import Data, Order
from fpgaae.config.file import load_config
from fpgaae.data import arrow
from fpgaae.data.integers import event_codes, hardware_codes
from fpgaae.data.readers import count_events, read_events
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes

DATA = load_config(CONFIGS / "l1_ae.yaml").data
SLOTS = {kind.name: kind.slots for kind in DATA.hardware.objects}
Columns = dict[str, Any]

LISTS = {name: {q: f"{name}_{q}" for q in ("pt", "eta", "phi")} for name in SLOTS}
LISTS["met"] = {"pt": "met_pt", "phi": "met_phi"}
SINGLE = {
    name: {q: f"{name}{{slot}}_{q}" if slots > 1 else f"{name}_{q}" for q in LISTS[name]}
    for name, slots in SLOTS.items()
}


def _data(objects: dict[str, dict[str, str]] = LISTS, group: str | None = None, **table: Any) -> Data:  # noqa: ANN401
    return Data.model_validate(DATA.model_dump() | {"group": group, "table": {"objects": objects} | table})


def _codes(n: int = 300, seed: int = 1) -> Codes:
    """Level-1 integers of made-up events, (n, 19, 3)."""
    return hardware_codes(make_events(n, seed), DATA.hardware).reshape(n, -1, 3)


def _columns(codes: Codes, *, lists: bool) -> Columns:
    """The same integers as a trigger's tuple holds them: lists without the empty slots, or one column a slot."""
    columns: Columns = {"run": np.arange(len(codes)) // 7}
    first = 0
    for name, slots in SLOTS.items():
        mine = codes[:, first : first + slots]
        first += slots
        for index, quantity in enumerate(("pt", "eta", "phi")):
            if quantity not in LISTS[name]:
                continue
            values = mine[..., index].astype(np.int32)
            if slots == 1:
                columns[f"{name}_{quantity}"] = values[:, 0]
            elif lists:
                columns[f"{name}_{quantity}"] = [row[pt > 0] for row, pt in zip(values, mine[..., 0], strict=True)]
            else:
                columns |= {f"{name}{slot + 1}_{quantity}": values[:, slot] for slot in range(slots)}
    return columns


def _packed(codes: Codes) -> Codes:
    """Filled slots first, as a list has them."""
    first, parts = 0, []
    for slots in SLOTS.values():
        mine = codes[:, first : first + slots]
        order = np.argsort(mine[..., 0] == 0, axis=1, kind="stable")
        parts.append(np.take_along_axis(mine, order[..., None], axis=1))
        first += slots
    return np.concatenate(parts, axis=1)


def _parquet(path: Path, columns: Columns) -> Path:
    file = path.with_suffix(".parquet")
    pyarrow.parquet.write_table(pyarrow.table(columns), file, row_group_size=100)
    return file


def _csv(path: Path, columns: Columns) -> Path:
    file = path.with_suffix(".csv")
    pyarrow.csv.write_csv(pyarrow.table(columns), file)
    return file


def _root(path: Path, columns: Columns, tree: str = "Events") -> Path:
    file = path.with_suffix(".root")
    with uproot.recreate(file) as opened:
        opened.mktree(
            tree, {k: awkward.Array(v).type.content if isinstance(v, list) else v.dtype for k, v in columns.items()}
        )
        opened[tree].extend({k: awkward.Array(v) if isinstance(v, list) else v for k, v in columns.items()})
    return file


Write = Callable[[Path, Columns], Path]
WITH_LISTS = pytest.mark.parametrize("write", [_parquet, _root], ids=["parquet", "root"])
EACH = pytest.mark.parametrize("write", [_parquet, _csv, _root], ids=["parquet", "csv", "root"])


def _read(file: Path, data: Data, chunk_events: int = 64) -> Codes:
    chunks = list(read_events(file, data, chunk_events))
    assert all(len(chunk.values) <= chunk_events for chunk in chunks)
    codes = np.concatenate([event_codes(chunk, data) for chunk in chunks])
    return codes.reshape(len(codes), -1, 3)


def _refusal(file: Path, data: Data) -> str:
    with pytest.raises(InputError) as caught:
        _read(file, data)
    message = str(caught.value)
    assert "\n" not in message
    assert str(file) in message
    return message


def _ntuple(path: Path, columns: Columns) -> Path:
    file = path.with_suffix(".root")
    with uproot.recreate(file) as opened:
        opened.mkrntuple("Events", {k: awkward.Array(v) if isinstance(v, list) else v for k, v in columns.items()})
    return file


@pytest.mark.slow
@pytest.mark.parametrize("write", [_parquet, _root, _ntuple], ids=["parquet", "tree", "ntuple"])
@pytest.mark.parametrize("chunk_events", [1, 64, 100, 299, 1000])
def test_lists_give_the_integers_that_were_written(tmp_path: Path, write: Write, chunk_events: int) -> None:
    codes = _codes()
    codes[:, :, 1:][codes[:, :, 0] == 0] = 0
    file = write(tmp_path / "e", _columns(codes, lists=True))
    assert count_events(file, _data()) == 300
    found = _read(file, _data(), chunk_events)
    expected = _packed(codes)
    expected[:, 0, 1] = 0  # no eta of the missing energy
    assert np.array_equal(found, expected)


@EACH
def test_single_columns_give_the_integers_that_were_written(tmp_path: Path, write: Write) -> None:
    codes = _codes()
    codes[:, :, 1:][codes[:, :, 0] == 0] = 0
    codes[:, 0, 1] = 0
    file = write(tmp_path / "e", _columns(codes, lists=False))
    data = _data(SINGLE, group="run")
    assert np.array_equal(_read(file, data), codes)
    groups = np.concatenate([chunk.groups for chunk in read_events(file, data, 64)])
    assert groups.tolist() == (np.arange(300) // 7).tolist()


def test_every_hardware_integer_survives_its_way_through_gev_and_rad(tmp_path: Path) -> None:
    """The reader multiplies by the LSB, the stage `data` divides by it: every code of the widest kind comes back."""
    codes = np.zeros((2047, 19, 3), dtype=np.int64)
    codes[:, 9, 0] = np.arange(1, 2048)
    codes[:, 9, 1] = np.arange(2047) % 256 - 128
    codes[:, 9, 2] = np.arange(2047) % 144 - 72
    file = _parquet(tmp_path / "e", _columns(codes, lists=False))
    assert np.array_equal(_read(file, _data(SINGLE), 4096), codes)


def test_physical_values_are_taken_as_they_are(tmp_path: Path) -> None:
    events = make_events(100, 3)
    columns: Columns = {"met_pt": events[:, 0, 0], "met_phi": events[:, 0, 2]}
    first = 0
    for name, slots in SLOTS.items():
        for index, quantity in enumerate(("pt", "eta", "phi")):
            if slots > 1:
                columns[f"{name}_{quantity}"] = pyarrow.array(list(events[:, first : first + slots, index]))
        first += slots
    found = _read(_parquet(tmp_path / "e", columns), _data(values="physical"))
    expected = hardware_codes(events, DATA.hardware).reshape(100, -1, 3)
    expected[:, 0, 1] = 0
    assert np.array_equal(found, expected)
    assert "the column `met_pt` holds float" in _refusal(tmp_path / "e.parquet", _data())


def test_more_objects_than_slots_are_left_out(tmp_path: Path) -> None:
    columns = _columns(_codes(5), lists=True)
    columns |= {f"muon_{q}": [np.arange(1, 9, dtype=np.int32)] * 5 for q in ("pt", "eta", "phi")}
    found = _read(_root(tmp_path / "e", columns), _data())
    assert found[:, 5:9, 0].tolist() == [[8, 7, 6, 5]] * 5
    found = _read(tmp_path / "e.root", _data().model_copy(update={"order": Order.FILE}))
    assert found[:, 5:9, 0].tolist() == [[1, 2, 3, 4]] * 5


@EACH
def test_a_missing_column_is_named_with_its_key(tmp_path: Path, write: Write) -> None:
    columns = _columns(_codes(20), lists=False)
    del columns["jet3_eta"]
    message = _refusal(write(tmp_path / "e", columns), _data(SINGLE))
    assert "has no column `jet3_eta` (there: run, met_pt, met_phi, electron1_pt" in message
    assert message.endswith("correct `data.table.objects.jet.eta`")
    message = _refusal(write(tmp_path / "e", columns), _data(SINGLE | {"jet": {"pt": "jet{slot}_pt"}}, group="lumi"))
    assert "has no column `lumi`" in message
    assert message.endswith("correct `data.group`")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            {"muon_pt": np.full(20, 3)}, "`muon_pt` must hold a list an event for the 4 slots of muon", id="no-list"
        ),
        pytest.param({"muon_pt": [["a"]] * 20}, "the column `muon_pt` holds", id="text"),
        pytest.param({"muon_eta": [[1, 2, 3, 4, 5, 6]] * 20}, "pt but 6 eta of muon", id="lengths"),
        pytest.param({"muon_eta": [None] * 20}, "the column `muon_eta` holds 20 nulls", id="null-list"),
        pytest.param({"met_pt": pyarrow.array([1] * 19 + [None])}, "the column `met_pt` holds 1 nulls", id="null"),
        pytest.param({"met_pt": np.full(20, 0.5)}, "`met_pt` holds float64, but needs whole numbers", id="float"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, change: Columns, words: str) -> None:
    file = _parquet(tmp_path / "e", _columns(_codes(20), lists=True) | change)
    assert words in _refusal(file, _data())


def test_a_table_needs_its_section(tmp_path: Path) -> None:
    file = _parquet(tmp_path / "e", _columns(_codes(20), lists=True))
    assert "is a table; say in `data.table` which of its columns holds what" in _refusal(file, DATA)


def test_trees_are_named(tmp_path: Path) -> None:
    file = tmp_path / "e.root"
    with uproot.recreate(file) as opened:
        opened["first"] = {"x": np.arange(3)}
        opened["second"] = {"x": np.arange(3)}
    assert "has not one tree (there: first, second); correct `data.table.tree`" in _refusal(file, _data())
    assert "has no tree `third` (there: first, second)" in _refusal(file, _data(tree="third"))
    assert "has no column `met_pt` (there: x)" in _refusal(file, _data(tree="second"))


@WITH_LISTS
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_table_is_refused(tmp_path: Path, write: Write, share: float) -> None:
    file = write(tmp_path / "e", _columns(_codes(500), lists=False))
    os.truncate(file, int(file.stat().st_size * share))
    assert "copy it again" in _refusal(file, _data(SINGLE))


@pytest.mark.slow
@pytest.mark.parametrize("write", [_root, _ntuple], ids=["tree", "ntuple"])
def test_wrong_bytes_within_a_root_file_are_refused_or_read(tmp_path: Path, write: Write) -> None:
    file = write(tmp_path / "e", _columns(_codes(100), lists=True))
    whole = np.frombuffer(file.read_bytes(), dtype=np.uint8)
    generator = np.random.default_rng(1)
    refusals = []
    for _ in range(40):
        damaged = whole.copy()
        damaged[generator.integers(4, whole.size, 10)] = generator.integers(0, 256, 10)
        file.write_bytes(damaged.tobytes())
        try:
            list(read_events(file, _data(), 64))
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert all("\n" not in said and len(said) < 500 for said in refusals)


@EACH
def test_one_column_may_be_group_and_run(tmp_path: Path, write: Write) -> None:
    file = write(tmp_path / "e", _columns(_codes(100), lists=False))
    data = Data.model_validate(_data(SINGLE, group="run").model_dump() | {"columns": {"run": "run"}})
    (chunk,) = read_events(file, data, 100)
    np.testing.assert_array_equal(chunk.groups, np.arange(100) // 7)
    np.testing.assert_array_equal(chunk.columns["run"], np.arange(100) // 7)


def test_a_text_may_begin_with_whole_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a column holds is not decided by its first block."""
    monkeypatch.setattr(arrow, "_CSV_BLOCK_BYTES", 4096)
    columns = _columns(_codes(300), lists=False)
    columns |= {name: np.zeros(300, dtype=np.int32) for name in columns if name.endswith("_phi")}
    columns["met_pt"] = ["40"] * 299 + ["40.5"]
    file = _csv(tmp_path / "e", columns)
    file.write_text(file.read_text().replace('"', ""))
    chunks = list(read_events(file, _data(SINGLE, group="run", values="physical"), 64))
    assert [chunks[-1].values[row, 0, 0] for row in (-2, -1)] == [40.0, 40.5]
    assert "line 301 has `40.5` in column 2, whose first values are int64" in _refusal(file, _data(SINGLE))


def test_a_text_that_is_cut_within_a_line_is_refused(tmp_path: Path) -> None:
    file = _csv(tmp_path / "e", _columns(_codes(20), lists=False))
    os.truncate(file, file.stat().st_size - 100)
    assert "copy it again" in _refusal(file, _data(SINGLE))


def test_a_word_among_the_numbers_of_a_text_names_the_column(tmp_path: Path) -> None:
    file = _csv(tmp_path / "e", _columns(_codes(20), lists=False))
    lines = file.read_text().splitlines()
    lines[7] = lines[7].replace(lines[7].split(",")[1], "much", 1)
    file.write_text("\n".join(lines))
    assert "the column `met_pt` holds text (`much`), but needs whole numbers" in _refusal(file, _data(SINGLE))


@pytest.mark.slow
@EACH
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, write: Write) -> None:
    codes = np.tile(_codes(2000), (100, 1, 1))
    file = write(tmp_path / "e", _columns(codes, lists=False))
    del codes
    process = psutil.Process()
    before = most = process.memory_info().rss
    n_events = 0
    for chunk in read_events(file, _data(SINGLE)):
        n_events += len(chunk.values)
        most = max(most, process.memory_info().rss)
    assert n_events == 200_000
    assert most - before < 300e6, f"{(most - before) / 1e6:.0f} MB"


def test_lists_of_structs_and_large_lists_are_lists(tmp_path: Path) -> None:
    codes = _codes(100)
    columns = _columns(codes, lists=True)
    jets = [
        [{"pt": int(p), "angles": {"eta": int(e), "phi": int(f)}} for p, e, f in zip(*row, strict=True)]
        for row in zip(*(columns.pop(f"jet_{q}") for q in ("pt", "eta", "phi")), strict=True)
    ]
    columns["jets"] = pyarrow.array(jets)
    for quantity in ("pt", "eta", "phi"):
        columns[f"muon_{quantity}"] = pyarrow.array(columns[f"muon_{quantity}"], pyarrow.large_list(pyarrow.int16()))
    file = _parquet(tmp_path / "e", columns)
    objects = LISTS | {"jet": {"pt": "jets.pt", "eta": "jets.angles.eta", "phi": "jets.angles.phi"}}
    assert np.array_equal(
        _read(file, _data(objects)), _read(_parquet(tmp_path / "f", _columns(codes, lists=True)), _data())
    )
    message = _refusal(file, _data(LISTS | {"jet": {"pt": "jets.et"}}))
    assert "has no column `jets.et` (there: " in message


def test_the_hardest_of_a_long_list_are_kept(tmp_path: Path) -> None:
    columns = _columns(_codes(50), lists=True)
    columns |= {"muon_pt": [[30, 25, 400, 1, 9, 31]] * 50}
    columns |= {f"muon_{q}": [[1, 2, 3, 4, 5, 6]] * 50 for q in ("eta", "phi")}
    file = _parquet(tmp_path / "e", columns)
    assert _read(file, _data())[:, 5:9].tolist() == [[[400, 3, 3], [31, 6, 6], [30, 1, 1], [25, 2, 2]]] * 50
    (chunk,) = read_events(file, _data().model_copy(update={"order": Order.FILE}), 100)
    assert chunk.counts["cut_harder"] == {"muon": 50}
    assert chunk.values[0, 5:9, 0].tolist() == [30, 25, 400, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "met_pt;met_phi\n237,5;69,5\n",
            "line 1 has ; between its columns, and line 2 has `237,5` with a decimal comma",
        ),
        ("met_pt\tmet_phi\n237\t69\n", "line 1 has a tab between its columns; a table has commas"),
        ("# mine\nmet_pt,met_phi\n1,2\n", "line 1 begins with `#`; a table has no comments, so delete them"),
        ("met_pt,met_phi\n1,2\n# mine\n3,4\n", "begins with `#`; a table has no comments, so delete them"),
    ],
    ids=["decimal-comma", "tab", "comment", "later-comment"],
)
def test_a_text_of_another_form_is_described(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "e.csv"
    file.write_text(text)
    message = _refusal(file, _data(SINGLE))
    assert words in message
    assert "copy it again" not in message


def test_a_pt_that_is_no_number_is_refused_where_the_list_is_longer_than_the_slots(tmp_path: Path) -> None:
    columns = _columns(_codes(20), lists=True)
    columns["jet_pt"] = [np.array([30.0] * 10 + [np.nan, 400.0])] * 20
    columns["jet_eta"] = columns["jet_phi"] = [np.zeros(12)] * 20
    assert "the pt of jet in event 0 is NaN or infinite" in _refusal(
        _parquet(tmp_path / "events", columns), _data(values="physical")
    )
