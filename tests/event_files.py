"""Small event files of six kinds, as a newcomer brings them, for `fpgaae init`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from tests.support import make_events, make_groups  # as benchmarks find it, too

_SLOTS = {"met": slice(0, 1), "electron": slice(1, 5), "muon": slice(5, 9), "jet": slice(9, 19)}
_LSB = {"pt": 0.5, "eta": 0.0435, "phi": 2 * np.pi / 144}


def _objects(n: int, seed: int, kind: str) -> NDArray[np.float64]:
    """Give the objects of a kind in GeV and rad, (n, slots, 3), those that are there first."""
    return make_events(n, seed)[:, _SLOTS[kind], :3].astype(np.float64)


def _lists(values: NDArray[Any], filled: NDArray[np.bool_]) -> list[list[Any]]:
    return [row[mask].tolist() for row, mask in zip(values, filled, strict=True)]


def write_level1_parquet(path: Path, n: int, seed: int = 1) -> Path:
    """Write a trigger's integers: lists of objects, words of phi from 0 on, and something of each event."""
    import pyarrow  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for kind in _SLOTS:
        objects = _objects(n, seed, kind)
        codes = {q: np.rint(objects[..., i] / _LSB[q]).astype(np.int32) for i, q in enumerate(_LSB)}
        codes["phi"] %= 144
        filled = codes["pt"] > 0
        if kind == "met":
            columns |= {"met_pt": codes["pt"][:, 0], "met_phi": codes["phi"][:, 0]}
        else:
            columns |= {f"{kind}_{quantity}": _lists(own, filled) for quantity, own in codes.items()}
    columns |= {"run": np.full(n, 362_000), "lumi": np.arange(n) // 25, "nPV": rng.poisson(40, n)}
    columns["L1bit"] = rng.random(n) < 0.05
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def write_nanoaod(path: Path, n: int, seed: int = 1) -> Path:
    """Write a tree as NanoAOD has it, with collections and a tree that do not matter beside it."""
    import awkward  # noqa: PLC0415
    import uproot  # noqa: PLC0415

    branches: dict[str, Any] = {
        "run": np.full(n, 362_000, np.uint32),
        "luminosityBlock": np.arange(n, dtype=np.uint32) // 25,
    }
    branches |= {"event": np.arange(n, dtype=np.uint64), "PV_npvs": np.random.default_rng(seed).poisson(40, n)}
    for kind, name in (("met", "MET"), ("electron", "Electron"), ("muon", "Muon"), ("jet", "Jet"), ("jet", "GenJet")):
        objects = _objects(n, seed, kind).astype(np.float32)
        if kind == "met":
            branches |= {"MET_pt": objects[:, 0, 0], "MET_phi": objects[:, 0, 2]}
            continue
        for index, quantity in enumerate(_LSB):
            branches[f"{name}_{quantity}"] = awkward.Array(_lists(objects[..., index], objects[..., 0] > 0))
    kinds = {k: own.dtype if isinstance(own, np.ndarray) else own.type.content for k, own in branches.items()}
    with uproot.recreate(path) as file:
        file.mktree("Events", kinds)
        file["Events"].extend(branches)
        file.mktree("Runs", {"run": np.dtype(np.uint32)})
        file["Runs"].extend({"run": np.array([362_000], np.uint32)})
    return path


def write_adc2021(path: Path, n: int, seed: int = 1) -> Path:
    """Write the public ADC2021 layout: (n, 19, 4), and names beside it."""
    with h5py.File(path, "w") as file:
        file["Particles"] = make_events(n, seed)
        file["Particles_Names"] = np.array([b"Pt", b"Eta", b"Phi", b"Class"])
    return path


def write_csv(path: Path, n: int, seed: int = 1) -> Path:
    """Write a table in GeV and rad with a column a slot."""
    names, columns = ["event"], [np.arange(n)]
    for kind, slots in (("met", 1), ("muon", 2), ("jet", 4)):
        objects = _objects(n, seed, kind)
        for slot in range(slots):
            for index, quantity in enumerate(_LSB):
                if kind == "met" and quantity == "eta":
                    continue
                names.append(f"{kind}_{quantity}" if kind == "met" else f"{kind}{slot + 1}_{quantity}")
                columns.append(np.round(objects[:, slot, index], 4))
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        writer.writerows(zip(*(column.tolist() for column in columns), strict=True))
    return path


def write_sounds(folder: Path, n: int, seed: int = 1) -> Path:
    """Write clips of a hum of 1.5 s."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    time = np.arange(24_000) / 16_000
    for index in range(n):
        sound = sum(np.sin(2 * np.pi * 110 * k * rng.normal(1, 0.01) * time) / k for k in range(1, 5))
        sound = 0.1 * np.asarray(sound) + 0.01 * rng.normal(size=len(time))
        wavfile.write(folder / f"clip_{index:03d}.wav", 16_000, (sound * 32_767).astype(np.int16))
    return folder


def write_images(path: Path, n: int, seed: int = 1) -> Path:
    """Write grey images of 8 x 8 with a bright spot, and a label of each."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(1, 7, size=(2, n, 1))
    along, across = (np.exp(-0.5 * ((np.arange(8) + 0.5 - centre) / 1.2) ** 2) for centre in centres)
    images = 220 * np.einsum("ni,nj->nij", along, across) + rng.uniform(0, 20, size=(n, 8, 8))
    np.savez(path, images=images.astype(np.uint8), labels=make_groups(n, seed) % 10)
    return path
