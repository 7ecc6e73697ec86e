"""Event files: chunks equal the whole, and each kind of bad file is one sentence."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support import CONFIGS, N_SLOTS, make_events, make_groups

from fpgaae.config.data import Columns, Data
from fpgaae.config.file import load_config
from fpgaae.data import readers
from fpgaae.data.paths import files_behind
from fpgaae.data.readers import count_events, event_files, event_spans, read_events
from fpgaae.data.source import EventChunk
from fpgaae.errors import FpgaaeError, InputError

DATA = load_config(CONFIGS / "l1_ae.yaml").data
UNGROUPED = DATA.model_copy(update={"group": None})
Arrays = dict[str, Any]
Write = Callable[[Path, Arrays], Path]


def _write_hdf5(path: Path, arrays: Arrays) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip" if np.ndim(array) else None)
    return path


def _write_npz(path: Path, arrays: Arrays) -> Path:
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
    return path


def _write_compressed_npz(path: Path, arrays: Arrays) -> Path:
    with path.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    return path


FORMATS = {"hdf5": _write_hdf5, "npz": _write_npz, "compressed-npz": _write_compressed_npz}
every_format = pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)


def _good(n: int = 300, seed: int = 1) -> Arrays:
    return {"Particles": make_events(n, seed), "Group": make_groups(n, seed)}


@every_format
def test_the_spans_of_a_file_are_the_whole_of_it(write: Write, tmp_path: Path) -> None:
    file = write(tmp_path / "e.dat", _good(300))
    spans = event_spans(file, DATA, 128)
    assert spans == ([range(128), range(128, 256), range(256, 300)] if write is _write_hdf5 else [range(300)])
    chunks = [chunk for span in spans for chunk in read_events(file, DATA, 50, span)]
    whole = _read_all(file)
    np.testing.assert_array_equal(np.concatenate([chunk.values for chunk in chunks]), whole.values)
    np.testing.assert_array_equal(np.concatenate([chunk.groups for chunk in chunks]), whole.groups)
    first = {span.start + 50 * i for span in spans for i in range(-(-len(span) // 50))}
    assert {chunk.first_event for chunk in chunks} == first


def _read_all(file: Path, data: Data = DATA, chunk_events: int = 64) -> EventChunk:
    chunks = list(read_events(file, data, chunk_events))
    assert [chunk.first_event for chunk in chunks] == list(range(0, 64 * len(chunks), 64)) or chunk_events != 64
    assert all(len(chunk.values) == len(chunk.groups) <= chunk_events for chunk in chunks)
    return EventChunk(0, np.concatenate([c.values for c in chunks]), np.concatenate([c.groups for c in chunks]))


def _refusal(file: Path, data: Data = DATA) -> str:
    """Read a file to its end and give the one sentence that it is refused with."""
    with pytest.raises(FpgaaeError) as caught:
        for _ in read_events(file, data, 64):
            pass
    message = str(caught.value)
    assert type(caught.value) is InputError
    assert caught.value.exit_code == 2
    assert "\n" not in message
    assert str(file) in message
    return message


@every_format
@pytest.mark.parametrize("chunk_events", [1, 7, 64, 299, 300, 301, 10_000])
def test_chunks_are_the_whole_file(tmp_path: Path, write: Write, chunk_events: int) -> None:
    arrays = _good()
    file = write(tmp_path / "events.dat", arrays)
    found = _read_all(file, chunk_events=chunk_events)
    assert np.array_equal(found.values, arrays["Particles"])
    assert np.array_equal(found.groups, arrays["Group"])
    assert found.groups.dtype == np.int64
    assert count_events(file, DATA) == 300


@every_format
def test_without_groups_each_event_is_its_own(tmp_path: Path, write: Write) -> None:
    file = write(tmp_path / "events.dat", {"Particles": make_events(200, 1)})
    assert _read_all(file, UNGROUPED).groups.tolist() == list(range(200))


@every_format
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i2", "u1"])
def test_numbers_of_every_type_are_read(tmp_path: Path, write: Write, dtype: str) -> None:
    particles = np.clip(make_events(100, 1), 0, 200).astype(dtype)
    groups = np.arange(100, dtype="<u4")
    found = _read_all(write(tmp_path / "events.dat", {"Particles": particles, "Group": groups}))
    assert np.array_equal(found.values, particles)
    assert found.groups.tolist() == list(range(100))


def test_the_dataset_may_have_another_name_and_stand_in_a_folder(tmp_path: Path) -> None:
    data = DATA.model_copy(update={"dataset": "full/events", "group": "full/run"})
    arrays = _good()
    file = _write_hdf5(tmp_path / "e.h5", {"full/events": arrays["Particles"], "full/run": arrays["Group"]})
    assert np.array_equal(_read_all(file, data).values, arrays["Particles"])


def test_npz_is_streamed_and_hdf5_is_sliced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No read asks for more than a chunk, in either format: that is what keeps the memory bounded."""
    largest = 64 * N_SLOTS * 4 * 4
    asked: list[int] = []
    real_read = zipfile.ZipExtFile.read

    def read(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        asked.append(-1 if n is None else n)
        return real_read(self, n)

    arrays = _good(1000)
    file = _write_compressed_npz(tmp_path / "e.npz", arrays)
    monkeypatch.setattr(zipfile.ZipExtFile, "read", read)
    assert np.array_equal(_read_all(file).values, arrays["Particles"])
    assert max(asked) == largest
    assert min(asked) >= 0  # a negative number reads everything
    slices: list[slice] = []
    real_getitem = h5py.Dataset.__getitem__

    def getitem(self: h5py.Dataset, key: slice) -> Any:  # noqa: ANN401
        slices.append(key)
        return real_getitem(self, key)

    file = _write_hdf5(tmp_path / "e.h5", arrays)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", getitem)
    assert np.array_equal(_read_all(file).values, arrays["Particles"])
    assert max(s.stop - s.start for s in slices) == 64


def test_a_chunk_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    """A bad event at the end does not keep the first chunks from being used."""
    arrays = _good()
    arrays["Particles"][299, 0, 0] = np.nan
    for write in FORMATS.values():
        chunks = read_events(write(tmp_path / "e.dat", arrays), DATA, 64)
        assert [next(chunks).first_event for _ in range(4)] == [0, 64, 128, 192]
        with pytest.raises(InputError, match="event 299"):
            next(chunks)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"not events\n" * 100, bytes(5000)], ids=["empty", "byte", "text", "zeros"]
)
def test_a_file_that_is_no_event_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "e.h5"
    file.write_bytes(content)
    message = _refusal(file)
    assert ("is empty" in message) == (content == b"")
    assert ("neither an HDF5 nor an npz, Parquet, ROOT or .csv file" in message) == (content != b"")


