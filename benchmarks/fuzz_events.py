"""Event files of seven formats for `benchmarks.fuzz`, with changed bytes or content that no trigger sends."""

from __future__ import annotations

import io
import pickle
import struct
import wave
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.fuzz_mutations import CANARY, mutate_bytes

EVENT_FORMATS = ("h5", "npz", "csv", "parquet", "root", "wav", "idx")
_N_EVENTS, _N_OBJECTS = 120, 3
_HARDWARE = {
    "objects": [
        {"name": "met", "slots": 1, "pt_bits": 12, "eta_bits": 0, "phi_bits": 8},
        {"name": "jet", "slots": 2, "pt_bits": 11, "eta_bits": 8, "phi_bits": 8},
    ]
}
_LISTS = {"met": {"pt": "met_pt", "phi": "met_phi"}, "jet": {q: f"jet_{q}" for q in ("pt", "eta", "phi")}}
_SLOTS = {"met": {"pt": "met_pt", "phi": "met_phi"}, "jet": {q: f"jet{{slot}}_{q}" for q in ("pt", "eta", "phi")}}
_ODD_TYPES = ("f2", "f8", "i1", "u8", "i8", "c16", "S5", "?", "M8[s]", "V4")


def event_config(form: str) -> str:
    """Write a config that reads the file of a format."""
    data: dict[str, Any] = {"group": None, "files": {"background": f"events.{form}"}, "hardware": _HARDWARE}
    if form == "csv":
        data["table"] = {"objects": _SLOTS, "values": "physical"}
    elif form in {"parquet", "root"}:
        data["table"] = {"objects": _LISTS, "values": "physical"}
    elif form == "wav":
        array = {"name": "level", "shape": [640], "bits": 8, "signed": True, "lsb": 1.0}
        data |= {"reader": "sounds", "files": {"background": "clips"}, "hardware": {"array": array}}
        data["split"] = {"train": 0.4, "validation": 0.3, "test": 0.3}
    elif form == "idx":
        array = {"name": "pixel", "shape": [8, 8], "bits": 8}
        data |= {"reader": "images", "files": {"background": "images-idx3-ubyte"}, "hardware": {"array": array}}
    model = {"kind": "autoencoder", "encoder": [4], "latent": 2, "decoder": [4], "score": "squared_error"}
    width = {"bits": 8, "integer_bits": "auto"}
    training = {"reference": {"epochs": 1, "batch_size": 8}, "quantized": {"epochs": 1, "batch_size": 8}}
    content = {
        "data": {"background": "background", **data}, "model": model, "training": training, "pruning": {"end_epoch": 1},
        "quantization": {"inputs": {"bits": 10, "integer_bits": 5}, "weights": width, "activations": width},
    }  # fmt: skip
    return yaml.safe_dump(content)


def event_file(form: str, rng: np.random.Generator, folder: Path, *, is_changed: bool = True) -> None:
    """Write a changed file of a format into a folder, or one that is read without a word."""
    target = folder / {"wav": "clips/0.wav", "idx": "images-idx3-ubyte"}.get(form, f"events.{form}")
    target.parent.mkdir(exist_ok=True)
    for index in range(1, 12 if form == "wav" else 1):
        (target.parent / f"{index}.wav").write_bytes(_sound(form))
    if form == "idx":
        labels = struct.pack(">HBBI", 0, 8, 1, _N_EVENTS) + bytes(index % 10 for index in range(_N_EVENTS))
        is_spared = not is_changed or rng.random() < 0.8
        (folder / "labels-idx1-ubyte").write_bytes(labels if is_spared else mutate_bytes(rng, labels))
    if is_changed and form in {"h5", "npz"} and rng.random() < 0.5:
        (_odd_hdf5 if form == "h5" else _odd_npz)(rng, target)
        return
    content = _sound(form)
    target.write_bytes(mutate_bytes(rng, content) if is_changed else content)


def _objects() -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    events = rng.uniform(-2, 2, size=(_N_EVENTS, _N_OBJECTS, 3))
    events[..., 0] = rng.exponential(30, size=(_N_EVENTS, _N_OBJECTS)) + 1
    events[:, 0, 1] = 0
    return events


