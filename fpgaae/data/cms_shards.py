"""Made-up shards of the schema of CERN's anomaly_detection_cmsl1t (https://doi.org/10.5281/zenodo.21787779).

    FOLDER/data/SAMPLE/SPLIT-00000-of-00003.parquet         trigger objects, as a CMS global trigger sends them
    FOLDER/data/SAMPLE/seeds/SPLIT-00000-of-00003.parquet   the bits of a made-up menu, of which `L1bit` is the OR

Hard objects come from the bundled events, turned and mirrored; soft ones are drawn. What real files surprise a reader
with is there: muons that are not sorted, overflow words, empty lists, lists longer than slots, pile-up as float in
data and as integer in simulation, events that the standard preprocessing drops. It is no simulation of CMS.
Writing Parquet needs PyArrow.
"""

from __future__ import annotations

import math
import zlib
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

ZERO_BIAS, NEUTRINO = "zerobias", "single_neutrino"
SHARES = {"data": {"train": 0.6, "valid": 0.2, "test": 0.2}, "signal": {"valid": 0.6, "test": 0.4}}
_RUNS = (396_102, 398_183)
_BLOCK_EVENTS = 50_000
_SUMS = ("ET_Et", "ET_ETTEM", "HT_Et", "HT_tower_count", "MET_Et", "MET_phi", "MHT_Et", "MHT_phi",
         "FET_Et", "FET_phi", "FHT_Et", "FHT_phi")  # fmt: skip
_OVERFLOW_MET = 0.007  # of the events, as in real ones
_OVERFLOW_OBJECT = 0.002
_HARD = 0.1  # of zero-bias events: those with objects of a bundled one
_CALO_TURN, _MUON_TURN = 144, 576


class ShardSettings(NamedTuple):
    """How many events of what."""

    events: int = 100_000  # of zero bias
    signal_events: int = 10_000  # of each other sample
    events_per_shard: int = 250_000
    signals: tuple[str, ...] = ("ato4l", "leptoquark")  # of the bundled samples
    menu_bits: int = 178
    seed: int = 1
    empty_share: float = 0.0  # of zero-bias events without any object, which the real set has not


class _Collection(NamedTuple):
    """One kind of object: its columns, how many an event has, and the words of its pT and angles."""

    prefix: str
    pt: str
    eta: str
    phi: str
    others: tuple[tuple[str, int], ...]  # column and number of its values
    least: int
    most: int
    soft: float  # mean number of soft objects
    bits: int
    offset: int  # of the pT word
    eta_lsb: float
    largest_eta: float
    turn: int
    slots: tuple[int, int] | None  # of the bundled events; None: half of their jets


_COLLECTIONS = (
    _Collection("egammas", "egIEt", "egIEta", "egIPhi", (("egIso", 4),), 0, 12, 3.0, 9, 0, 0.0435, 3.0, _CALO_TURN,
                (1, 5)),
    _Collection("jets", "jetIEt", "jetIEta", "jetIPhi", (("jetHwQual", 4), ("jetRawEt", 2048)),
                1, 12, 3.0, 11, 0, 0.0435, 5.0, _CALO_TURN, (9, 19)),
    _Collection("taus", "tauIEt", "tauIEta", "tauIPhi", (("tauIso", 2),), 2, 12, 4.0, 9, 0, 0.0435, 2.1, _CALO_TURN,
                None),
    _Collection("muons", "muonIEt", "muonIEtaAtVtx", "muonIPhiAtVtx",
                (("muonIEta", 0), ("muonIPhi", 0), ("muonQual", 16), ("muonChg", 2), ("muonTfMuonIdx", 108),
                 ("muonIEtUnconstrained", 256)), 0, 8, 0.3, 9, 1, 0.010875, 2.45, _MUON_TURN, (5, 9)),
)  # fmt: skip


def write_shards(folder: Path, settings: ShardSettings) -> dict[str, list[Path]]:
    """Write the shards of every sample, and give those of the trigger objects by sample; seeded."""
    written = {ZERO_BIAS: _write_sample(folder, ZERO_BIAS, "background", settings.events, settings)}
    for name, bundled in ((NEUTRINO, None), *((signal, signal) for signal in settings.signals)):
        written[name] = _write_sample(folder, name, bundled, settings.signal_events, settings)
    return written


def _write_sample(
    folder: Path, sample: str, bundled: str | None, n_events: int, settings: ShardSettings
) -> list[Path]:  # fmt: skip
    source = None if bundled is None else _bundled(bundled)
    written: list[Path] = []
    first = 0
    shares = SHARES["data" if sample in {ZERO_BIAS, NEUTRINO} else "signal"]
    for split, share in shares.items():
        n_split = n_events - first if split == "test" else round(n_events * share)
        n_shards = max(math.ceil(n_split / settings.events_per_shard), 1)
        for shard, rows in enumerate(np.array_split(np.arange(first, first + n_split), n_shards)):
            name = f"{split}-{shard:05d}-of-{n_shards:05d}.parquet"
            written.append(_write_shard(folder / "data" / sample, name, sample, source, rows, settings))
        first += n_split
    return written


