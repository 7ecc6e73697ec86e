"""Trees and ntuples of ROOT files (needs uproot and Awkward Array)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward
import numpy as np
import uproot
from numpy.typing import NDArray

from fpgaae.data.backends import Backend, Column
from fpgaae.errors import InputError

_TREES = ("TTree", "ROOT::RNTuple")


@contextmanager
def _damage_as_os_error() -> Iterator[None]:
    """Let every reader of a format say in one way that bytes are damaged: uproot checks them with whatever comes."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - assertions and AttributeErrors among it
        said = getattr(error, "message", error)  # without the dump of what was read so far
        raise OSError(f"{type(error).__name__}: {said}") from None


def trees_of(file: Path) -> dict[str, int]:
    """Give the trees and ntuples of a file with the number of events of each."""
    with _damage_as_os_error(), uproot.open(file) as opened:
        names = opened.keys(cycle=False, filter_classname=_TREES)
        return {name: int(opened[name].num_entries) for name in names}


class RootTable(Backend):
    """A tree or an ntuple of a ROOT file."""

    seekable = True

    def __init__(self, file: Path, tree: str | None, wanted: Iterable[str]) -> None:
        self._file = file
        with _damage_as_os_error():
            self._opened = uproot.open(file)
            trees = self._opened.keys(cycle=False, filter_classname=_TREES)
        chosen = tree or (trees[0] if len(trees) == 1 else None)
        if chosen not in trees:
            self._opened.close()
            raise InputError(
                f"{file} has {f'no tree `{tree}`' if tree else 'not one tree'} (there: {', '.join(trees) or 'none'}); "
                "correct `data.table.tree`"
            )
        try:
            with _damage_as_os_error():
                self._tree = self._opened[chosen]
                self.names = self._tree.keys()
                self.n_rows = int(self._tree.num_entries)
        except OSError:
            self._opened.close()
            raise
        self._columns = [name for name in wanted if name in self.names]

    def read(self, start: int, count: int) -> Mapping[str, Column]:
        """Give consecutive rows from anywhere."""
        with _damage_as_os_error():
            rows = self._tree.arrays(self._columns, entry_start=start, entry_stop=start + count, library="ak")
        if len(rows) != count:
            raise EOFError(f"it gives {len(rows)} rows of {count}")
        return {name: self._column(name, rows[name], start) for name in self._columns}

    def _column(self, name: str, array: Any, start: int) -> Column:  # noqa: ANN401
        if array.ndim > 2:
            raise InputError(f"{self._file}: the column `{name}` holds lists of lists; give numbers or lists of them")
        if array.ndim == 1:
            return Column(None, self._plain(name, array, start))
        return Column(self._plain(name, awkward.num(array), start), self._plain(name, awkward.flatten(array), start))

    def _plain(self, name: str, array: Any, start: int) -> NDArray[Any]:  # noqa: ANN401
        """Give values of which each is there; an ntuple may lack some."""
        values = awkward.to_numpy(array)
        if nulls := int(awkward.sum(awkward.is_none(array))):
            raise InputError(f"{self._file}: the column `{name}` holds {nulls} nulls from event {start} on; fill them")
        return np.asarray(np.ma.getdata(values))

    def close(self) -> None:
        """Release the file."""
        self._opened.close()
