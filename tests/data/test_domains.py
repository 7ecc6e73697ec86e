"""What all domains have in common: arrays in HDF5 and npz, seeded toys, and a config that names a wrong key."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest
import yaml
from numpy.typing import NDArray
from support import CONFIGS, array_data, read_all, refusal

from fpgaae.config.data import Data
from fpgaae.config.file import load_config
from fpgaae.data.domains.econ_t import ABSENT
from fpgaae.data.readers import event_spans, read_events
from fpgaae.data.source import toy_file
from fpgaae.errors import ConfigError, InputError

CALORIMETER = array_data({"name": "region", "shape": [18, 14], "bits": 10}, "calorimeter")
TOYS = {
    "calorimeter": (CALORIMETER, "toy:dijet:2500"),
    "econ_t": (
        array_data({"name": "charge", "shape": [8, 8], "bits": 12, "absent": list(ABSENT)}, "econ_t"),
        "toy:hot_cells:2500",
    ),
    "images": (array_data({"name": "pixel", "shape": [8, 8], "bits": 5}, "images"), "toy:digits:2500#1"),
    "ising": (
        array_data({"name": "spin", "shape": [4, 4], "bits": 2, "signed": True}, "ising", sweeps=3),
        "toy:ising:2500",
    ),
    "sounds": (
        array_data({"name": "level", "shape": [40], "bits": 8, "signed": True}, "sounds", bands=8), "toy:worn:2500",
    ),
}  # fmt: skip
EACH_TOY = pytest.mark.parametrize(("data", "toy"), TOYS.values(), ids=TOYS)


def _other_seed(data: Data) -> Data:
    return data.model_copy(update={"options": data.options | {"seed": 2}})


def _images(n: int = 300) -> NDArray[np.float32]:
    return np.random.default_rng(1).exponential(3, (n, 18, 14)).astype(np.float32)


def _hdf5(file: Path, **arrays: NDArray[Any]) -> Path:
    with h5py.File(file, "w") as opened:
        for name, values in arrays.items():
            opened[name] = values
    return file


def _npz(file: Path, **arrays: NDArray[Any]) -> Path:
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file


Write = Callable[..., Path]
BOTH = pytest.mark.parametrize("write", [_hdf5, _npz], ids=["hdf5", "npz"])


@BOTH
@pytest.mark.parametrize("chunk_events", [1, 77, 1000])
def test_an_array_file_gives_its_cells(tmp_path: Path, write: Write, chunk_events: int) -> None:
    images = _images()
    file = write(tmp_path / "e.npz", cells=images)
    events = read_all(file, CALORIMETER, chunk_events)
    np.testing.assert_array_equal(events.values, images)
    spans = event_spans(file, CALORIMETER, 100)
    assert len(spans) == (3 if write is _hdf5 else 1)
    parts = [read_all(file, CALORIMETER, 50, span).values for span in spans]
    np.testing.assert_array_equal(np.concatenate(parts), images)


@BOTH
def test_a_wrong_array_gets_its_sentence(tmp_path: Path, write: Write) -> None:
    file = tmp_path / "e.npz"
    write(file, cells=_images()[:, :17])
    assert refusal(file, CALORIMETER) == (
        f"{file}: `cells` has the shape (300, 17, 14), but `hardware.array` needs (events, 18, 14)"
    )
    write(file, towers=_images())
    assert "has no" in refusal(file, CALORIMETER)
    assert refusal(file, CALORIMETER).endswith("`cells` (there: towers); correct `data.dataset`")
    for value, words in (
        (np.nan, "holds a NaN or infinite value; remove or repair such events"),
        (-1, "holds a negative value; set `data.hardware.array.signed` if that is meant"),
    ):
        images = _images()
        images[41, 2, 5] = value
        write(file, cells=images)
        assert refusal(file, CALORIMETER) == f"{file}: event 41, cell 33 {words}"


def test_a_file_of_no_known_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "e.txt"
    file.write_text("1 2 3", encoding="utf-8")
    assert refusal(file, CALORIMETER) == (
        f"{file} is neither an HDF5 nor an npz file nor one that the reader calorimeter knows, or it is truncated; "
        "give one of these"
    )


@EACH_TOY
def test_a_toy_is_the_same_however_it_is_read(data: Data, toy: str) -> None:
    whole = read_all(toy, data, 2500)
    assert len(whole.values) == 2500
    pieces = read_all(toy, data, 700)
    np.testing.assert_array_equal(pieces.values, whole.values)
    np.testing.assert_array_equal(pieces.groups, whole.groups)
    later = read_all(toy, data, 1000, range(1500, 1600))
    np.testing.assert_array_equal(later.values, whole.values[1500:1600])


@EACH_TOY
def test_another_seed_gives_other_events(data: Data, toy: str) -> None:
    short = toy.replace("2500", "64")
    first, again, other = (read_all(short, own).values for own in (data, data, _other_seed(data)))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_kinds_of_a_toy_share_no_event() -> None:
    soft, background = (read_all(f"toy:{kind}:50", CALORIMETER).values for kind in ("soft_bomb", "background"))
    assert not np.isin(soft, background).any()
    assert soft.sum(axis=(1, 2)).mean() > background.sum(axis=(1, 2)).mean()


@pytest.mark.parametrize(
    ("change", "line_of", "sentence"),
    [
        ({"reader": "pictures"}, "reader: pictures", "`data.reader`: there is no reader pictures; there "
         "are calorimeter, econ_t, images, ising, sounds, or name a module that can be imported"),
        ({"reader": "json"}, "reader: json", "`data.reader`: there is no reader json; there are calorimeter, econ_t, "
         "images, ising, sounds, or name a module that can be imported"),
        ({"reader": "xml.dom"}, "reader: xml.dom", "`data.reader`: the module xml.dom is no reader of events; it must "
         "hold READER"),
        ({"options": {"shifts": 1}}, "shifts: 1", "`data.options.shifts`: unknown option; there are seed, shift, turn"),
        ({"options": {"shift": 30}}, "shift: 30", "`data.options.shift`: Input should be less than or equal to 2 "
         "(given: 30)"),
        ({"files": {"others": "toy:letters"}}, "others: toy:letters", "`data.files.others`: there is no toy letters; "
         "the reader images has digits"),
        ({"files": {"others": "events.h5", "layers": "more.h5"}}, "files:", "`data`: `layers` in files is the name of "
         "made-up events; choose another"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_with_its_line(
    tmp_path: Path, change: dict[str, Any], line_of: str, sentence: str
) -> None:
    content = yaml.safe_load((CONFIGS / "digits.yaml").read_text(encoding="utf-8"))
    content["data"] |= change
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    line = 1 + lines.index("data:" if sentence.startswith("`data`:") else line_of)
    assert str(caught.value).lower() == f"{file}, line {line}: {sentence}".lower()


def test_a_toy_needs_a_number_of_events() -> None:
    with pytest.raises(InputError, match=r"^toy:dijet:many: `many` is no number of events; write toy:KIND or toy:KIND"):
        read_all("toy:dijet:many", CALORIMETER)


def test_the_command_line_exits_with_2(
    tmp_path: Path, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_cli("data", CONFIGS / "mnist.yaml", "--runs", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "fpgaae: the event file mnist/train-images-idx3-ubyte.gz of `data.files.others` does not exist; correct "
        f"{CONFIGS / 'mnist.yaml'}\n"
    )


@pytest.mark.parametrize("name", ["sounds", "digits", "mnist", "fashion_mnist"])
def test_the_shipped_configs_are_valid(name: str) -> None:
    load_config(CONFIGS / f"{name}.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "npz", "toy"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, kind: str) -> None:
    data, file = TOYS["econ_t"][0], tmp_path / f"e.{kind}"
    if kind == "csv":
        charges = np.random.default_rng(1).integers(0, 999, (2000, 48)).tolist()
        rows = "\n".join(",".join(map(str, row)) for row in charges)
        with file.open("w", encoding="utf-8") as stream:
            for _ in range(100):
                stream.write(rows + "\n")
    elif kind == "npz":
        np.savez(file, cells=np.ones((200_000, 8, 8)))
    source = file if kind != "toy" else toy_file("toy:electrons:200000", "")
    next(iter(read_events(source, data, 4096)))  # the packages that read it are no part of what grows
    process = psutil.Process()
    before = most = process.memory_info().rss
    n_events = 0
    for chunk in read_events(source, data, 4096):
        n_events += len(chunk.values)
        most = max(most, process.memory_info().rss)
    assert n_events == 200_000
    assert most - before < 130e6, f"{(most - before) / 1e6:.0f} MB"  # of 77 MB as integers and 102 as a map
