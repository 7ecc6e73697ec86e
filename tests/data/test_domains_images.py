"""Images of classes: IDX files, plain and packed, give the chosen classes; digits are drawn the same for one seed."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from support import CONFIGS, array_data, read_all, refusal

from fpgaae.config.data import Split
from fpgaae.config.file import load_config
from fpgaae.data.readers import event_hashes, read_events
from fpgaae.data.source import EventFile
from fpgaae.data.splits import split_of_groups

SMALL = array_data({"name": "pixel", "shape": [3, 4], "bits": 8}, "images")
DIGITS = array_data({"name": "pixel", "shape": [8, 8], "bits": 5}, "images")
LABELS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3], dtype=np.uint8)
IMAGES = np.random.default_rng(1).integers(0, 256, (10, 3, 4), dtype=np.uint8)


def _idx(values: NDArray[np.uint8]) -> bytes:
    """Write an IDX file by hand: two zeros, the type, the number of axes, their lengths, and the bytes."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def _write(folder: Path, ending: str = "") -> Path:
    for name, values in (("train-images-idx3-ubyte", IMAGES), ("train-labels-idx1-ubyte", LABELS)):
        content = _idx(values)
        (folder / f"{name}{ending}").write_bytes(gzip.compress(content) if ending else content)
    return folder / f"train-images-idx3-ubyte{ending}"


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("selection", "chosen"), [("", range(10)), ("1", [1, 3]), ("0-3,9", [0, 1, 3, 5, 6, 9])], ids=["all", "one", "some"]
)
def test_idx_files_give_the_chosen_classes(
    tmp_path: Path, ending: str, selection: str, chosen: range | list[int]
) -> None:
    file = _write(tmp_path, ending)
    (chunk,) = read_events(EventFile(str(file), file, selection=selection), SMALL)
    np.testing.assert_array_equal(chunk.values, IMAGES[list(chosen)])
    assert chunk.groups.tolist() == list(chosen)


def test_wrong_idx_files_get_their_sentence(tmp_path: Path) -> None:
    file = _write(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    assert refusal(file, DIGITS) == (
        f"{file} holds images of (3, 4), but `data.hardware.array.shape` is [8, 8]; correct it"
    )
    labels.write_bytes(_idx(LABELS[:9]))
    assert refusal(file, SMALL) == f"{file} holds 10 images, but {labels.name} 9 labels; copy them again"
    labels.unlink()
    assert refusal(file, SMALL) == f"the labels {labels} of {file} are missing; put them beside the images"
    _write(tmp_path)
    file.write_bytes(_idx(IMAGES)[:-5])
    assert refusal(file, SMALL) == f"{file} holds 115 bytes, but its head says (10, 3, 4); copy it again"
    file.write_bytes(b"P5 3 4 255" + bytes(120))
    wrong = f"{file} is no IDX file of unsigned bytes with 3 axes; give the original file"
    assert refusal(file, SMALL) == wrong
    file.write_bytes(gzip.compress(_idx(IMAGES))[:-20])
    assert refusal(file, SMALL).startswith(f"{file} is damaged (")


def test_classes_that_are_none_are_named() -> None:
    assert refusal("toy:digits#17", DIGITS) == (
        "toy:digits has no image of the classes #17; it has [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
    )
    assert refusal("toy:digits#sevens", DIGITS) == (
        "toy:digits: `#sevens` is no list of classes; write it as in #0-2,4-9"
    )


def test_the_digits_are_those_of_scikit_learn() -> None:
    digits = load_digits()
    events = read_all("toy:digits#7", DIGITS)
    np.testing.assert_array_equal(events.values, digits.images[digits.target == 7])
    assert events.groups.tolist() == np.flatnonzero(digits.target == 7).tolist()


def test_drawn_digits_look_like_their_originals_and_share_their_split() -> None:
    data = array_data({"name": "pixel", "shape": [8, 8], "bits": 5}, "images", shift=0.2, turn=2)
    events = read_all("toy:digits:1000#3", data)
    originals = load_digits().images[events.groups]
    assert np.corrcoef(events.values.ravel(), originals.ravel())[0, 1] > 0.95
    assert set(load_digits().target[events.groups]) == {3}
    split = split_of_groups(events.groups, Split(), seed=1)
    assert len(np.unique(events.groups)) < 190
    assert all(len(set(split[events.groups == group])) == 1 for group in np.unique(events.groups))


def test_turning_and_shifting_by_nothing_gives_the_originals() -> None:
    data = array_data({"name": "pixel", "shape": [8, 8], "bits": 5}, "images", shift=0, turn=0)
    events = read_all("toy:digits:50", data)
    np.testing.assert_allclose(events.values, load_digits().images[events.groups], atol=1e-12)


def test_other_labels_are_other_events(tmp_path: Path) -> None:
    """What was made with the labels before was taken for current."""
    config = load_config(CONFIGS / "mnist.yaml")
    data = SMALL.model_copy(update={"files": {"background": f"{_write(tmp_path).name}#1"}})
    config = config.model_copy(update={"data": data})
    before = event_hashes(config, tmp_path / "e.yaml")
    assert event_hashes(config, tmp_path / "e.yaml") == before
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(_idx(LABELS[::-1]))
    assert event_hashes(config, tmp_path / "e.yaml")["background"] != before["background"]
