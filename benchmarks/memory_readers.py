"""Peak memory of reading a million rows of every format, in a process of its own each: it must not grow with the file.

`python -m benchmarks.memory_readers CONFIG` is that process: it reads the background of a config and keeps nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import uproot
import yaml
from numpy.typing import NDArray

from benchmarks.measure import CONFIGS, new_bench, run_measured
from benchmarks.memory_large_file import check_disk, write_large_file
from benchmarks.result import Goal, Result, Settings
from fpgaae.config.file import load_config
from fpgaae.data.integers import event_codes
from fpgaae.data.readers import count_events, event_files, read_events

NAME = "memory_readers"
_ROWS, _QUICK_ROWS = 1_000_000, 60_000
_CHUNK = 20_000
_MEMORY_MIB = 1024
_PROPERTIES = {"met": ("pt", "phi")}  # of the other kinds all three
_SHAPES = {"econ_t": (8, 8), "calorimeter": (18, 14)}
Chunks = Iterator[NDArray[np.generic]]


class Format(NamedTuple):
    """A file that is written for the benchmark, and the keys of `data` that it is read with."""

    name: str
    file: str  # or a toy
    write: Callable[[Path, int], None]
    data: dict[str, Any]


def run(settings: Settings) -> Result:
    """Write a file of each format, read it, and remove it."""
    n_rows = _QUICK_ROWS if settings.quick else _ROWS
    result = Result(NAME, ("format", "rows", "file MB", "peak MiB", "s", "rows/s", "other cores"))
    peaks = {}
    with new_bench() as bench:
        check_disk(bench.folder, n_rows)
        for entry in _formats(n_rows):
            file = bench.folder / entry.file
            entry.write(file, n_rows)
            size = file.stat().st_size if file.is_file() else 0
            config = _config(bench.folder, entry)
            command = [sys.executable, "-m", "benchmarks.memory_readers", str(config)]
            usage = run_measured(command, bench.folder / "read.log")
            n_read = int((bench.folder / "read.log").read_text().split()[-1])
            peaks[entry.name] = usage.tree_peak_mib
            result.rows.append(
                (entry.name, n_read, size / 1e6, usage.tree_peak_mib, usage.seconds, n_read / usage.seconds,
                 usage.other_cores)
            )  # fmt: skip
            file.unlink(missing_ok=True)
    worst = max(peaks, key=lambda name: peaks[name])
    result.goals.append(Goal(f"{n_rows:,} rows, most memory of a reader ({worst})", peaks[worst], _MEMORY_MIB, "MiB"))
    return result


def _formats(n_rows: int) -> tuple[Format, ...]:
    objects: dict[str, Any] = {"group": None}
    table = objects | {"table": {"objects": _table_columns()}}
    array = {"group": None, "dataset": "cells"}
    calorimeter = array | {"reader": "calorimeter", "hardware": {"array": _array("region", "calorimeter", 10)}}
    absent = [row * 8 + column for row in range(4, 8) for column in range(4, 8)]
    econ_t = array | {"reader": "econ_t", "hardware": {"array": _array("charge", "econ_t", 12) | {"absent": absent}}}
    level = {"name": "level", "shape": [640], "bits": 8, "signed": True}
    sounds = array | {"reader": "sounds", "hardware": {"array": level}}
    return (
        Format("HDF5", "e.h5", _write_hdf5, objects),
        Format("npz", "e.npz", _write_npz, objects),
        Format("Parquet", "e.parquet", _write_parquet, table),
        Format("CSV", "e.csv", _write_csv, table),
        Format("ROOT", "e.root", _write_root, table),
        Format("calorimeter npz", "cells.npz", _write_cells, calorimeter),
        Format("ECON-T CSV", "econ.csv", _write_charges, econ_t),
        Format("raw sound frames", "clip.f32", _write_frames, sounds),
        Format("toy of econ_t", f"toy:electrons:{n_rows}", lambda *_: None, econ_t),
    )


def _array(name: str, reader: str, bits: int) -> dict[str, Any]:
    return {"name": name, "shape": list(_SHAPES[reader]), "bits": bits}


def _config(folder: Path, entry: Format) -> Path:
    """Write an experiment that reads the file; `l1_ae` has what else it needs."""
    content = yaml.safe_load((CONFIGS / "l1_ae.yaml").read_text(encoding="utf-8"))
    if "reader" in entry.data:
        content["data"].pop("hardware")
    content["data"] |= entry.data | {"files": {"background": entry.file}}
    file = folder / "read.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def _kinds() -> Iterator[tuple[str, int, tuple[str, ...]]]:
    for kind in load_config(CONFIGS / "l1_ae.yaml").data.hardware.objects:
        yield kind.name, kind.slots, _PROPERTIES.get(kind.name, ("pt", "eta", "phi"))


def _table_columns() -> dict[str, dict[str, str]]:
    return {
        name: {q: f"{name}{{slot}}_{q}" if slots > 1 else f"{name}_{q}" for q in quantities}
        for name, slots, quantities in _kinds()
    }


def _write_hdf5(file: Path, n_rows: int) -> None:
    config = CONFIGS / "l1_ae.yaml"
    background = event_files(load_config(config), config)["background"][0].path
    assert background is not None
    write_large_file(background, file, n_rows)


def _write_npz(file: Path, n_rows: int) -> None:
    whole = file.with_suffix(".h5")
    _write_hdf5(whole, n_rows)
    with h5py.File(whole) as opened:
        np.savez(file, Particles=opened["Particles"][:])
    whole.unlink()


def _integers(n_rows: int, folder: Path) -> Iterator[dict[str, NDArray[np.int16]]]:
    """Give the Level-1 integers of events, a column each slot and property, chunk by chunk."""
    whole = folder / "whole.h5"
    _write_hdf5(whole, n_rows)
    data = load_config(CONFIGS / "l1_ae.yaml").data
    for chunk in read_events(whole, data, _CHUNK):
        codes = event_codes(chunk, data).reshape(len(chunk.values), -1, 3).astype(np.int16)
        columns, first = {}, 0
        for name, slots, quantities in _kinds():
            for index, quantity in enumerate(("pt", "eta", "phi")):
                if quantity in quantities:
                    for slot in range(slots):
                        label = f"{name}{slot + 1 if slots > 1 else ''}_{quantity}"
                        columns[label] = np.ascontiguousarray(codes[:, first + slot, index])
            first += slots
        yield columns
    whole.unlink()


def _write_parquet(file: Path, n_rows: int) -> None:
    writer = None
    for columns in _integers(n_rows, file.parent):
        batch = pa.table(columns)
        writer = writer or pyarrow.parquet.ParquetWriter(file, batch.schema)
        writer.write_table(batch)
    assert writer is not None
    writer.close()


def _write_csv(file: Path, n_rows: int) -> None:
    writer = None
    for columns in _integers(n_rows, file.parent):
        batch = pa.table(columns)
        writer = writer or pyarrow.csv.CSVWriter(file, batch.schema)
        writer.write_table(batch)
    assert writer is not None
    writer.close()


def _write_root(file: Path, n_rows: int) -> None:
    with uproot.recreate(file) as opened:
        for columns in _integers(n_rows, file.parent):
            if "Events" not in opened:
                opened.mktree("Events", {name: values.dtype for name, values in columns.items()})
            opened["Events"].extend(columns)


def _write_cells(file: Path, n_rows: int) -> None:
    rng = np.random.default_rng(1)
    np.savez(file, cells=rng.integers(0, 1000, (n_rows, *_SHAPES["calorimeter"]), dtype=np.uint16))


def _write_charges(file: Path, n_rows: int) -> None:
    rng = np.random.default_rng(1)
    names = [f"CALQ_{cell}" for cell in range(48)]
    writer = None
    for _ in range(n_rows // _CHUNK):
        batch = pa.table(dict(zip(names, rng.integers(0, 4096, (48, _CHUNK)), strict=True)))
        writer = writer or pyarrow.csv.CSVWriter(file, batch.schema)
        writer.write_table(batch)
    assert writer is not None
    writer.close()


def _write_frames(file: Path, n_rows: int) -> None:
    rng = np.random.default_rng(1)
    with file.open("wb") as stream:
        for _ in range(n_rows // _CHUNK):
            rng.standard_normal((_CHUNK, 128), dtype=np.float32).tofile(stream)


def _read(config_file: Path) -> int:
    """Read all events of a config's background, and count them."""
    config = load_config(config_file)
    file = event_files(config, config_file)["background"][0]
    found = sum(len(chunk.values) for chunk in read_events(file, config.data))
    assert found == count_events(file, config.data)
    return found


if __name__ == "__main__":
    print(_read(Path(sys.argv[1])))
