"""Which events a process has: conditions, splits and groups that files say, several files, and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from support import make_events, small_config

from fpgaae.data.selection import joined_groups
from fpgaae.data.splits import SPLITS
from fpgaae.data.store import EventStore, EventWriter
from fpgaae.errors import ConfigError, InputError
from fpgaae.pipeline import run
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.results.data import DataResult, SeenEvents
from fpgaae.runs.run import RunOptions

N = 1500
Arrays = dict[str, Any]


def _arrays(n: int = N, seed: int = 1) -> Arrays:
    rng = np.random.default_rng(seed)
    return {
        "Particles": make_events(n, seed),
        "Group": np.arange(n) // 2,
        "good": rng.random(n) < 0.8,
        "nPV": rng.integers(10, 60, n),
        "era": np.array([b"A", b"B"])[rng.integers(2, size=n)],
        "split": np.array([b"train", b"valid", b"test"])[rng.integers(3, size=n)],
        "lumi": np.arange(n) % 7,
        "w": rng.random(n),
    }


def _hdf5(file: Path, arrays: Arrays) -> Path:
    with h5py.File(file, "w") as opened:
        for name, array in arrays.items():
            opened[name] = array
    return file


def _npz(file: Path, arrays: Arrays) -> Path:
    with file.open("wb") as stream:
        np.savez(stream, **arrays)
    return file


each = pytest.mark.parametrize("write", [_hdf5, _npz], ids=["hdf5", "npz"])
Write = Callable[[Path, Arrays], Path]


def _run(folder: Path, data: Arrays, **other: Any) -> tuple[DataResult, EventStore]:  # noqa: ANN401
    data = dict(data)
    files = data.pop("files", {"background": "b.dat"})
    fit = {"reference": {"batch_size": 64}, "quantized": {"batch_size": 64}}
    config = small_config(folder, data={"group": None} | data, training=fit, **other)
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content["data"]["files"] = files  # these only
    config.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    experiment = open_experiment(config, folder / "runs")
    result = run(experiment, "data", RunOptions()).result
    assert isinstance(result, DataResult)
    return result, EventStore(experiment.stage_folder("data"))


def _total(result: DataResult, process: str = "background") -> int:
    return int(sum(result.events[process].values()))


def _seen(result: DataResult) -> SeenEvents:
    assert result.seen is not None
    return result.seen["background"]


@each
def test_conditions_choose_events(tmp_path: Path, write: Write) -> None:
    arrays = _arrays()
    write(tmp_path / "b.dat", arrays)
    where = ["good == true", "nPV >= 20", 'era != "A"']
    result, store = _run(tmp_path, {"where": where, "columns": {"pileup": "nPV"}})
    kept = arrays["good"] & (arrays["nPV"] >= 20) & (arrays["era"] != b"A")
    assert _total(result) == kept.sum()
    assert _seen(result).dropped["where"] == N - kept.sum()
    found = np.concatenate([store.columns("background", split)["pileup"] for split in SPLITS])
    assert sorted(found) == sorted(arrays["nPV"][kept])


@each
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"where": ["nPV > 60"]}, "of 1,500 events none is left (left out: 1,500 by `where`)"),
        ({"where": ["era > 1"]}, "the column `era` holds text, but `data.where` compares it with a number, 1"),
        ({"where": ["nPV == 'A'"]}, "`nPV` holds int64 values, but `data.where` compares it with a text, 'A'"),
        ({"where": ["npv > 1"]}, "`npv` (there: "),
        ({"split": {"column": "era"}}, "the column `era` says `"),
        ({"split": {"column": "split", "names": {"train": ["train"]}}}, "which is no split (train)"),
        ({"where": ["Particles > 1"]}, "`Particles` has the shape (1500, 19, 4), not (1500,); correct `data.where`"),
    ],
    ids=["none-left", "text", "number", "missing", "no-split", "unnamed-split", "matrix"],
)
def test_a_selection_that_can_not_be_is_one_sentence(tmp_path: Path, write: Write, data: Arrays, words: str) -> None:
    write(tmp_path / "b.dat", _arrays())
    with pytest.raises(InputError) as caught:
        _run(tmp_path, data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@each
def test_a_split_that_the_file_says_is_taken(tmp_path: Path, write: Write) -> None:
    arrays = _arrays()
    write(tmp_path / "b.dat", arrays)
    result, store = _run(tmp_path, {"split": {"column": "split"}, "columns": {"weight": "w"}})
    for name, said in (("train", b"train"), ("validation", b"valid"), ("test", b"test")):
        mine = arrays["split"] == said
        assert result.events["background"][name] == mine.sum()
        assert np.array_equal(store.columns("background", name)["weight"], arrays["w"][mine])


def test_files_by_split_lists_and_patterns_are_one_process(tmp_path: Path) -> None:
    parts = {name: _arrays(400, seed) for seed, name in enumerate(("t1", "t2", "v", "x1", "x2"))}
    for name, arrays in parts.items():
        _hdf5(tmp_path / f"{name}.h5", arrays)
    files = {"train": ["t1.h5", "t2.h5"], "validation": "v.h5", "test": "x*.h5"}
    result, store = _run(tmp_path, {"files": {"background": files}})
    assert result.events["background"] == {"train": 800, "validation": 400, "test": 800}
    together = _run(tmp_path / "one", {"files": {"background": [str(tmp_path / f"{n}.h5") for n in ("x1", "x2")]}})
    assert _total(together[0]) == 800
    groups = store.groups("background", "test")
    assert len(set(groups.tolist())) == 800, "without a group, each event of each file is its own"
    codes = store.read("background", "test", 0, 800)
    single = _run(tmp_path / "two", {"files": {"background": {"train": str(tmp_path / "t1.h5"),
                  "validation": str(tmp_path / "v.h5"), "test": str(tmp_path / "x2.h5")}}})[1]  # fmt: skip
    assert np.array_equal(codes[400:], single.read("background", "test", 0, 400))


def test_a_folder_is_the_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    for seed in range(3):
        _hdf5(tmp_path / "shards" / f"{seed}.h5", _arrays(300, seed))
    (tmp_path / "shards" / "notes.txt").write_text("no events")
    result, _ = _run(tmp_path, {"files": {"background": "shards"}})
    assert _total(result) == 900
    assert result.files["background"] == "0.h5 and 2 more"


@pytest.mark.parametrize(
    "files",
    [["a.npz", "b.npz", "a.npz"], ["*.npz", "b.npz"], {"train": "a.npz", "validation": "b.npz", "test": "a.npz"}],
    ids=["list", "pattern", "splits"],
)
def test_a_file_that_a_process_has_twice_is_refused(tmp_path: Path, files: Any) -> None:  # noqa: ANN401
    for name in ("a", "b"):
        _npz(tmp_path / f"{name}.npz", _arrays(300))
    with pytest.raises(InputError, match=r"`data.files.background` has .*\.npz twice.* would count twice"):
        _run(tmp_path, {"files": {"background": files}})


def test_two_splits_are_refused(tmp_path: Path) -> None:
    files = {"background": {"train": "a.h5", "test": "b.h5"}}
    with pytest.raises(ConfigError, match=r"`data\.split\.column`: the files of background are divided into splits"):
        _run(tmp_path, {"files": files, "split": {"column": "split"}})


@each
def test_a_group_of_several_columns_stays_together(tmp_path: Path, write: Write) -> None:
    arrays = _arrays()
    write(tmp_path / "b.dat", arrays)
    _, store = _run(tmp_path, {"group": ["Group", "lumi"], "columns": {"run": "Group", "pileup": "lumi"}})
    of: dict[tuple[float, float], tuple[str, int]] = {}
    for split in SPLITS:
        columns = store.columns("background", split)
        for run_, lumi, group in zip(columns["run"], columns["pileup"], store.groups("background", split), strict=True):
            assert of.setdefault((run_, lumi), (split, group)) == (split, group)
    assert (
        len({group for _, group in of.values()}) == len(of) == len({*zip(arrays["Group"], arrays["lumi"], strict=True)})
    )


def test_one_column_of_groups_stays_as_it_is() -> None:
    column = np.array([3, 2**40, -1])
    assert joined_groups([column]).tolist() == column.tolist()
    a, b = np.array([1, 2, 1]), np.array([2, 1, 2], dtype=np.uint32)
    first, second, third = joined_groups([a, b]).tolist()
    assert first == third != second


def test_one_group_is_said_and_not_a_batch_size(tmp_path: Path) -> None:
    _hdf5(tmp_path / "b.dat", _arrays() | {"Group": np.full(N, 362_000)})
    with pytest.raises(InputError, match=r"all 1,500 events are of one group, 362000, by `data\.group`"):
        _run(tmp_path, {"group": "Group"})


@pytest.mark.parametrize("choice", ["keep", "drop"])
def test_events_without_objects_are_counted(tmp_path: Path, choice: str) -> None:
    arrays = _arrays()
    arrays["Particles"][100:110] = 0
    _hdf5(tmp_path / "b.dat", arrays)
    result, store = _run(tmp_path, {"empty_events": choice, "columns": {"weight": "w"}})
    seen = _seen(result)
    lost = arrays["w"][100:110].sum() / arrays["w"].sum() if choice == "drop" else 0
    assert seen.dropped_share == pytest.approx(lost)  # by weight
    assert (seen.events_read, seen.empty_events) == (N, 10)
    assert seen.dropped["empty"] == (0 if choice == "keep" else 10)
    assert _total(result) == N - seen.dropped["empty"]
    warned = any("10 of 1,500 events were left out as empty or saturated" in text for text in result.warnings)
    assert warned is (choice == "drop")
    codes = np.concatenate([store.read("background", split, 0, N) for split in SPLITS])
    assert (~codes.any(axis=1)).sum() == (10 if choice == "keep" else 0)


@each
def test_negative_weights_are_refused(tmp_path: Path, write: Write) -> None:
    arrays = _arrays()
    arrays["w"][77] = -1
    write(tmp_path / "b.dat", arrays)
    with pytest.raises(InputError, match="the weight of event 77 is negative"):
        _run(tmp_path, {"columns": {"weight": "w"}})


@pytest.mark.parametrize("process", ["a/b", ".", "..", "50 %", "H→ττ", "a/b/test", "ggH-125 (13.6 TeV)"])
def test_a_process_may_have_any_name(tmp_path: Path, process: str) -> None:
    codes = np.arange(12).reshape(4, 3)
    with EventWriter(tmp_path, 3, np.int16) as writer:
        writer.append("a", "test", codes + 100, np.zeros(4, dtype=np.int64))
        writer.append(process, "test", codes, np.arange(4), {"pileup": np.ones(4)})
    store = EventStore(tmp_path)
    assert store.count(process, "test") == 4
    assert np.array_equal(store.read(process, "test", 0, 4), codes)
    assert np.array_equal(next(store.chunks(process, "test", 9)), codes)
    assert store.groups(process, "test").tolist() == [0, 1, 2, 3]
    assert store.columns(process, "test")["pileup"].tolist() == [1] * 4
    assert np.array_equal(store.read("a", "test", 0, 4), codes + 100)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a\nb", "a process needs a name of printable characters"),
        (" a", "a process needs a name of printable characters"),
        ("", "a process needs a name of printable characters"),
        ("a\x00", "holds a character that is no text"),
    ],
)
def test_a_name_that_can_not_be_printed_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        _run(tmp_path, {"files": {"background": "b.dat", name: "b.dat"}})


def test_a_split_without_any_weight_is_refused(tmp_path: Path) -> None:
    arrays = _arrays()
    arrays["w"][:] = 0
    _hdf5(tmp_path / "b.dat", arrays)
    with pytest.raises(InputError, match="events of the train split are 0, so that shares of them are none"):
        _run(tmp_path, {"columns": {"weight": "w"}})


def test_a_file_of_background_and_signal_is_said(tmp_path: Path) -> None:
    for name in ("b", "c"):
        _npz(tmp_path / f"{name}.npz", _arrays(400))
    (tmp_path / "link.npz").symlink_to(tmp_path / "b.npz")
    result, _ = _run(tmp_path, {"files": {"background": "b.npz", "same": ["c.npz", "link.npz"], "other": "c.npz"}})
    (warned,) = (text for text in result.warnings if "the same events" in text)
    assert warned.startswith("same: ")
    assert warned.endswith("link.npz is a file of background, too, so that the same events are both")


@each
def test_a_text_beyond_every_name_is_refused(tmp_path: Path, write: Write) -> None:
    """All texts of a chunk took the memory of the longest."""
    arrays = _arrays(60) | {"era": np.array(["A"] * 59 + ["B" * 5000], dtype=object)}
    if write is _npz:
        arrays["era"] = arrays["era"].astype("U")
    write(tmp_path / "b.dat", arrays)
    with pytest.raises(InputError, match="more than 4,096; shorten it"):
        _run(tmp_path, {"where": ["era == 'A'"]})
