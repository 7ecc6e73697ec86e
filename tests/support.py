"""Small synthetic events and experiments that the tests of several packages share."""

from __future__ import annotations

import math
import resource
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from fpgaae.config.data import Data, Hardware, ObjectWidths
from fpgaae.data.features import Feature, FeatureMap
from fpgaae.data.layout import hardware_features
from fpgaae.data.readers import read_events
from fpgaae.data.source import EventChunk, toy_file
from fpgaae.errors import InputError

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGS = REPOSITORY / "configs"
N_SLOTS = 19
_FIRST_SLOT = {"met": 0, "electron": 1, "muon": 5, "jet": 9}
_MAX_OBJECTS = {"electron": 4, "muon": 4, "jet": 10}
_MEAN_OBJECTS = {"electron": 0.7, "muon": 0.5, "jet": 3.0}
_CLASS = {"met": 1, "electron": 2, "muon": 3, "jet": 4}
_ETA_RANGE = {"electron": 3.0, "muon": 2.4, "jet": 4.0}


def make_events(n: int, seed: int, *, pt_scale: float = 1.0) -> NDArray[np.float32]:
    """Give plausible trigger events, (n, 19, 4): pT in GeV, eta, phi in rad, kind of object; never all zero.

    The filled slots of each kind come first and fall in pT, as in the ADC2021 files; a large `pt_scale` makes a signal.
    """
    rng = np.random.default_rng(seed)
    events = np.zeros((n, N_SLOTS, 4), dtype=np.float32)
    events[:, 0, 0] = 1 + rng.exponential(20 * pt_scale, n)
    events[:, 0, 2] = rng.uniform(-math.pi, math.pi, n)
    events[:, 0, 3] = _CLASS["met"]
    for kind, most in _MAX_OBJECTS.items():
        slots = slice(_FIRST_SLOT[kind], _FIRST_SLOT[kind] + most)
        filled = np.arange(most) < rng.poisson(_MEAN_OBJECTS[kind], n)[:, None]
        pt = np.sort(5 + rng.exponential(25 * pt_scale, (n, most)), axis=1)[:, ::-1]
        eta = rng.uniform(-_ETA_RANGE[kind], _ETA_RANGE[kind], (n, most))
        phi = rng.uniform(-math.pi, math.pi, (n, most))
        values = np.stack([pt, eta, phi, np.full((n, most), _CLASS[kind])], axis=-1)
        events[:, slots] = np.where(filled[..., None], values, 0)
    return events


