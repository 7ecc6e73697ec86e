"""Images of classes, of which one is held out as the anomaly: digits, and MNIST or Fashion-MNIST in IDX files.

`PATH#0-2,4-9` chooses classes; the labels lie beside the images under the standard name (`...-images-idx3-ubyte` and
`...-labels-idx1-ubyte`, also with `.gz`). `toy:digits#3` are the 8 x 8 digits that scikit-learn holds, 1,797 of them;
`toy:digits:20000#3` draws from them with small shifts and turns, and those of one original have one group.
The format: http://yann.lecun.com/exdb/mnist (L. Bottou).
"""

from __future__ import annotations

import gzip
from math import prod
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits

from fpgaae.config.data import Data
from fpgaae.data.source import EventChunk, EventFile, Reader, Source
from fpgaae.errors import InputError
from fpgaae.limits import IMAGES_BYTES, in_mebibytes
from fpgaae.section import Section

_IMAGES, _LABELS = "images-idx3", "labels-idx1"
_UNSIGNED_BYTES = 8
_GZIP = b"\x1f\x8b"
_BLOCK = 1024


class Options(Section):
    """Of the digits that are drawn."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    shift: Annotated[float, Field(ge=0, le=2)] = 0.7  # standard deviation in pixels
    turn: Annotated[float, Field(ge=0, le=45)] = 7.0  # standard deviation in degrees


class _Chosen(Source):
    """Images whose class was chosen, in memory: MNIST is 47 MB."""

    def __init__(self, images: NDArray[np.uint8], groups: NDArray[np.int64]) -> None:
        self._images, self._groups = images, groups
        self.n_events = len(images)

    def read(self, start: int, count: int) -> EventChunk:
        """Give consecutive images."""
        rows = slice(start, start + count)
        return EventChunk(start, self._images[rows], self._groups[rows])

    def close(self) -> None:
        """Release nothing."""


class _Drawn(Source):
    """Images drawn from others with small shifts and turns, block by block."""

    def __init__(self, originals: _Chosen, n_events: int, options: Options) -> None:
        self._originals, self._options, self.n_events = originals, options, n_events

    def read(self, start: int, count: int) -> EventChunk:
        """Draw consecutive images."""
        blocks = [self._block(index) for index in range(start // _BLOCK, (start + count - 1) // _BLOCK + 1)]
        rows = slice(start % _BLOCK, start % _BLOCK + count)
        images, groups = (np.concatenate(parts)[rows] for parts in zip(*blocks, strict=True))
        return EventChunk(start, images, groups)

    def close(self) -> None:
        """Release nothing."""

    def _block(self, index: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        rng = np.random.default_rng([self._options.seed, index])
        chunk = self._originals.read(0, self._originals.n_events)
        chosen = rng.integers(self._originals.n_events, size=_BLOCK)
        shifts = rng.normal(0, self._options.shift, size=(_BLOCK, 2))
        turns = np.deg2rad(rng.normal(0, self._options.turn, size=_BLOCK))
        pairs = zip(chunk.values[chosen].astype(np.float64), turns, shifts, strict=True)
        return np.stack([_moved(*pair) for pair in pairs]), chunk.groups[chosen]


def _moved(image: NDArray[np.float64], turn: float, shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn an image around its centre and shift it."""
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = (np.array(image.shape) - 1) / 2
    offset = centre - rotation @ (centre + shift)
    moved = affine_transform(image, rotation, offset=offset, order=1, mode="grid-constant")  # fades out over the edge
    return np.asarray(np.clip(moved, 0, image.max()))


def _classes(selection: str, file: EventFile) -> set[int]:
    """Read a selection such as `0-2,4-9`."""
    chosen: set[int] = set()
    for part in filter(None, selection.split(",")):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise InputError(f"{file}: `#{selection}` is no list of classes; write it as in #0-2,4-9")
        chosen |= set(range(int(first), int(last or first) + 1))
    return chosen


def _choose(images: NDArray[np.uint8], labels: NDArray[Any], file: EventFile) -> _Chosen:
    classes = _classes(file.selection, file) or set(labels.tolist())
    mask = np.isin(labels, sorted(classes))
    if not mask.any():
        raise InputError(f"{file} has no image of the classes #{file.selection}; it has {sorted(set(labels.tolist()))}")
    return _Chosen(images[mask], np.flatnonzero(mask))


def read_idx(path: Path, n_axes: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzip.

    Raises
    ------
    InputError
        If it is not such a file, or is shorter than it says.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            return _read_idx(stream, n_axes, path)
    except (OSError, EOFError) as error:
        raise InputError(f"{path} is damaged ({error}); copy it again") from None


def _read_idx(stream: BinaryIO | gzip.GzipFile, n_axes: int, path: Path) -> NDArray[np.uint8]:
    magic = stream.read(4)
    if len(magic) != 4 or magic[:2] != b"\0\0" or magic[2] != _UNSIGNED_BYTES or magic[3] != n_axes:
        raise InputError(f"{path} is no IDX file of unsigned bytes with {n_axes} axes; give the original file")
    shape = np.frombuffer(stream.read(4 * n_axes), dtype=">u4").astype(int)
    content = stream.read(IMAGES_BYTES + 1)
    if len(content) > IMAGES_BYTES:
        raise InputError(f"{path} holds more than {in_mebibytes(IMAGES_BYTES)}; divide it into several files")
    if len(shape) != n_axes or len(content) != prod(shape.tolist()):
        raise InputError(f"{path} holds {len(content)} bytes, but its head says {tuple(shape.tolist())}; copy it again")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _labels_of(images: Path) -> list[Path]:
    """Give the file with the labels of an IDX file of images; of another file, none."""
    return [images.with_name(images.name.replace(_IMAGES, _LABELS))] if _IMAGES in images.name else []


def _open(file: EventFile, data: Data, options: Options) -> Source | None:
    if file.path is None:
        digits = load_digits()
        chosen = _choose(digits.images.astype(np.uint8), digits.target, file)
        given_number = ":" in file.name.removeprefix("toy:")
        return _checked(_Drawn(chosen, file.n_toy_events, options) if given_number else chosen, chosen, file, data)
    if not _labels_of(file.path):
        return None
    (labels,) = _labels_of(file.path)
    if not labels.is_file():
        raise InputError(f"the labels {labels} of {file} are missing; put them beside the images")
    images, classes = read_idx(file.path, 3), read_idx(labels, 1)
    if len(images) != len(classes):
        raise InputError(f"{file} holds {len(images)} images, but {labels.name} {len(classes)} labels; copy them again")
    chosen = _choose(images, classes, file)
    return _checked(chosen, chosen, file, data)


def _checked(source: Source, chosen: _Chosen, file: EventFile, data: Data) -> Source:
    shape = chosen.read(0, 1).values.shape[1:]
    wanted = data.hardware.array.shape if data.hardware.array else ()
    if shape != wanted:
        raise InputError(
            f"{file} holds images of {shape}, but `data.hardware.array.shape` is {list(wanted)}; correct it"
        )
    return source


READER = Reader(Options, _open, ("digits",), _labels_of)
