"""Files beside an experiment: groups, columns and bunch crossings are those that its own files would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from support import make_events

from fpgaae.config.data import Data
from fpgaae.config.experiment import Threshold, Trigger
from fpgaae.data.source import WEIGHT
from fpgaae.errors import InputError
from fpgaae.evaluation.other_files import OtherFiles

N = 40
KINDS = (("met", 1, 0), ("electron", 4, 8), ("muon", 4, 8), ("jet", 10, 8))
HARDWARE = {"objects": [{"name": n, "slots": s, "pt_bits": 11, "eta_bits": eta, "phi_bits": 8} for n, s, eta in KINDS]}
TRIGGER = Trigger(bunch_crossing_rate_khz=1000, thresholds=(Threshold(rate_khz=600),))


def _data(**parts: Any) -> Data:  # noqa: ANN401
    return Data.model_validate({"files": {"background": "b.h5"}, "hardware": HARDWARE, **parts})


def _file(folder: Path, name: str, events: NDArray[Any] | None = None, **columns: NDArray[Any]) -> Path:
    with h5py.File(folder / name, "w") as file:
        file["Particles"] = make_events(N, 1) if events is None else events
        for column, values in columns.items():
            file[column] = values
    return folder / name


def _groups(files: list[Path], data: Data) -> list[int]:
    return [group for chunk in OtherFiles(files, data).chunks() for group in chunk.groups.tolist()]


def test_groups_of_two_files_are_one_where_a_column_tells_them(tmp_path: Path) -> None:
    files = [_file(tmp_path, name, run=np.arange(N) // 10) for name in ("a.h5", "b.h5")]
    assert _groups(files, _data(group="run")) == 2 * (np.arange(N) // 10).tolist()
    assert _groups(files, _data(group=None)) == list(range(2 * N)), "else no event belongs to another"


def test_events_that_are_left_out_are_bunch_crossings_by_weight(tmp_path: Path) -> None:
    events = make_events(N, 1)
    events[:10] = 0
    first = _file(tmp_path, "a.h5", events, w=np.repeat([3.0, 1.0], [10, N - 10]))
    second = _file(tmp_path, "b.h5", w=np.full(N, 0.5))
    data = _data(empty_events="drop", columns={"weight": "w"}, group=None)
    others = OtherFiles([first, second], data, needed=[WEIGHT])
    chunks = list(others.chunks())
    assert [(len(chunk.codes), chunk.n_read) for chunk in chunks] == [(30, 40), (40, 40)]
    with pytest.raises(InputError, match=r"a\.h5 and 1 more files: a rate of 600 kHz is not below"):
        others.crossings(TRIGGER.model_copy(update={"bunch_crossing_rate_khz": 600.1}))
    left = others.crossings(TRIGGER).bunch_crossing_rate_khz
    assert left == pytest.approx(1000 * (30 + 20) / (30 + 30 + 20)), "30 of 80 of the weight were left out"


def test_no_more_than_a_limit_is_read(tmp_path: Path) -> None:
    files = [_file(tmp_path, name) for name in ("a.h5", "b.h5")]
    assert [len(chunk.codes) for chunk in OtherFiles(files, _data(group=None), 50).chunks()] == [40, 10]
    assert [len(chunk.codes) for chunk in OtherFiles(files, _data(group=None), 40).chunks()] == [40]


def test_files_of_two_kinds_and_a_file_twice_are_refused(tmp_path: Path) -> None:
    weighed, plain = _file(tmp_path, "a.h5", w=np.ones(N)), _file(tmp_path, "b.h5")
    data = _data(columns={"weight": "w"}, group=None)
    with pytest.raises(InputError, match=r"b\.h5 has no column `w`, as `data\.columns\.weight` says"):
        list(OtherFiles([weighed, plain], data, needed=[WEIGHT]).chunks())
    with pytest.raises(InputError, match=r"b\.h5 has other columns than .*a\.h5: `weight` is in one of both only"):
        list(OtherFiles([weighed, plain], data).chunks())
    with pytest.raises(InputError, match=r"a\.h5 is given twice"):
        OtherFiles([weighed, tmp_path / "." / "a.h5"], data)