def make_groups(n: int, seed: int) -> NDArray[np.int64]:
    """Give each event a group; a group holds about two events, which stand apart."""
    return np.random.default_rng([seed, 1]).integers(0, max(n // 2, 1), n)


def write_events(path: Path, n: int, seed: int, groups: bool = True, *, pt_scale: float = 1.0) -> Path:
    """Write `make_events` to an HDF5 file in the layout of the bundled sample, and return its path."""
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "Particles", data=make_events(n, seed, pt_scale=pt_scale), chunks=(min(n, 4096), N_SLOTS, 4)
        )
        if groups:
            file["Group"] = make_groups(n, seed)
    return path


def small_config(folder: Path, name: str = "small", n_events: int = 2000, **overrides: Any) -> Path:  # noqa: ANN401
    """Write an experiment that trains for seconds on synthetic events in `folder`, and return its YAML file.

    It extends `configs/l1_ae.yaml`. Event files that are not there yet are made. An override replaces keys of a section
    and leaves the others, as in `small_config(folder, training={"quantized": {"epochs": 3}}, seed=7)`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for process, count, scale in (("background", n_events, 1.0), ("signal", max(n_events // 4, 1), 4.0)):
        if not (folder / f"{process}.h5").exists():
            write_events(folder / f"{process}.h5", count, seed=len(process), pt_scale=scale)
    # `extends` merges mappings, so that the bundled files would stay in `data.files`: the base is written out.
    base = yaml.safe_load((CONFIGS / "l1_ae.yaml").read_text(encoding="utf-8"))
    base["data"]["files"] = {"background": "background.h5", "signal": "signal.h5"}
    small = {
        "seed": 42,
        "model": {"encoder": [8], "latent": 3, "decoder": [8]},
        "pruning": {"begin_epoch": 0, "end_epoch": 1, "steps_between_updates": 1},
        "training": {"reference": {"epochs": 1, "batch_size": 256}, "quantized": {"epochs": 2, "batch_size": 256}},
        "csim": {"random_events": 64, "processes": 1},
        "evaluation": {"bootstrap_replicas": 20, "pca_components": 4},
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(merged(merged(base, small), overrides), sort_keys=False), encoding="utf-8")
    return file


def array_config(folder: Path, shape: tuple[int, ...], n_events: int, **overrides: Any) -> Path:  # noqa: ANN401
    """Write `folder/model.yaml`, which extends `configs/l1_ae.yaml`, and its events: cells of 8 bits with a sign.

    They are inputs of the network in sixteenths. An override replaces keys of a section and leaves the others.
    """
    rng, codes = np.random.default_rng(0), 2**7
    for name, n, share in (("background", n_events, 0.3), ("signal", n_events // 4, 0.6)):
        cells = np.clip(rng.normal(0, share * codes, (n, *shape)).round(), -codes, codes - 1)
        np.savez(folder / f"{name}.npz", cells=cells.astype(np.int16))
    base = yaml.safe_load((CONFIGS / "l1_ae.yaml").read_text(encoding="utf-8"))
    base["data"] = {
        "files": {"background": "background.npz", "signal": "signal.npz"}, "background": "background", "group": None,
        "dataset": "cells", "hardware": {"array": {"name": "cell", "shape": list(shape), "bits": 8, "signed": True}},
        "scaling": {"offset": 0, "shift": 4},
    }  # fmt: skip
    file = folder / "model.yaml"
    file.write_text(yaml.safe_dump(merged(base, overrides), sort_keys=False), encoding="utf-8")
    return file


class TriggerObjects(NamedTuple):
    """Kinds of trigger objects, and the scaling of their integers to inputs of a network."""

    hardware: Hardware
    features: FeatureMap


def trigger_objects(n_features: int) -> TriggerObjects:
    """Give objects of `n_features` integers, a multiple of three: one without eta, then others.

    Shifts are positive, zero and negative, and offsets lie at the ends of a code's range and between.
    """
    n_slots, rest = divmod(n_features, 3)
    assert rest == 0, "an object has three properties"
    n_muons = min(n_slots - 1, 1)
    kinds = [ObjectWidths(name="met", slots=1, pt_bits=12, eta_bits=0, phi_bits=8)]
    if n_muons:
        kinds.append(ObjectWidths(name="muon", slots=n_muons, pt_bits=9, eta_bits=8, phi_bits=8))
    if n_slots > 1 + n_muons:
        kinds.append(ObjectWidths(name="jet", slots=n_slots - 1 - n_muons, pt_bits=11, eta_bits=8, phi_bits=8))
    hardware = Hardware(objects=tuple(kinds))
    scaling = {
        "pt": ((77, 6), (0, 5), (511, 7)),
        "eta": ((-3, 4), (0, 0), (127, 2)),
        "phi": ((0, 3), (-128, 4), (5, -1)),
    }
    features = []
    for index, feature in enumerate(hardware_features(hardware)):
        offset, shift = scaling[feature.quantity][index // 3 % 3]
        features.append(Feature(feature, offset if feature.bits else 0, shift if feature.bits else 0))
    return TriggerObjects(hardware, FeatureMap(tuple(features)))


def merged(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Give a nested mapping with the keys of another in the place of its own."""
    result = dict(base)
    for key, value in overrides.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return result


NO_SCORES = [  # what is no array of scores, and what the error says of it
    pytest.param(np.array([]), "shape", id="empty"),
    pytest.param(np.zeros((2, 2)), "shape", id="matrix"),
    pytest.param(np.array([1.0, np.nan]), "not finite.*event 1", id="nan"),
    pytest.param(np.array([np.inf]), "not finite", id="inf"),
    pytest.param(np.array([True]), "bool", id="bool"),
    pytest.param(np.array([2**63], dtype=np.uint64), "int64", id="uint64"),
]


def array_data(array: Mapping[str, Any], reader: str | None = None, **options: Any) -> Data:  # noqa: ANN401
    """Describe a detector that is read out as an array, by a reader with options; its files don't matter."""
    return Data.model_validate(
        {"files": {"background": "events"}, "group": None, "dataset": "cells", "reader": reader, "options": options}
        | {"hardware": {"array": array}}
    )


def read_all(file: Path | str, data: Data, chunk_events: int = 1000, span: range | None = None) -> EventChunk:
    """Read a file, or a toy by its name, chunk by chunk, and put the chunks together."""
    if isinstance(file, str):
        name, _, selection = file.partition("#")
        chunks = list(read_events(toy_file(name, selection), data, chunk_events, span))
    else:
        chunks = list(read_events(file, data, chunk_events, span))
    assert all(len(chunk.values) <= chunk_events for chunk in chunks)
    values, groups = (np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in ("values", "groups"))
    return EventChunk(chunks[0].first_event, values, groups)


def refusal(file: Path | str, data: Data) -> str:
    """Give the one sentence with which reading a file is refused."""
    with pytest.raises(InputError) as caught:
        read_all(file, data)
    message = str(caught.value)
    assert "\n" not in message
    return message


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let no file that this process writes become larger, as a quota does."""
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
