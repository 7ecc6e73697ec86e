"""Arrays of an HDF5 or npz file, opened to be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fpgaae.data.damage import damage_named
from fpgaae.data.hdf5_checks import has_numpy_type
from fpgaae.errors import InputError


@contextmanager
def arrays_of(file: Path) -> Iterator[dict[str, Any]]:
    """Open the arrays of a file.

    Raises
    ------
    InputError
        If it is damaged, or holds objects of Python.
    """
    arrays: dict[str, Any] = {}
    with ExitStack() as opened:
        with damage_named(file):
            if h5py.is_hdf5(file):

                def note(name: str, item: object) -> None:
                    if isinstance(item, h5py.Dataset) and has_numpy_type(item) and item.shape is not None:
                        arrays[name] = item

                opened.enter_context(h5py.File(file, "r")).visititems(note)
            else:
                members = opened.enter_context(np.load(file, allow_pickle=False))
                try:
                    arrays.update({name: members[name] for name in members.files})
                except ValueError as error:
                    said = f"{file} holds an array that is not read ({error}); save arrays of numbers"
                    raise InputError(said) from None
        yield arrays


def rows_of(array: Any, first: int, end: int, file: Path) -> NDArray[Any]:  # noqa: ANN401
    """Read consecutive rows of an array.

    Raises
    ------
    InputError
        If it is damaged.
    """
    with damage_named(file):
        return np.asarray(array[first:end])