def _write_shard(
    folder: Path, name: str, sample: str, source: NDArray[Any] | None, rows: NDArray[np.int64], settings: ShardSettings
) -> Path:  # fmt: skip
    (folder / "seeds").mkdir(parents=True, exist_ok=True)
    writers: list[pyarrow.parquet.ParquetWriter] = []
    split = name.partition("-")[0]
    try:
        for start in range(0, max(len(rows), 1), _BLOCK_EVENTS):
            block = rows[start : start + _BLOCK_EVENTS]
            rng = np.random.default_rng([settings.seed, zlib.crc32(f"{sample} {name}".encode()), start])
            tables = _tables(rng, sample, split, source, block, settings)
            if not writers:
                files = folder / name, folder / "seeds" / name
                writers = [pyarrow.parquet.ParquetWriter(f, t.schema) for f, t in zip(files, tables, strict=True)]
            for writer, table in zip(writers, tables, strict=True):
                writer.write_table(table)
    finally:
        for writer in writers:
            writer.close()
    return folder / name


def _bundled(process: str) -> NDArray[Any]:
    """Give bundled events, (n, 19, 3): pT in GeV, eta, phi in rad of MET, 4 electrons, 4 muons and 10 jets."""
    with h5py.File(str(resources.files("fpgaae.data") / "sample" / f"{process}.h5"), "r") as file:
        return np.asarray(file["Particles"][..., :3])


def _tables(
    rng: np.random.Generator, sample: str, split: str, source: NDArray[Any] | None, rows: NDArray[np.int64],
    settings: ShardSettings,
) -> tuple[pyarrow.Table, pyarrow.Table]:  # fmt: skip
    n = len(rows)
    hard = np.zeros((n, 19, 3)) if source is None else _turned(rng, source[rng.integers(len(source), size=n)])
    if sample == ZERO_BIAS:
        hard[rng.random(n) >= _HARD] = 0
    empty = rng.random(n) < (settings.empty_share if sample == ZERO_BIAS else 0)
    columns: dict[str, Any] = {}
    leading: dict[str, NDArray[np.int64]] = {}
    for collection in _COLLECTIONS:
        own, leading[collection.prefix] = _collection(rng, collection, hard, empty)
        columns |= own
    columns |= _sums(rng, hard, empty)
    seeds = _menu(leading, settings.menu_bits)
    columns |= _plain(rng, sample, split, rows, columns)
    columns["L1bit"] = np.any(list(seeds.values()), axis=0) if seeds else np.zeros(n, dtype=np.bool_)
    keys = {key: columns[key] for key in ("run", "lumi", "event")}
    return pyarrow.table(columns), pyarrow.table(keys | seeds)


def _turned(rng: np.random.Generator, events: NDArray[Any]) -> NDArray[np.float64]:
    """Turn events in phi and mirror them in eta, which a detector does not notice."""
    turned = events.astype(np.float64)
    turned[..., 1] *= rng.choice([-1, 1], size=(len(events), 1))
    turned[..., 2] += rng.uniform(0, 2 * np.pi, size=(len(events), 1))
    return turned


def _collection(
    rng: np.random.Generator, kind: _Collection, hard: NDArray[np.float64], empty: NDArray[np.bool_]
) -> tuple[dict[str, Any], NDArray[np.int64]]:  # fmt: skip
    """Make the columns of a kind of object, and give the word of the hardest pT of each event."""
    n = len(hard)
    taken = hard[:, slice(*kind.slots)] if kind.slots else hard[:, 9:14] * [0.5, 1, 1]
    soft = np.stack([
        2 + rng.exponential(4, (n, kind.most)),
        rng.uniform(-kind.largest_eta, kind.largest_eta, (n, kind.most)),
        rng.uniform(0, 2 * np.pi, (n, kind.most)),
    ], axis=-1)  # fmt: skip
    n_soft = np.maximum(rng.poisson(kind.soft, n), kind.least)
    soft[np.arange(kind.most) >= n_soft[:, None]] = 0
    objects = np.concatenate([taken, soft], axis=1)
    objects[np.abs(objects[..., 1]) > kind.largest_eta] = 0
    order = np.argsort(-objects[..., 0], axis=1, kind="stable")[:, : kind.most]
    objects = np.take_along_axis(objects, order[..., None], axis=1)
    largest = 2**kind.bits - 1
    pt = np.clip(np.rint(objects[..., 0] / 0.5) + kind.offset, 1, largest).astype(np.int16)
    pt[:, 0][rng.random(n) < _OVERFLOW_OBJECT] = largest
    there = (objects[..., 0] > 0) & ~empty[:, None]
    if kind.prefix == "muons":  # whose order is that of the track finders
        mixed = np.argsort(np.where(there, rng.random(there.shape), 2), axis=1)
        pt, there = np.take_along_axis(pt, mixed, axis=1), np.take_along_axis(there, mixed, axis=1)
        objects = np.take_along_axis(objects, mixed[..., None], axis=1)
    eta = np.rint(objects[..., 1] / kind.eta_lsb).astype(np.int16)
    phi = (np.rint(objects[..., 2] / (2 * np.pi / kind.turn)) % kind.turn).astype(np.int16)
    lengths = there.sum(axis=1)
    values = {kind.pt: pt[there], kind.eta: eta[there], kind.phi: phi[there]}
    for name, n_values in kind.others:
        same = {"muonIEta": kind.eta, "muonIPhi": kind.phi}.get(name)
        values[name] = values[same] if same else rng.integers(n_values, size=lengths.sum()).astype(np.int16)
    lists = {f"{kind.prefix}_{name}": _lists(own, lengths, large=True) for name, own in values.items()}
    return lists, np.where(there, pt, 0).max(axis=1).astype(np.int64)


