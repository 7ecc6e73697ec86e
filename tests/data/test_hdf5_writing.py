"""A write that fails ends neither the process nor in a damaged file: HDF5 writes through what takes everything."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import Result
from support import files_of_at_most, small_config
from typer.testing import CliRunner

from fpgaae.cli.commands import app
from fpgaae.data.hdf5_writing import HDF5Writer
from fpgaae.data.store import EventWriter


def _write(target: h5py.File, rng: np.random.Generator) -> None:
    made = target.create_dataset(
        "x", (0, 7), "i4", maxshape=(None, 7), chunks=(100, 7), compression="lzf", shuffle=True
    )
    for _ in range(40):
        made.resize(len(made) + 150, axis=0)
        made[-150:] = rng.integers(-1000, 1000, size=(150, 7))
    target.create_dataset("y", data=rng.random(1000))
    target["group/z"] = np.arange(5)


def test_what_is_written_is_what_hdf5_writes_itself(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "own.h5", "w") as file:
        _write(file, np.random.default_rng(1))
    for name in ("ours.h5", "again.h5"):
        with HDF5Writer(tmp_path / name) as writer, writer.writing() as file:
            _write(file, np.random.default_rng(1))
    assert (tmp_path / "ours.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()
    with h5py.File(tmp_path / "own.h5") as own, h5py.File(tmp_path / "ours.h5") as ours:
        for name in ("x", "y", "group/z"):
            np.testing.assert_array_equal(ours[name], own[name])


@pytest.mark.parametrize("n_bytes", [0, 100, 2048, 20_000, 60_000, 100_000])
def test_a_limit_in_the_middle_is_an_error_and_no_crash(n_bytes: int, tmp_path: Path) -> None:
    def write() -> None:
        with HDF5Writer(tmp_path / "limited.h5") as writer, writer.writing() as file:
            _write(file, np.random.default_rng(1))
            assert file["x"][:150].shape == (150, 7)

    with files_of_at_most(n_bytes), pytest.raises(OSError, match=r"limited\.h5") as caught:
        write()
    assert caught.value.errno == errno.EFBIG


def test_an_interruption_waits_for_hdf5(tmp_path: Path) -> None:
    written = []

    def write() -> None:
        with HDF5Writer(tmp_path / "events.h5") as writer:
            for _ in range(1000):
                with writer.writing() as file:
                    file.create_dataset(f"x{len(written)}", data=np.arange(5000.0))
                    written.append(file.id.valid)

    signal.setitimer(signal.ITIMER_REAL, 0.1)
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            write()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert 0 < len(written) < 1000
    with h5py.File(tmp_path / "events.h5") as file:
        assert len(file) == len(written)


def test_events_that_do_not_fit_stop_the_writer_early(tmp_path: Path) -> None:
    codes, appended = np.random.default_rng(1).integers(-1000, 1000, size=(4096, 20)), []

    def write() -> None:
        with EventWriter(tmp_path, 20, np.int16) as writer:
            for index in range(100):
                writer.append("background", "train", codes, np.arange(4096))
                appended.append(index)

    with files_of_at_most(200_000), pytest.raises(OSError, match=r"events\.h5"):
        write()
    assert len(appended) < 50  # of 100: some stay in the cache of HDF5


def test_the_stage_says_it_in_one_sentence(tmp_path: Path) -> None:
    config = small_config(tmp_path, n_events=4000)
    with files_of_at_most(50_000):
        done: Result = CliRunner().invoke(app, ["data", str(config), "--runs", str(tmp_path / "runs")])
    assert done.exit_code == 2
    assert "a file may not become as large as it must" in done.output
    assert "events.h5" in done.output
    assert not list((tmp_path / "runs").rglob("*.h5"))
