"""Made-up shards of the public CMS set: their schema, and what the stage `data` makes of them, by a plain loop."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import yaml
from support import CONFIGS

from fpgaae.config.file import load_config
from fpgaae.data.cms_shards import NEUTRINO, ZERO_BIAS, ShardSettings, write_shards
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.pipeline import run
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.results.data import DataResult, SeenEvents
from fpgaae.runs.run import RunOptions

SETTINGS = ShardSettings(4000, 500, 900, ("ato4l",), menu_bits=6, seed=3)
KINDS = (  # prefix, columns, slots, largest pT, steps of a turn, in the order of the preset
    ("muons", ("muonIEt", "muonIEtaAtVtx", "muonIPhiAtVtx"), 4, 511, 576),
    ("jets", ("jetIEt", "jetIEta", "jetIPhi"), 10, 2047, 144),
    ("egammas", ("egIEt", "egIEta", "egIPhi"), 12, 511, 144),
    ("taus", ("tauIEt", "tauIEta", "tauIPhi"), 12, 511, 144),
)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cms")
    write_shards(folder, SETTINGS)
    return folder


def _config(folder: Path, shards: Path, **data: Any) -> Path:  # noqa: ANN401
    files = {"background": str(shards / "data" / ZERO_BIAS), "H → aa (4 lep)/x": str(shards / "data/ato4l/*.parquet")}
    content = {
        "extends": [str(CONFIGS / "l1_ae.yaml"), "preset:cmsl1t_parquet"],
        "data": {"files": files} | data,
        "training": {"reference": {"batch_size": 256}, "quantized": {"batch_size": 256}},
    }
    file = folder / "cms.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return file


def _run(config: Path, runs: Path) -> tuple[DataResult, EventStore]:
    experiment = open_experiment(config, runs)
    result = run(experiment, "data", RunOptions()).result
    assert isinstance(result, DataResult)
    return result, EventStore(experiment.stage_folder("data"))


def _seen(result: DataResult) -> SeenEvents:
    assert result.seen is not None
    return result.seen["background"]


def _rows(folder: Path, split: str) -> list[dict[str, Any]]:
    files = sorted(folder.glob(f"{split}-*.parquet"))
    return [row for file in files for row in pyarrow.parquet.read_table(file).to_pylist()]


def _centred(phi: int, steps: int) -> int:
    return phi if phi < steps // 2 else phi - steps


def _expected(row: dict[str, Any]) -> list[int]:
    """The codes of an event, word by word."""
    met = row["MET_Et"][0]
    codes = [0, 0, 0] if met in (0, 4095) else [met, 0, _centred(row["MET_phi"][0], 144)]
    for prefix, columns, slots, largest, steps in KINDS:
        objects = list(zip(*(row[f"{prefix}_{column}"] for column in columns), strict=True))
        objects.sort(key=lambda found: -found[0])
        for slot in range(slots):
            pt, eta, phi = objects[slot] if slot < len(objects) else (0, 0, 0)
            codes += [0, 0, 0] if pt in (0, largest) else [pt, eta, _centred(phi, steps)]
    return codes


def test_the_schema_is_the_published_one(shards: Path) -> None:
    names = [file.name for file in sorted((shards / "data" / ZERO_BIAS).glob("*.parquet"))]
    assert names == ["test-00000-of-00001.parquet", *(f"train-0000{i}-of-00003.parquet" for i in range(3)),
                     "valid-00000-of-00001.parquet"]  # fmt: skip
    schema = pyarrow.parquet.read_schema(shards / "data" / ZERO_BIAS / names[0])
    for prefix, columns, *_ in KINDS:
        assert all(pyarrow.types.is_large_list(schema.field(f"{prefix}_{column}").type) for column in columns)
    assert pyarrow.types.is_list(schema.field("MET_Et").type)
    wanted = {"run": "uint32", "lumi": "uint32", "bx": "uint32", "event": "uint64", "orbit": "uint64", "time": "uint64",
              "nPV_True": "float", "split": "string", "order": "int64", "L1bit": "bool"}  # fmt: skip
    assert {name: str(schema.field(name).type) for name in wanted} == wanted
    neutrino = pyarrow.parquet.read_schema(next((shards / "data" / NEUTRINO).glob("*.parquet")))
    assert str(neutrino.field("nPV_True").type) == "int32"
    assert not list((shards / "data/ato4l").glob("train-*"))


def test_the_shards_have_what_surprises_readers(shards: Path) -> None:
    rows = _rows(shards / "data" / ZERO_BIAS, "train")
    muons = [row["muons_muonIEt"] for row in rows]
    assert any(pt != sorted(pt, reverse=True) for pt in muons)
    assert any(not pt for pt in muons)
    assert any(row["MET_Et"] == [4095] for row in rows)
    assert any(511 in row["egammas_egIEt"] for row in rows)
    assert any(len(row["jets_jetIEt"]) > 10 for row in rows)
    assert max(phi for row in rows for phi in row["muons_muonIPhiAtVtx"]) > 287
    assert all(row["order"] >= -1 and (row["order"] == -1) == (row["ET_Et"] == [4095]) for row in rows)
    seeds = sorted((shards / "data" / ZERO_BIAS / "seeds").glob("train-*"))
    menu = pyarrow.parquet.read_table(seeds[0])
    bits = np.any([menu.column(name).to_numpy() for name in menu.column_names[3:]], axis=0)
    assert len(menu.column_names) == 3 + SETTINGS.menu_bits
    assert bits.tolist() == [row["L1bit"] for row in rows[: len(bits)]]


def test_shards_are_the_same_again(shards: Path, tmp_path: Path) -> None:
    again = write_shards(tmp_path, SETTINGS)
    for file in again[ZERO_BIAS]:
        other = shards / file.relative_to(tmp_path)
        assert pyarrow.parquet.read_table(file).equals(pyarrow.parquet.read_table(other))


@pytest.mark.slow
def test_the_codes_are_those_of_a_loop_over_words(shards: Path, tmp_path: Path) -> None:
    result, store = _run(_config(tmp_path, shards, group=["run", "lumi"]), tmp_path / "runs")
    signal = "H → aa (4 lep)/x"
    for process, sample, split, name in (
        ("background", ZERO_BIAS, "train", "train"),
        ("background", ZERO_BIAS, "valid", "validation"),
        ("background", ZERO_BIAS, "test", "test"),
        (signal, "ato4l", "test", "test"),
    ):
        rows = [row for row in _rows(shards / "data" / sample, split) if row["order"] >= 0]
        found = store.read(process, name, 0, len(rows) + 1)
        assert found.tolist() == [_expected(row) for row in rows]
        assert result.events[process][name] == len(rows)
        columns = store.columns(process, name)
        assert columns["pileup"].tolist() == [row["nPV_True"] for row in rows]
        assert columns["existing_trigger"].tolist() == [row["L1bit"] for row in rows]
        pairs = {(row["run"], row["lumi"]): group for row, group in zip(rows, store.groups(process, name), strict=True)}
        assert len(set(pairs.values())) == len(pairs)
    rows = [row for split in ("train", "valid", "test") for row in _rows(shards / "data" / ZERO_BIAS, split)]
    dropped = sum(row["order"] < 0 for row in rows)
    assert _seen(result).dropped == {"where": dropped, "empty": 0, "saturated": 0}
    assert result.files["background"] == "test-00000-of-00001.parquet and 4 more"
    assert len(result.feature_types) == 39 * 3


def test_overflows_do_not_widen_the_steps(shards: Path, tmp_path: Path) -> None:
    """Seven in a thousand at 4095 would make the spread of MET three times as large."""
    hardware = {"saturated": "keep"}
    result, store = _run(_config(tmp_path, shards, hardware=hardware), tmp_path / "runs")
    met = store.read("background", "train", 0, 10**6)[:, 0]
    assert (met == 4095).any()
    real = met[met != 4095]
    found = result.feature_types[0]
    assert found.shift == round(math.log2(real.std()))
    assert found.shift < round(math.log2(met.std()))
    assert found.offset == round(real.mean())


def test_saturated_events_are_dropped_and_counted(shards: Path, tmp_path: Path) -> None:
    hardware = {"saturated": "drop"}
    result, store = _run(_config(tmp_path, shards, hardware=hardware, where=[]), tmp_path / "runs")
    codes = store.read("background", "train", 0, 10**6)
    assert not (codes[:, 0] == 4095).any()
    seen = _seen(result)
    assert seen.dropped["saturated"] >= seen.largest_pt["met"] > 0
    assert sum(result.events["background"].values()) + seen.dropped["saturated"] == SETTINGS.events


def test_a_shard_with_other_columns_is_named(shards: Path, tmp_path: Path) -> None:
    first, second = sorted((shards / "data" / ZERO_BIAS).glob("*.parquet"))[:2]
    other = tmp_path / "other.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(second).drop_columns(["bx", "time"]), other)
    config = _config(tmp_path, shards, files={"background": [str(first), str(other)]})
    with pytest.raises(InputError) as caught:
        _run(config, tmp_path / "runs")
    assert str(caught.value) == (
        f"{other} has other columns than {first}, the first file of its process: it lacks `bx`, `time`; give files of "
        "one kind"
    )


def test_a_shard_that_ends_early_is_named(shards: Path, tmp_path: Path) -> None:
    file = tmp_path / "short.parquet"
    file.write_bytes(next((shards / "data" / ZERO_BIAS).glob("train-*")).read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"short\.parquet is .*copy it again|short\.parquet is .*truncated"):
        _run(_config(tmp_path, shards, files={"background": [str(file)]}), tmp_path / "runs")


def test_muon_phi_of_a_calorimeter_is_refused_with_the_cure(shards: Path, tmp_path: Path) -> None:
    """What was folded by 144 without a word."""
    words = load_config(_config(tmp_path, shards)).model_dump(mode="json")["data"]["hardware"]["objects"]
    muon = {"name": "muon", "slots": 4, "pt_bits": 9, "eta_bits": 9, "phi_bits": 8}
    config = _config(tmp_path, shards, hardware={"objects": [words[0], muon, *words[2:]]})
    with pytest.raises(InputError) as caught:
        _run(config, tmp_path / "runs")
    said = str(caught.value)
    assert "the phi of muon (the column `muons_muonIPhiAtVtx`) is " in said
    assert "but its declaration holds -72 to 143" in said
    assert said.endswith("declare `phi` of muon as it arrives: its bits, its sign and the `steps` of its turn")