def _lists(values: NDArray[Any], lengths: NDArray[np.int64], *, large: bool) -> Any:  # noqa: ANN401
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    if large:
        return pyarrow.LargeListArray.from_arrays(offsets, pyarrow.array(values))
    return pyarrow.ListArray.from_arrays(offsets.astype(np.int32), pyarrow.array(values))


def _sums(rng: np.random.Generator, hard: NDArray[np.float64], empty: NDArray[np.bool_]) -> dict[str, Any]:
    n = len(hard)
    energy = {"ET": hard[..., 0].sum(axis=1), "HT": hard[:, 9:, 0].sum(axis=1), "MET": hard[:, 0, 0]}
    energy |= {name: energy["MET"] * rng.uniform(0.5, 1.5, n) for name in ("MHT", "FET", "FHT")}
    found = {}
    for name in _SUMS:
        which, _, what = name.partition("_")
        if what == "Et":
            words = np.rint((energy[which] + rng.exponential(8, n)) / 0.5)
        elif what == "phi":
            words = rng.integers(_CALO_TURN, size=n) if which != "MET" else np.rint(
                hard[:, 0, 2] % (2 * np.pi) / (2 * np.pi / _CALO_TURN)
            ) % _CALO_TURN  # fmt: skip
        else:
            words = rng.integers(500, size=n)
        found[name] = np.clip(words, 0, 4095).astype(np.int32)
        found[name][empty] = 0
    found["MET_Et"][rng.random(n) < _OVERFLOW_MET] = 4095
    found["ET_Et"][rng.random(n) < _OVERFLOW_MET] = 4095
    return {name: _lists(words, np.ones(n, dtype=np.int64), large=False) for name, words in found.items()}


def _menu(leading: dict[str, NDArray[np.int64]], n_bits: int) -> dict[str, NDArray[np.bool_]]:
    """Make the bits of a menu: thresholds on the leading object of a kind, most of them high."""
    menu = np.random.default_rng(0)  # the same whatever the events
    kinds = list(leading)
    bits = {}
    for index in range(n_bits):
        kind, threshold = kinds[index % len(kinds)], int(menu.integers(60, 400))
        bits[f"L1_Single_{kind}_{index:03d}_{threshold}"] = leading[kind] >= threshold
    return bits


def _plain(
    rng: np.random.Generator, sample: str, split: str, rows: NDArray[np.int64], columns: dict[str, Any]
) -> dict[str, Any]:  # fmt: skip
    n = len(rows)
    is_data = sample == ZERO_BIAS
    pileup = rng.normal(58, 8, n).clip(1, 90)
    dropped = np.asarray(columns["ET_Et"].flatten()) == 4095
    run = np.where(rows % 2 == 0, *_RUNS) if is_data else np.ones(n)
    return {
        "run": run.astype(np.uint32),
        "lumi": (rows // 500 + 1).astype(np.uint32),
        "bx": rng.integers(3564, size=n).astype(np.uint32),
        "event": rows.astype(np.uint64),
        "orbit": (rows // 3 + 10_000).astype(np.uint64),
        "time": (rows * 25 + 1_700_000_000).astype(np.uint64),
        "nPV_True": pileup.astype(np.float32) if is_data else pileup.astype(np.int32),
        "split": pyarrow.array([split] * n, pyarrow.string()),
        "order": np.where(dropped, -1, rows).astype(np.int64),
        "dataset": pyarrow.array([sample] * n, pyarrow.string()),
        "label": pyarrow.array(["background" if is_data or sample == NEUTRINO else "signal"] * n, pyarrow.string()),
    }
