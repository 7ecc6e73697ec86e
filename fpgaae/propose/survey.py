"""What event files hold, before any config says it: columns of tables, arrays, sounds, images, with observed ranges.

What these may mean does not belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.table import Table
from fpgaae.data.array_tables import is_array_file
from fpgaae.data.backends import Backend, Column
from fpgaae.data.damage import damage_named
from fpgaae.data.paths import those_there
from fpgaae.data.tables import open_backend
from fpgaae.errors import InputError
from fpgaae.optional import require
from fpgaae.propose.array_files import arrays_of, rows_of
from fpgaae.propose.observed import Observed, together

MOST_EVENTS = 1_000_000  # that ranges are taken from
_CHUNK = 16_384
_TABLES = frozenset({".parquet", ".root", ".csv"})
_ARRAYS = frozenset({".h5", ".hdf5", ".npz"})
_SOUNDS = frozenset({".wav"})
_IDX = "images-idx3"


@dataclass(frozen=True)
class TableSurvey:
    """A table: its columns, of which those of events are one number or a list."""

    n_events: int
    columns: Mapping[str, Observed]
    tree: str | None = None
    lacking: frozenset[str] = frozenset()  # columns that another process has not


@dataclass(frozen=True)
class ArraySurvey:
    """A file of arrays: the one of the events with its observed parts, and those with something of each event."""

    n_events: int
    name: str
    shape: tuple[int, ...]  # without the events
    whole: Observed
    parts: tuple[Observed, ...]  # pT, eta, phi where the last axis may be these
    slots: tuple[NDArray[np.float64], ...]  # of each such slot, the numbers of its fourth part, which may be a class
    beside: Mapping[str, Observed]
    widths: Mapping[str, int]  # of those beside: numbers an event
    others: tuple[str, ...] = ()  # arrays that may be events as well
    cells: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None  # ends of each cell of a single axis
    lacking: frozenset[str] = frozenset()  # of those beside, what another process has not


@dataclass(frozen=True)
class SoundSurvey:
    """A folder of sounds, or one."""

    n_clips: int
    n_events: int
    rate: int


@dataclass(frozen=True)
class ImageSurvey:
    """An IDX file of images."""

    n_events: int
    shape: tuple[int, ...]


Survey = TableSurvey | ArraySurvey | SoundSurvey | ImageSurvey


def with_ranges_of(base: Survey, others: Sequence[Survey]) -> Survey:
    """Give a survey whose ranges hold what was seen in others, too, and that says what these lack."""
    if isinstance(base, TableSurvey):
        tables = [base, *(other for other in others if isinstance(other, TableSurvey))]
        columns = {
            name: together(table.columns[name] for table in tables if name in table.columns) for name in base.columns
        }
        return replace(base, columns=columns, lacking=_lacking(table.columns for table in tables))
    if isinstance(base, ArraySurvey):
        return _with_ranges_of_arrays(base, [other for other in others if isinstance(other, ArraySurvey)])
    return base


def _with_ranges_of_arrays(base: ArraySurvey, others: Sequence[ArraySurvey]) -> ArraySurvey:
    arrays = [base, *others]
    same = [array for array in arrays if len(array.parts) == len(base.parts)]
    parts = tuple(together(array.parts[index] for array in same) for index in range(len(base.parts)))
    lacking = _lacking(array.beside for array in arrays)
    return replace(base, whole=together(array.whole for array in arrays), parts=parts, lacking=lacking)


def _lacking(columns: Iterable[Mapping[str, Observed]]) -> frozenset[str]:
    first, *others = columns
    return frozenset(name for name in first if any(name not in other for other in others))


def files_of(path: Path) -> list[Path]:
    """Give the event files of an argument, which may be a folder.

    Raises
    ------
    InputError
        If it is not there, or holds none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path} is not there; give event files, or folders of them")
    for endings in (_TABLES, _ARRAYS, _SOUNDS):
        if found := those_there(file for file in path.iterdir() if file.suffix.lower() in endings):
            return found
    known = ", ".join(sorted(_TABLES | _ARRAYS | _SOUNDS))
    raise InputError(f"the folder {path} holds no file of a known kind ({known}); name the folder that has them")