@every_format
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_file(tmp_path: Path, write: Write, share: float) -> None:
    file = write(tmp_path / "e.dat", _good(2000))
    os.truncate(file, int(file.stat().st_size * share))
    message = _refusal(file)
    assert re.search("copy it again|is truncated", message), message


@every_format
def test_a_file_with_flipped_bytes_is_refused_or_read_but_never_crashes(tmp_path: Path, write: Write) -> None:
    good = write(tmp_path / "good.dat", _good()).read_bytes()
    rng = np.random.default_rng(1)
    refused = 0
    for start in rng.integers(0, len(good) - 16, 60).tolist():
        file = tmp_path / "bad.dat"
        file.write_bytes(good[:start] + rng.bytes(16) + good[start + 16 :])
        try:
            for _ in read_events(file, DATA, 64):
                pass
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)  # noqa: PT017
            assert str(file) in str(error)  # noqa: PT017
    assert refused >= 20


@every_format
@pytest.mark.parametrize(
    ("particles", "words"),
    [
        pytest.param(np.ones((20, 18, 4), np.float32), "`Particles` has the shape (20, 18, 4), but", id="slots"),
        pytest.param(np.ones((20, 19, 2), np.float32), "need (events, 19, 3 or more)", id="quantities"),
        pytest.param(np.ones((20, 57), np.float32), "has the shape (20, 57)", id="flat"),
        pytest.param(np.ones((2, 20, 19, 4), np.float32), "has the shape (2, 20, 19, 4)", id="four-axes"),
        pytest.param(np.float32(1), "has the shape ()", id="scalar"),
        pytest.param(np.ones((0, 19, 4), np.float32), "holds no events", id="no-events"),
        pytest.param(np.ones((20, 19, 4), np.complex64), "complex64 values, but numbers are needed", id="complex"),
        pytest.param(np.full((20, 19, 4), b"1"), "values, but numbers are needed", id="text"),
        pytest.param(np.ones((20, 19, 4), np.bool_), "bool values, but numbers are needed", id="bool"),
    ],
)
def test_a_wrong_shape_or_type_is_named(tmp_path: Path, write: Write, particles: np.ndarray, words: str) -> None:
    n = len(particles) if particles.ndim else 1
    assert words in _refusal(write(tmp_path / "e.dat", {"Particles": particles, "Group": np.arange(n)}))


@every_format
@pytest.mark.parametrize(
    ("group", "words"),
    [
        pytest.param(np.arange(299), "`Group` has the shape (299,), not (300,)", id="short"),
        pytest.param(np.zeros((300, 2), int), "`Group` has the shape (300, 2), not (300,)", id="two-axes"),
        pytest.param(np.linspace(0, 1, 300), "`Group` holds float64 values, but whole numbers are needed", id="float"),
        pytest.param(np.full(300, b"run"), "values, but whole numbers are needed", id="text"),
    ],
)
def test_wrong_groups_are_named(tmp_path: Path, write: Write, group: np.ndarray, words: str) -> None:
    assert words in _refusal(write(tmp_path / "e.dat", {"Particles": make_events(300, 1), "Group": group}))


