"""HDF5 files whose values are elsewhere, or that can't be decompressed: the true sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from support import CONFIGS, make_events, read_all, refusal

from fpgaae.config.file import load_config

DATA = load_config(CONFIGS / "l1_ae.yaml").data.model_copy(update={"group": None})


def _source(folder: Path) -> Path:
    with h5py.File(folder / "source.h5", "w") as file:
        file["Particles"] = make_events(30, 1)
    return folder / "source.h5"


def _view(folder: Path, source: str) -> Path:
    layout = h5py.VirtualLayout((30, 19, 4), "<f4")
    layout[:] = h5py.VirtualSource(source, "Particles", (30, 19, 4))
    with h5py.File(folder / "view.h5", "w") as file:
        file.create_virtual_dataset("Particles", layout)
    return folder / "view.h5"


@pytest.mark.parametrize(("source", "missing"), [("none.h5", True), ("source.h5", False)])
def test_a_view_of_other_files_is_refused(tmp_path: Path, source: str, missing: bool) -> None:
    _source(tmp_path)
    message = refusal(_view(tmp_path, source), DATA)
    assert "`Particles` is a view of 1 other files" in message
    assert ("of which 1 are missing, the first none.h5" in message) is missing
    assert message.endswith("name the files themselves in `data.files`, as a list")


@pytest.mark.parametrize("target", ["none.h5", "source.h5"])
def test_a_link_into_another_file_is_refused(tmp_path: Path, target: str) -> None:
    _source(tmp_path)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["Particles"] = h5py.ExternalLink(target, "Particles")
    assert f"`Particles` is a link into {target}; name that file" in refusal(tmp_path / "link.h5", DATA)
    with h5py.File(tmp_path / "folder.h5", "w") as file:
        file["all"] = h5py.ExternalLink(target, "/")
    data = DATA.model_copy(update={"dataset": "all/Particles"})
    assert f"is a link into {target}" in refusal(tmp_path / "folder.h5", data)


def test_a_soft_link_to_a_link_is_refused(tmp_path: Path) -> None:
    _source(tmp_path)
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        file["other"] = h5py.ExternalLink("source.h5", "Particles")
        file["Particles"] = h5py.SoftLink("/other")
    assert "`Particles` lies in " in refusal(tmp_path / "soft.h5", DATA)


def test_a_view_within_the_file_is_refused(tmp_path: Path) -> None:
    assert "is a view of other datasets" in refusal(_view(tmp_path, "."), DATA)


@pytest.mark.parametrize("chunks", [None, (10, 19, 4)], ids=["contiguous", "chunked"])
def test_what_was_never_written_is_refused(tmp_path: Path, chunks: tuple[int, ...] | None) -> None:
    with h5py.File(tmp_path / "e.h5", "w") as file:
        dataset = file.create_dataset("Particles", (30, 19, 4), "<f4", chunks=chunks)
        if chunks is not None:
            dataset[:10] = make_events(10, 1)
    what = "2 of the 3 chunks of `Particles` were" if chunks else "`Particles` was"
    assert f"{what} never written, and would be read as its fill value" in refusal(tmp_path / "e.h5", DATA)


def test_chunks_that_fill_the_memory_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file.create_dataset("Particles", (1_000_000, 19, 4), "<f4", chunks=(1_000_000, 19, 4))
    assert "`Particles` has chunks of 290 MiB, more than 256 MiB" in refusal(tmp_path / "e.h5", DATA)


def _npz(file: Path, shape: tuple[int, ...]) -> Path:
    """Write an npz whose array has a head, and nothing behind it."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("Particles.npy", head.getvalue())
    return file


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        pytest.param((10, 19, 10**9), "an event of `Particles` has 72,479 MiB, more than 16 MiB", id="row"),
        pytest.param((10**12, 19, 4), "is damaged near event 0", id="rows"),
    ],
)
def test_an_npz_that_announces_more_than_it_has_is_refused(tmp_path: Path, shape: tuple[int, ...], words: str) -> None:
    assert words in refusal(_npz(tmp_path / "e.npz", shape), DATA)


def test_a_text_of_any_length_in_a_column_is_refused(tmp_path: Path) -> None:
    data = DATA.model_copy(update={"where": ("kind == 'a'",)})
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["Particles"] = make_events(2, 1)
        file["kind"] = np.array([b"a" * 5000, b"a"])
    assert "`kind` has 5,000 bytes an event, more than 4,096" in refusal(tmp_path / "e.h5", data)


def test_values_outside_of_the_file_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file.create_dataset("Particles", (30, 19, 4), "<f4", external=[(tmp_path / "raw.bin", 0, h5py.h5f.UNLIMITED)])
    assert "the values of `Particles` lie in " in refusal(tmp_path / "e.h5", DATA)


def test_an_unknown_filter_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "e.h5", "w") as file:
        space = h5py.h5s.create_simple((30, 19, 4))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((30, 19, 4))
        plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))  # Zstandard, which h5py has not by itself
        h5py.h5d.create(file.id, b"Particles", h5py.h5t.IEEE_F32LE, space, plist)
    message = refusal(tmp_path / "e.h5", DATA)
    assert "is compressed by the filter 32015 (Zstandard), which this h5py has not" in message


@pytest.mark.parametrize("npz", [False, True], ids=["hdf5", "npz"])
def test_of_a_wide_last_axis_three_are_read(tmp_path: Path, npz: bool) -> None:
    events = np.zeros((40, 19, 5000), dtype=np.float32)
    events[..., :4] = make_events(40, 1)
    file = tmp_path / "e.h5"
    if npz:
        file = tmp_path / "e.npz"
        np.savez_compressed(file, Particles=events)
    else:
        with h5py.File(file, "w") as opened:
            opened.create_dataset("Particles", data=events, chunks=(1, 19, 5000), compression="lzf")
    found = read_all(file, DATA, 7)
    assert np.array_equal(found.values, events[..., :3])