class Names(NamedTuple):
    """What the name of a column says."""

    is_wanted: Callable[[str], bool]  # whether it matters: there may be thousands
    is_pt: Callable[[str], bool]  # whether it may be the pT of objects
    is_whole: Callable[[str], bool]  # whether it must hold whole numbers to be used
    pt_of: Callable[[str, Sequence[str]], str | None]  # of an angle, the column with the pT of its objects


def survey(path: Path, names: Names) -> Survey:
    """Look at the events of a file or a folder.

    Raises
    ------
    InputError
        If it is of no known kind, is damaged, or holds no events.
    """
    files = files_of(path)
    kind = files[0].suffix.lower()
    if kind in _SOUNDS:
        return _survey_sounds(files)
    if _IDX in files[0].name:
        return _survey_images(files[0])
    if kind in _TABLES:
        return _survey_tables(files, names)
    if is_array_file(files[0]):
        if _has_objects_side_by_side(files[0], names.is_pt):
            return _survey_tables(files, names)
        return _survey_arrays(files)
    raise InputError(
        f"{files[0]} is of no kind that is known here: give Parquet, ROOT, CSV, HDF5, npz, WAV or IDX files, or write "
        "a config with a reader of your own"
    )


def _survey_sounds(files: Sequence[Path]) -> SoundSurvey:
    from fpgaae.data.domains.sounds import Options, open_clip, read_wav  # noqa: PLC0415

    options = Options()
    rates = {read_wav(file)[0] for file in files}
    n_events = sum(open_clip(file, options).n_frames - options.frames + 1 for file in files)
    if len(rates) > 1:
        raise InputError(f"{files[0].parent} has sounds of {sorted(rates)} samples a second; bring them to one rate")
    return SoundSurvey(len(files), n_events, rates.pop())


def _survey_images(file: Path) -> ImageSurvey:
    from fpgaae.data.domains.images import read_idx  # noqa: PLC0415

    images = read_idx(file, 3)
    return ImageSurvey(len(images), images.shape[1:])


def _tree_of(file: Path) -> str | None:
    """Name the tree of a ROOT file that holds the events: the only one, `Events`, or the longest."""
    require("awkward", "ROOT files are read with it")
    require("uproot", "ROOT files are read with it")
    from fpgaae.data.root import trees_of  # noqa: PLC0415

    with damage_named(file):
        trees = trees_of(file)
    if len(trees) < 2:
        return None
    return "Events" if "Events" in trees else max(trees, key=lambda name: trees[name])


def _open(file: Path, tree: str | None, wanted: Sequence[str], whole: Container[str | None] = ()) -> Backend:
    with damage_named(file):
        return open_backend(file, Table(tree=tree, objects={}), wanted, whole)


def _survey_tables(files: Sequence[Path], of: Names) -> TableSurvey:
    tree = _tree_of(files[0]) if files[0].suffix.lower() == ".root" else None
    opened = _open(files[0], tree, ())
    within = {name for name in opened.names if tree is not None and name.partition(".")[0] in {*opened.names} - {name}}
    names = [name for name in opened.names if of.is_wanted(name) and name not in within]
    there = ", ".join([*opened.names][:30])
    opened.close()
    if not names:
        raise InputError(
            f"{files[0]} has no column with a name like met_pt, Jet_eta or muon1_phi (there: {there}); rename the "
            "columns, or write `data.table` by hand, as docs/own_events.md shows"
        )
    pts = {name: of.pt_of(name, names) for name in names}
    seen: dict[str, Observed] = {}
    n_events, looked_at = 0, 0
    for file in files:
        backend = _open(file, tree, names, {name for name in names if of.is_whole(name)})
        try:
            n_events += backend.n_rows
            for rows in _chunks(backend, MOST_EVENTS - looked_at, file):
                for name, column in rows.items():
                    values = _of_objects(column, rows.get(pts[name] or ""))
                    seen.setdefault(name, Observed()).add(values, column.lengths)
                looked_at += len(_lengths(next(iter(rows.values()))))
        finally:
            backend.close()
    if not n_events:
        raise InputError(f"{files[0]} holds no events")
    return TableSurvey(n_events, seen, tree)