@every_format
def test_a_missing_dataset_names_those_that_are_there(tmp_path: Path, write: Write) -> None:
    events = make_events(20, 1)
    message = _refusal(write(tmp_path / "e.dat", {"objects": events, "Group": np.arange(20)}))
    assert re.search(r"has no (dataset|array) `Particles` \(there: ", message)
    assert "objects" in message
    assert "Group" in message
    assert "correct `data.dataset`" in message
    message = _refusal(write(tmp_path / "e.dat", {"Particles": events, "run": np.arange(20)}))
    assert re.search(r"has no (dataset|array) `Group` \(there: ", message)
    assert "correct `data.group` or set it to null" in message


def test_a_folder_in_the_place_of_the_dataset(tmp_path: Path) -> None:
    file = _write_hdf5(tmp_path / "e.h5", {"Particles/x": np.ones(3)})
    assert "has no dataset `Particles` (there: none)" in _refusal(file)


@every_format
@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        pytest.param((130, 3, 0), np.nan, "event 130, slot 3 holds a NaN or infinite value", id="nan-pt"),
        pytest.param((0, 0, 2), np.nan, "event 0, slot 0 holds a NaN or infinite value", id="nan-phi"),
        pytest.param((299, 18, 1), np.inf, "event 299, slot 18 holds a NaN or infinite value", id="inf"),
        pytest.param((64, 2, 0), -np.inf, "event 64, slot 2 holds a NaN or infinite value", id="minus-inf"),
        pytest.param((63, 1, 0), -0.5, "event 63, slot 1 holds a negative pT", id="negative-pt"),
    ],
)
def test_a_bad_event_is_named(tmp_path: Path, write: Write, place: Any, value: float, words: str) -> None:  # noqa: ANN401
    arrays = _good()
    arrays["Particles"][place] = value
    message = _refusal(write(tmp_path / "e.dat", arrays))
    assert words in message
    assert "remove" in message or "empty slots must be 0" in message


@every_format
def test_what_is_not_used_is_not_judged(tmp_path: Path, write: Write) -> None:
    arrays = _good()
    arrays["Particles"][:, :, 3] = np.nan  # the kind of object
    assert len(_read_all(write(tmp_path / "e.dat", arrays)).values) == 300


@pytest.mark.parametrize("kind", ["fortran", "object", "no-npy"])
def test_an_npz_that_cannot_be_streamed(tmp_path: Path, kind: str) -> None:
    events = make_events(20, 1)
    file = tmp_path / "e.npz"
    if kind == "no-npy":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("Particles.npy", b"this is no array")
        assert f"{file} is damaged (the magic string is not correct" in _refusal(file, UNGROUPED)
        return
    array = np.asfortranarray(events) if kind == "fortran" else events.astype(object)
    _write_npz(file, {"Particles": array})
    assert "must be a C-ordered array of numbers" in _refusal(file, UNGROUPED)


def test_an_npz_whose_header_promises_more_than_there_is(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (100, N_SLOTS, 4)})
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
        archive.writestr("Particles.npy", stream.getvalue() + make_events(90, 1).tobytes())
    message = _refusal(tmp_path / "e.npz", UNGROUPED)
    assert f"is damaged near event 64 ({10 * N_SLOTS * 4 * 4} bytes are missing); copy it again" in message


def test_event_files_are_found_beside_the_config_in_the_current_folder_and_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(CONFIGS / "l1_ae.yaml")
    found = event_files(config, CONFIGS / "l1_ae.yaml")
    assert set(found) == set(config.data.files)
    assert all(count_events(file, config.data) > 0 for files in found.values() for file in files)
    (tmp_path / "configs").mkdir()
    for folder in (tmp_path, tmp_path / "configs"):
        (folder / "both.h5").write_bytes(b"x")
    (tmp_path / "here.h5").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    data = config.data.model_copy(
        update={"files": {"background": "both.h5", "s": "here.h5", "t": str(tmp_path / "here.h5")}}
    )
    found = event_files(config.model_copy(update={"data": data}), tmp_path / "configs" / "a.yaml")
    assert found["background"][0].path.resolve() == tmp_path / "configs" / "both.h5"
    assert found["s"][0].path.resolve() == found["t"][0].path == tmp_path / "here.h5"


