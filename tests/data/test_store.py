"""The event store: what is written in pieces is read in pieces, whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpgaae.data.store import EVENTS_FILE, EventStore, EventWriter


@pytest.fixture
def written(tmp_path: Path) -> tuple[EventStore, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    codes = rng.integers(-(2**15), 2**15, size=(1000, 5))
    groups = rng.integers(0, 2**62, size=1000)
    with EventWriter(tmp_path, 5, np.int16) as writer:
        for start in range(0, 1000, 130):
            writer.append("background", "train", codes[start : start + 130], groups[start : start + 130])
            writer.append("signal", "test", -codes[start : start + 13], groups[start : start + 13])
        writer.append("background", "validation", codes[:0], groups[:0])
    return EventStore(tmp_path), codes, groups


def test_pieces_make_the_whole(written: tuple[EventStore, np.ndarray, np.ndarray]) -> None:
    store, codes, groups = written
    assert store.count("background", "train") == 1000
    for chunk in (1000, 999, 7):
        pieces = list(store.chunks("background", "train", chunk))
        assert {len(piece) for piece in pieces[:-1]} <= {chunk}
        assert np.array_equal(np.concatenate(pieces), codes)
        assert all(piece.dtype == np.int64 for piece in pieces)
    assert np.array_equal(store.read("background", "train", 0, 1000), codes)
    assert np.array_equal(store.read("background", "train", 137, 404), codes[137:404])
    assert store.read("background", "train", 0, 1000).dtype == np.int64
    assert np.array_equal(store.groups("background", "train"), groups)


def test_processes_and_splits_stay_apart(written: tuple[EventStore, np.ndarray, np.ndarray]) -> None:
    store, codes, _ = written
    wanted = np.concatenate([-codes[start : start + 13] for start in range(0, 1000, 130)])
    assert np.array_equal(store.read("signal", "test", 0, len(wanted)), wanted)
    assert store.count("signal", "test") == len(wanted)
    assert store.count("background", "validation") == 0
    assert store.count("signal", "train") == 0
    assert list(store.chunks("signal", "train", 10)) == []
    assert list(store.chunks("background", "validation", 10)) == []


@pytest.mark.parametrize("limit", [0, 1, 99, 100, 101, 1000, 5000])
def test_a_limit_gives_the_first_events(written: tuple[EventStore, np.ndarray, np.ndarray], limit: int) -> None:
    store, codes, groups = written
    pieces = list(store.chunks("background", "train", 100, limit=limit))
    assert sum(len(piece) for piece in pieces) == min(limit, 1000)
    assert np.array_equal(np.concatenate([*pieces, codes[:0]]), codes[:limit])
    assert np.array_equal(store.groups("background", "train", limit=limit), groups[:limit])


def test_the_file_is_narrow(written: tuple[EventStore, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    assert (tmp_path / EVENTS_FILE).stat().st_size < 1000 * 5 * 8 * 2 + 100_000