def _of_objects(column: Column, pt: Column | None) -> NDArray[Any]:
    """Give the numbers of a column, of an angle those of objects: in an empty slot it may be anything."""
    if pt is None or pt.values.shape != column.values.shape or pt.values.dtype.kind not in "iuf":
        return column.values
    return column.values[pt.values > 0]


def _lengths(column: Column) -> NDArray[Any]:
    return column.values if column.lengths is None else column.lengths


def _chunks(backend: Backend, most: int, file: Path) -> Iterator[Mapping[str, Column]]:
    for start in range(0, min(backend.n_rows, most), _CHUNK):
        with damage_named(file):
            rows = backend.read(start, min(_CHUNK, backend.n_rows - start))
        yield rows


def _has_objects_side_by_side(file: Path, is_pt: Callable[[str], bool]) -> bool:
    """Tell whether no array has three axes, but the name of a dataset, or of a field of one, is that of a pT."""
    with arrays_of(file) as arrays:
        if any(array.ndim > 2 and array.dtype.kind in "fiu" for array in arrays.values()):
            return False
    backend = _open(file, None, ())
    backend.close()
    return any(is_pt(name) for name in backend.names)


def _survey_arrays(files: Sequence[Path]) -> ArraySurvey:
    """Look at all files of a process."""
    found: list[ArraySurvey] = []
    for file in files:
        with arrays_of(file) as arrays:
            found.append(_survey_of(file, arrays, max(MOST_EVENTS - sum(own.n_events for own in found), 0)))
        if (found[-1].name, found[-1].shape) != (found[0].name, found[0].shape):
            raise InputError(
                f"{file} has events of another kind than {files[0]}: `{found[-1].name}` of the shape "
                f"{found[-1].shape} each, not `{found[0].name}` of {found[0].shape}; give files of one kind"
            )
    beside = {name: together(own.beside[name] for own in found if name in own.beside) for name in found[0].beside}
    for name, seen in beside.items():
        seen.distinct = set().union(*(own.beside[name].distinct for own in found if name in own.beside))
    joined = _with_ranges_of_arrays(found[0], found[1:])
    joined = replace(joined, n_events=sum(own.n_events for own in found), beside=beside)
    if cells := [own.cells for own in found if own.cells is not None]:
        lows, highs = zip(*cells, strict=True)
        return replace(joined, cells=(np.min(lows, axis=0), np.max(highs, axis=0)))
    return joined


def _survey_of(file: Path, arrays: Mapping[str, Any], most: int) -> ArraySurvey:
    events = [
        name for name, array in arrays.items()
        if array.ndim >= 2 and array.dtype.kind in "fiu" and len(array) and np.prod(array.shape[1:]) > 1
    ]  # fmt: skip
    if not events:
        there = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "none"
        raise InputError(f"{file} has no array (events, ...) of numbers (there: {there}); give the events as one")
    name = max(events, key=lambda name: np.prod(arrays[name].shape))
    array = arrays[name]
    n_events, shape = len(array), tuple(array.shape[1:])
    objects = len(shape) == 2 and shape[1] in {3, 4}
    whole, parts = Observed(), tuple(Observed() for _ in range(3 if objects else 0))
    classes: list[NDArray[np.float64]] = []
    cells = (np.full(shape, np.inf), np.full(shape, -np.inf)) if len(shape) == 1 else None
    for start in range(0, min(n_events, most), _CHUNK):
        values = rows_of(array, start, start + _CHUNK, file)
        whole.add(values)
        for index, part in enumerate(parts):
            part.add(values[..., index][values[..., 0] > 0] if index else values[..., 0])
        if cells is not None:
            cells = np.minimum(cells[0], values.min(axis=0)), np.maximum(cells[1], values.max(axis=0))
        if objects and shape[1] == 4 and not start:
            classes = [np.unique(values[:, slot, 3][values[:, slot, 0] > 0]) for slot in range(shape[0])]
    others = tuple(other for other in events if other != name and len(arrays[other]) == n_events)
    beside, widths = {}, {}
    for other, values in arrays.items():
        if other != name and values.ndim in {1, 2} and len(values) == n_events:
            beside[other], widths[other] = Observed(), int(np.prod(values.shape[1:]))
            beside[other].add(rows_of(values, 0, most, file))
    return ArraySurvey(n_events, name, shape, whole, parts, tuple(classes), beside, widths, others, cells)
