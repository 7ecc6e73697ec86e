"""A damaged model file that would hold this process for ever, or end it, is one sentence."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from fpgaae.errors import InputError
from fpgaae.hls.lint.run import lint_target
from fpgaae.models import file_probe
from fpgaae.models.file_probe import require_readable


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import time; time.sleep(60)", "is damaged: HDF5 is not done with it in 0.5 s; save the model again"),
        ("import os; os.abort()", r"is damaged: it crashes HDF5 \(SIGABRT\); save the model again"),
    ],
    ids=["hang", "crash"],
)
def test_what_does_not_end_is_refused(
    program: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.h5"
    file.write_bytes(b"x")
    monkeypatch.setattr(file_probe, "_PROGRAM", program)
    monkeypatch.setattr(file_probe, "_LIMIT_S", 0.5)
    with pytest.raises(InputError, match=words):
        lint_target(file, tmp_path)


def test_what_ends_is_left_to_its_reader(tmp_path: Path) -> None:
    file = tmp_path / "model.h5"
    with h5py.File(file, "w") as hdf5:
        hdf5["x"] = np.arange(3)
        hdf5.attrs["model_config"] = "{}"
    require_readable(file)
    file.write_bytes(file.read_bytes()[:600])
    require_readable(file)
    file.write_bytes(b"no HDF5")
    require_readable(file)