@cache
def _sound(form: str) -> bytes:
    """Give a file that is read without a word."""
    events, content = _objects(), io.BytesIO()
    if form == "h5":
        with h5py.File(content, "w") as file:
            file.create_dataset("Particles", data=events, chunks=(50, _N_OBJECTS, 3), compression="gzip")
    elif form == "npz":
        np.savez_compressed(content, Particles=events)
    elif form == "csv":
        names = ["met_pt", "met_phi", *(f"jet{i}_{q}" for i in (1, 2) for q in ("pt", "eta", "phi"))]
        rows = events.reshape(len(events), -1)[:, [0, 2, 3, 4, 5, 6, 7, 8]]
        content.write(",".join(names).encode())
        content.writelines(b"\n" + ",".join(f"{value:.4f}" for value in row).encode() for row in rows)
    elif form in {"parquet", "root"}:
        _write_table(form, events, content)
    elif form == "wav":
        with wave.open(content, "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            noise = np.random.default_rng(1).normal(scale=3000, size=48_000)
            file.writeframes(noise.astype("<i2").tobytes())
    else:
        images = np.random.default_rng(1).integers(0, 256, size=(_N_EVENTS, 8, 8), dtype=np.uint8)
        content.write(struct.pack(">HBB3I", 0, 8, 3, *images.shape) + images.tobytes())
    return content.getvalue()


class _Kept(io.BytesIO):
    """What uproot does not close."""

    def close(self) -> None:
        """Leave it open."""


def _write_table(form: str, events: NDArray[np.float64], content: io.BytesIO) -> None:
    columns: dict[str, Any] = {"met_pt": events[:, 0, 0], "met_phi": events[:, 0, 2]}
    jets = {f"jet_{name}": events[:, 1:, index] for index, name in enumerate(("pt", "eta", "phi"))}
    if form == "parquet":
        import pyarrow  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415

        pyarrow.parquet.write_table(pyarrow.table(columns | {name: list(own) for name, own in jets.items()}), content)
        return
    import awkward  # noqa: PLC0415
    import uproot  # noqa: PLC0415

    kept = _Kept()
    with uproot.recreate(kept) as file:
        file.mktree("Events", {**dict.fromkeys(columns, "float64"), **dict.fromkeys(jets, "var * float64")})
        file["Events"].extend(columns | {name: awkward.Array(own.tolist()) for name, own in jets.items()})
    content.write(kept.getvalue())


class _Trap:
    """What a pickle runs when it is opened."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (CANARY, "w")


def _odd_array(rng: np.random.Generator) -> NDArray[Any]:
    """Give events of another type, shape or range."""
    events = _objects()
    kind = rng.integers(5)
    if kind == 0:
        return (
            events.astype(_ODD_TYPES[rng.integers(len(_ODD_TYPES))], casting="unsafe")
            if rng.random() < 0.7
            else events[:0]
        )
    if kind == 1:
        shape = tuple(int(n) for n in rng.choice([0, 1, 2, 3, 19, 50], size=rng.integers(0, 6)))
        return np.ones(shape)
    odd = rng.choice([np.nan, np.inf, -np.inf, -1.0, 1e30, 1e308, 7.0, 360.0, 0.0, 1e-310])
    if kind == 2:
        events[rng.integers(_N_EVENTS), rng.integers(_N_OBJECTS), rng.integers(3)] = odd
    elif kind == 3:
        events[..., rng.integers(3)] = odd
    else:
        events[:] = odd
    return events


def _odd_npz(rng: np.random.Generator, target: Path) -> None:
    if rng.random() < 0.2:
        trap = np.empty(_N_EVENTS, dtype=object)
        trap[:] = [_Trap()] * _N_EVENTS
        np.savez(target, Particles=trap)
    elif rng.random() < 0.1:
        target.write_bytes(pickle.dumps(_Trap()))
    else:
        named = {str(rng.choice(["Particles", "particles", "x"], p=[0.9, 0.05, 0.05])): _odd_array(rng)}
        np.savez(target, **named)  # type: ignore[arg-type]


def _odd_hdf5(rng: np.random.Generator, target: Path) -> None:
    array, kind = _odd_array(rng), rng.integers(9)
    with h5py.File(target, "w") as file:
        if kind == 0:
            file["Particles"] = h5py.ExternalLink("/etc/hostname", "/x")
        elif kind == 1:
            file["Particles"] = h5py.SoftLink("/Particles" if rng.random() < 0.5 else "/nowhere")
        elif kind == 2:
            file.create_group("Particles")["Particles"] = h5py.SoftLink("/Particles")
        elif kind == 3:
            shape = tuple(int(10 ** rng.uniform(0, 9)) for _ in range(3))
            file.create_dataset(
                "Particles", shape, "f8", chunks=tuple(min(n, int(10 ** rng.uniform(0, 4))) for n in shape)
            )
        elif kind == 4:
            file.create_dataset(
                "Particles", shape=(5, 3, 3), dtype="f8", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)]
            )
        elif kind == 5:
            file["Particles"] = h5py.Empty("f8")
        elif kind == 6:
            is_text = rng.random() < 0.5
            file.create_dataset(
                "Particles", data=[b"a" if is_text else file.ref] * 5, dtype="S1" if is_text else h5py.ref_dtype
            )
        elif array.dtype.kind in "MV":
            file["Particles"] = array.view("u1")
        else:
            file["Particles"] = array
