"""Arrays side by side in HDF5 and npz files are tables like others: the same events, or one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from numpy.typing import NDArray

from fpgaae.config.file import load_config
from fpgaae.data.readers import event_spans, read_events
from fpgaae.errors import InputError
from fpgaae.propose.draft import write_draft

Columns = dict[str, NDArray[np.float64]]
_N = 700


def _columns() -> Columns:
    """Give jets and a missing energy of made-up events, and their run."""
    rng = np.random.default_rng(1)
    pt = np.sort(rng.exponential(20, (_N, 4)), axis=1)[:, ::-1] + 3
    met = {"met_pt": rng.exponential(30, _N), "met_phi": rng.uniform(-3, 3, _N)}
    angles = {"jet_eta": rng.uniform(-2, 2, (_N, 4)), "jet_phi": rng.uniform(-3, 3, (_N, 4))}
    return {"jet_pt": pt, **angles, **met, "run": np.arange(_N) // 20}


def _datasets(file: Path, columns: Columns) -> None:
    with h5py.File(file, "w") as opened:
        for name, values in columns.items():
            opened[name] = values


def _big_endian(file: Path, columns: Columns) -> None:
    _datasets(file, {name: values.astype(values.dtype.newbyteorder(">")) for name, values in columns.items()})


def _in_groups(file: Path, columns: Columns) -> None:
    _datasets(file, {name.replace("_", "/"): values for name, values in columns.items()})


def _a_slot(file: Path, columns: Columns) -> None:
    """Write one dataset a slot."""
    alone = {name: values for name, values in columns.items() if values.ndim == 1}
    slots = {
        name.replace("jet", f"jet{slot + 1}"): values[:, slot]
        for name, values in columns.items()
        if values.ndim > 1
        for slot in range(values.shape[1])
    }
    _datasets(file, alone | slots)


def _lists(file: Path, columns: Columns) -> None:
    """Write lists of any length."""
    with h5py.File(file, "w") as opened:
        for name, values in columns.items():
            if values.ndim == 1:
                opened[name] = values
            else:
                opened.create_dataset(name, (_N,), h5py.vlen_dtype(np.float64))[:] = [*values]


def _records(columns: Columns) -> dict[str, NDArray[np.void]]:
    """Give a record array of the jets, and one of the missing energy."""
    found = {}
    for kind, shape in (("jet", (_N, 4)), ("met", (_N,))):
        fields = [name for name in columns if name.startswith(f"{kind}_")]
        found[kind] = np.zeros(shape, dtype=[(name.removeprefix(f"{kind}_"), "f8") for name in fields])
        for name in fields:
            found[kind][name.removeprefix(f"{kind}_")] = columns[name]
    return found


def _compound(file: Path, columns: Columns) -> None:
    with h5py.File(file, "w") as opened:
        opened["run"] = columns["run"]
        for name, records in _records(columns).items():
            opened[name] = records


def _npz(file: Path, columns: Columns) -> None:
    np.savez(file, **columns)


def _npz_records(file: Path, columns: Columns) -> None:
    np.savez_compressed(file, run=columns["run"], **_records(columns))


def _codes(file: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draft a config for a file, and read it, in spans where it can be."""
    drafted = write_draft([file], file.with_suffix(".yaml"))
    data = load_config(drafted.file).data
    kinds = {kind.name: kind.slots for kind in data.hardware.objects}
    assert kinds == {"met": 1, "jet": 4}
    assert data.group == ("run",)
    chunks = [chunk for span in event_spans(file, data, 300) for chunk in read_events(file, data, 128, span)]
    return np.concatenate([c.values for c in chunks]), np.concatenate([c.groups for c in chunks])


@pytest.mark.parametrize(
    ("write", "ending"),
    [
        (_datasets, "h5"), (_big_endian, "h5"), (_in_groups, "h5"), (_a_slot, "h5"), (_lists, "h5"), (_compound, "h5"),
        (_npz, "npz"), (_npz_records, "npz"),
    ],
)  # fmt: skip
def test_init_and_readers_take_arrays_side_by_side_as_they_take_a_table(
    write: Callable[[Path, Columns], None], ending: str, tmp_path: Path
) -> None:
    columns = _columns()
    write(tmp_path / f"events.{ending}", columns)
    lists = {name: values if values.ndim == 1 else [*values] for name, values in columns.items()}
    pyarrow.parquet.write_table(pyarrow.table(lists), tmp_path / "table.parquet")
    values, groups = _codes(tmp_path / f"events.{ending}")
    expected, runs = _codes(tmp_path / "table.parquet")
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(groups, runs)


def test_columns_of_different_events_are_refused(tmp_path: Path) -> None:
    columns = _columns()
    _datasets(tmp_path / "events.h5", columns | {"met_pt": columns["met_pt"][1:]})
    with pytest.raises(InputError, match=r"`met_p(t|hi)` has \d+ events, but `.*` has \d+; give columns of the same"):
        write_draft([tmp_path / "events.h5"], tmp_path / "mine.yaml")


def test_a_missing_column_and_one_of_another_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "events.h5"
    _datasets(file, _columns())
    data = load_config(write_draft([file], tmp_path / "mine.yaml").file).data
    with h5py.File(file, "a") as opened:
        del opened["jet_eta"]
    with pytest.raises(InputError, match=r"has no column `jet_eta` .*correct `data.table.objects.jet.eta`"):
        next(read_events(file, data))
    _datasets(tmp_path / "other.h5", _columns())
    with h5py.File(file, "a") as opened:
        opened["jet_eta"] = h5py.ExternalLink("other.h5", "jet_eta")
    with pytest.raises(InputError, match=r"`jet_eta` is a link into other.h5; name that file"):
        next(read_events(file, data))


def test_a_file_with_the_dataset_of_the_config_is_no_table(tmp_path: Path) -> None:
    columns = _columns()
    objects = np.zeros((_N, 5, 3))
    objects[:, 0, 0] = 7.0
    for write, name in ((_datasets, "events.h5"), (_npz, "events.npz")):
        write(tmp_path / name, columns)
        data = load_config(write_draft([tmp_path / name], tmp_path / f"{name}.yaml").file).data
        write(tmp_path / name, columns | {data.dataset: objects})
        np.testing.assert_array_equal(next(read_events(tmp_path / name, data)).values[:, 0, 0], 7.0)


def test_objects_of_python_are_refused_where_they_are_wanted_only(tmp_path: Path) -> None:
    columns = _columns()
    beside = np.array([{}], dtype=object)
    np.savez(tmp_path / "events.npz", **columns, notes=beside)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"holds an array that is not read .*save arrays of numbers"):
        write_draft([tmp_path / "events.npz"], tmp_path / "mine.yaml")
    np.savez(tmp_path / "plain.npz", **columns)
    data = load_config(write_draft([tmp_path / "plain.npz"], tmp_path / "mine.yaml").file).data
    assert len(next(read_events(tmp_path / "events.npz", data)).values)
    np.savez(tmp_path / "events.npz", **columns | {"jet_pt": beside})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"`jet_pt` must be a C-ordered array of numbers"):
        next(read_events(tmp_path / "events.npz", data))


def test_arrays_that_could_be_the_events_as_well_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "two.npz", image=rng.random((100, 3, 3, 2)), other=rng.random((100, 4, 4)))
    drafted = write_draft([tmp_path / "two.npz"], tmp_path / "mine.yaml")
    assert "`image` is taken for the events, and of other nothing is used" in drafted.notes
