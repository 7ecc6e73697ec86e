"""Python binding of the emulator of @NAME@: needs NumPy and lib@NAME@_emulator.so (`make`)."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

NAME = "@NAME@"


class Emulator:
    """The firmware's exact score and decisions; several versions may be open at once.

    Parameters
    ----------
    library
        The compiled library; by default the one beside this file.
    """

    def __init__(self, library: str | Path = Path(__file__).parent / f"lib{NAME}_emulator.so") -> None:
        library = ctypes.CDLL(str(Path(library).resolve()))
        self._batch = library[f"{NAME}_score_batch"]
        self._batch.restype = None
        self._batch.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
        self._count_beyond = library[f"{NAME}_check"]
        self._count_beyond.restype = ctypes.c_int64
        self._count_beyond.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
        self.hash, self.weights_hash, self.types_hash = (
            _text(library[f"{NAME}_{kind}"]) for kind in ("hash", "weights_hash", "types_hash")
        )
        self.n_features = int(library[f"{NAME}_n_features"]())
        self.n_thresholds = int(library[f"{NAME}_n_thresholds"]())
        self.score_fraction = int(library[f"{NAME}_score_fraction"]())
        self.n_latents = int(library[f"{NAME}_n_latents"]())
        self._latents_batch = library[f"{NAME}_latents_batch"]
        self._latents_batch.restype = None
        self._latents_batch.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)

        self.n_cells = int(library[f"{NAME}_n_cells"]())
        self._decide, self._decide_with = (library[f"{NAME}_decide{kind}"] for kind in ("", "_with"))
        self._decide.restype = self._decide_with.restype = None
        self._decide.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        self._decide_with.argtypes = (*self._decide.argtypes, ctypes.c_void_p)

        name, smallest, largest = (library[f"{NAME}_{of}"] for of in ("feature", "smallest", "largest"))
        name.restype = ctypes.c_char_p
        self.features = tuple(name(i).decode() for i in range(self.n_features))
        self.smallest, self.largest = (  # (n_features,) of the declaration of each port
            np.array([end(i) for i in range(self.n_features)], dtype=np.int64) for end in (smallest, largest)
        )
        self.weight_ports: tuple[tuple[str, str, int], ...] = ()  # name, layer and size of each; none: constants
        if hasattr(library, f"{NAME}_open_weights"):
            self._open_weights(library)
        self.n_weights = sum(size for _, _, size in self.weight_ports)

    def score(self, objects: np.ndarray, *, check: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Give the score's codes (n,) and the decisions (n, n_thresholds) of what the ports carry, (n, n_features).

        Parameters
        ----------
        check
            Refuse what is beyond the declaration of its port; otherwise any 16 bits are answered as by the firmware.

        Raises
        ------
        ValueError
            If the objects are not integers of that shape, or one is beyond its declaration, or has more than 16 bits.
        """
        codes = self._checked(objects, check)
        scores = np.empty(len(codes), dtype=np.int64)
        accept = np.empty((len(codes), self.n_thresholds), dtype=np.uint8)
        self._batch(codes.ctypes.data, len(codes), scores.ctypes.data, accept.ctypes.data)
        return scores, accept.view(np.bool_)  # each 0 or 1

    def decide(
        self, scores: np.ndarray, thresholds: np.ndarray | None = None, cells: np.ndarray | None = None
    ) -> np.ndarray:
        """Give the decisions (n, n_thresholds) at codes of the score, (n,), with the trained thresholds or with others.

        Parameters
        ----------
        thresholds
            (n_thresholds,) codes of the score; (n_thresholds, n_cells) where they follow sums over an event.
        cells
            (n,) of which cell each score is, where thresholds follow sums; None: all of the first.

        Raises
        ------
        ValueError
            If these are not integers of these shapes, or there is no such cell.
        """
        codes = _integers(scores, "scores", (len(scores),))
        of = _integers(np.zeros(len(codes), dtype=np.int64) if cells is None else cells, "cells", codes.shape)
        if of.size and not 0 <= of.min() <= of.max() < self.n_cells:
            raise ValueError(f"cells are 0 to {self.n_cells - 1}, not {of.min()} to {of.max()}")
        of = of.astype(np.int32)
        accept = np.empty((len(codes), self.n_thresholds), dtype=np.uint8)
        given = [codes.ctypes.data, of.ctypes.data, len(codes)]
        if thresholds is None:
            self._decide(*given, accept.ctypes.data)
        else:
            shape = (
                (self.n_thresholds,)
                if self.n_cells == 1 and np.ndim(thresholds) == 1
                else (self.n_thresholds, self.n_cells)
            )
            loaded = _integers(thresholds, "thresholds", shape).reshape(self.n_thresholds, -1)
            loaded = np.ascontiguousarray(loaded.T)  # those of a cell one behind the other
            self._decide_with(*given, loaded.ctypes.data, accept.ctypes.data)
        return accept.view(np.bool_)

    def latents(self, objects: np.ndarray, *, check: bool = True) -> np.ndarray:
        """Give the codes of the latents (n, n_latents), where the firmware puts them out; otherwise as `score`."""
        codes = self._checked(objects, check)
        latents = np.empty((len(codes), self.n_latents), dtype=np.int32)
        self._latents_batch(codes.ctypes.data, len(codes), latents.ctypes.data)
        return latents.astype(np.int64)

    def _checked(self, objects: np.ndarray, check: bool) -> np.ndarray:
        given = np.asarray(objects)
        if isinstance(objects, np.ma.MaskedArray) and np.ma.is_masked(objects):
            raise ValueError("an object is masked; fill the array first")
        if given.ndim != 2 or given.shape[1] != self.n_features or given.dtype.kind not in "iu":
            raise ValueError(f"give integers of the shape (n, {self.n_features}), not {given.dtype} {given.shape}")
        low, high = (given.min(), given.max()) if given.size and given.dtype != np.int16 else (0, 0)
        if low < -(2**15) or high >= 2**16:
            raise ValueError("an object has more than 16 bits")
        codes = np.require(given.astype(np.int16, copy=False), requirements=("C", "A"))
        if check:
            is_wrapped = high >= 2**15 or self.largest.max() >= 2**15  # one code may stand for two integers
            if is_wrapped or self._count_beyond(codes.ctypes.data, len(codes), None, None):
                self._check(given)
        return codes

    def _check(self, given: np.ndarray) -> None:
        beyond = (given < self.smallest) | (given > self.largest)
        if not beyond.any():
            return
        event, i = (int(index) for index in np.argwhere(beyond)[0])
        raise ValueError(
            f"{np.count_nonzero(beyond)} integers are beyond the declaration of their ports; first in event {event}: "
            f"{self.features[i]} is {given[event, i]}, but {self.smallest[i]} to {self.largest[i]} are declared"
        )

    def _open_weights(self, library: ctypes.CDLL) -> None:
        """Take weights from a handle of its own, which holds the trained ones until others are loaded."""
        ports = range(int(library[f"{NAME}_n_weight_ports"]()))
        name, layer, size = (library[f"{NAME}_weight_{of}"] for of in ("port", "layer", "size"))
        name.restype = layer.restype = ctypes.c_char_p
        self.weight_ports = tuple((name(i).decode(), layer(i).decode(), int(size(i))) for i in ports)
        open_it, close, load, read = (library[f"{NAME}_{of}_weights"] for of in ("open", "close", "load", "read"))
        score, latents = (library[f"{NAME}_{of}_batch_with"] for of in ("score", "latents"))
        open_it.restype = ctypes.c_void_p
        close.restype = read.restype = score.restype = latents.restype = None
        close.argtypes = (ctypes.c_void_p,)
        load.argtypes = read.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        score.argtypes = (ctypes.c_void_p, *self._batch.argtypes)
        latents.argtypes = (ctypes.c_void_p, *self._latents_batch.argtypes)
        handle = open_it()
        if not handle:
            raise MemoryError("there is no memory for the weights")
        weakref.finalize(self, close, handle)
        self._load, self._read = partial(load, handle), partial(read, handle)
        self._batch, self._latents_batch = partial(score, handle), partial(latents, handle)

    @property
    def weights(self) -> np.ndarray:
        """The codes (n_weights,) that are loaded, those of all `weight_ports` one behind the other."""
        codes = np.empty(self.n_weights, dtype=np.int64)
        if self.weight_ports:
            self._read(codes.ctypes.data)
        return codes

    def load(self, codes: np.ndarray) -> None:
        """Load weights, codes as `weights` gives them; not while another thread asks this object for scores.

        Raises
        ------
        ValueError
            If the codes are not integers of that shape, one is beyond its type, or the weights are constants; then
            nothing is loaded.
        """
        if not self.weight_ports:
            raise ValueError("the weights of this emulator are constants")
        held = _integers(codes, "weights", (self.n_weights,))
        if wrong := int(self._load(held.ctypes.data)):
            name, layer, size = self.weight_ports[wrong - 1]
            raise ValueError(f"a code of the port {name} of the layer {layer}, which takes {size}, is beyond its type")


def _integers(given: np.ndarray, what: str, shape: tuple[int, ...]) -> np.ndarray:
    found = np.asarray(given)
    if found.shape != shape or found.dtype.kind not in "iu":
        raise ValueError(f"{what} are integers of the shape {shape}, not {found.dtype} {found.shape}")
    if found.dtype.kind == "u" and found.size and found.max() >= 2**63:
        raise ValueError(f"one of the {what} has more than 63 bits")
    return np.ascontiguousarray(found, dtype=np.int64)


def _text(function: Callable[[], bytes]) -> str:
    function.restype = ctypes.c_char_p
    return function().decode()