@pytest.mark.parametrize("name", ["none.h5", "sample:none.h5", "none-*.h5", "none"])
def test_a_missing_file_is_named_with_its_key(tmp_path: Path, name: str) -> None:
    config = load_config(CONFIGS / "l1_ae.yaml")
    data = config.data.model_copy(update={"files": {"background": name}})
    with pytest.raises(InputError) as caught:
        event_files(config.model_copy(update={"data": data}), tmp_path / "a.yaml")
    assert str(caught.value) == (
        f"the event file {name} of `data.files.background` does not exist; correct {tmp_path / 'a.yaml'}"
    )


def test_a_folder_without_event_files_is_named_with_its_key(tmp_path: Path) -> None:
    config = load_config(CONFIGS / "l1_ae.yaml")
    data = config.data.model_copy(update={"files": {"background": "."}})
    (tmp_path / "notes.txt").write_text("no events")
    with pytest.raises(InputError, match=r"the folder \. of `data\.files\.background` holds no event file \(\.csv,"):
        event_files(config.model_copy(update={"data": data}), tmp_path / "a.yaml")


def test_the_default_chunk_is_a_few_megabytes() -> None:
    assert readers.CHUNK_EVENTS * N_SLOTS * 4 * 8 < 50e6


COLUMNS = DATA.model_copy(update={"columns": Columns(existing_trigger="Bits", pileup="nPV", run="Run")})


def _with_columns(n: int = 300) -> Arrays:
    rng = np.random.default_rng(3)
    bits = rng.random((n, 5)) < 0.1
    return {
        **_good(n),
        "Bits": bits,
        "nPV": rng.integers(1, 80, n).astype(np.float32),
        "Run": np.arange(n) // 100 + 362_000,
    }


@every_format
def test_columns_are_read_in_chunks_beside_the_events(tmp_path: Path, write: Write) -> None:
    arrays = _with_columns()
    chunks = list(read_events(write(tmp_path / "events", arrays), COLUMNS, 64))
    found = {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in COLUMNS.columns.named}
    np.testing.assert_array_equal(found["existing_trigger"], arrays["Bits"].any(axis=1))
    np.testing.assert_array_equal(found["pileup"], arrays["nPV"])
    np.testing.assert_array_equal(found["run"], arrays["Run"])
    assert all(not chunk.columns for chunk in read_events(write(tmp_path / "events", arrays), DATA, 64))
    assert all(not chunk.columns for chunk in read_events(write(tmp_path / "none", _good()), COLUMNS, 64))


@every_format
@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("nPV", np.ones((300, 2)), "data.columns.pileup.*shape"),
        ("Run", np.ones(299), "data.columns.run.*shape"),
        ("Bits", np.array(["a"] * 300, dtype="S1"), "data.columns.existing_trigger.*type"),
        ("nPV", np.full(300, np.nan), "pileup of event 0 is NaN"),
    ],
    ids=["matrix", "short", "text", "nan"],
)
def test_columns_of_another_form_are_refused(
    tmp_path: Path, write: Write, name: str, values: Any, message: str  # noqa: ANN401
) -> None:  # fmt: skip
    assert re.search(message, _refusal(write(tmp_path / "events", {**_with_columns(), name: values}), COLUMNS))


def test_a_chunk_never_reaches_beyond_a_part_of_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wide events come in fewer than usual: 21,399 of 28 x 28 cells, which leaves 131,072 with a rest."""
    monkeypatch.setattr(readers, "READ_BYTES", 8 * 30 * 21)
    array = {"name": "cell", "shape": [5, 6], "bits": 8}
    data = Data.model_validate({"files": {"background": "x"}, "group": None, "hardware": {"array": array}})
    file = _write_npz(tmp_path / "e.npz", {"Particles": np.ones((100, 5, 6), np.uint8)})
    assert [len(chunk.values) for chunk in read_events(file, data)] == [16] * 6 + [4]
    assert readers.CHUNK_EVENTS % 16 == 0


@pytest.mark.parametrize("named", ["shards", "shards/*.npz"])
def test_a_link_that_leads_nowhere_is_said(tmp_path: Path, named: str) -> None:
    """Its events were left out without a word."""
    (tmp_path / "shards" / "folder.npz").mkdir(parents=True)
    _write_npz(tmp_path / "shards" / "a.npz", _good())
    (tmp_path / "shards" / "b.npz").symlink_to(tmp_path / "gone.npz")
    config = load_config(CONFIGS / "l1_ae.yaml")
    data = config.data.model_copy(update={"files": {"background": named}})
    config = config.model_copy(update={"data": data})
    for listed in (
        lambda: event_files(config, tmp_path / "e.yaml"),
        lambda: files_behind(tmp_path / named),
    ):
        with pytest.raises(InputError, match=r"b\.npz is a link to a file that is not there; mend or remove it"):
            listed()
    _write_npz(tmp_path / "gone.npz", _good())
    assert len(event_files(config, tmp_path / "e.yaml")["background"]) == 2
    assert len(files_behind(tmp_path / named)) == 2
