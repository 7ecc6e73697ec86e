"""What `fpgaae init` makes of columns with something of the whole event, and of files that it can't read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from support import make_events

from fpgaae.config.file import load_config
from fpgaae.errors import InputError
from fpgaae.propose.draft import Draft, write_draft
from fpgaae.propose.event_columns import match_event_columns
from fpgaae.propose.observed import Observed

N = 300


def _seen(values: Any) -> Observed:  # noqa: ANN401
    seen = Observed()
    seen.add(np.asarray(values))
    return seen


def _parquet(name: str, **columns: Any) -> Path:  # noqa: ANN401
    met = make_events(N, 1)[:, 0]
    table = {"met_pt": met[:, 0], "met_phi": met[:, 2]} | columns
    pyarrow.parquet.write_table(pyarrow.table(table), f"{name}.parquet")
    return Path(f"{name}.parquet")


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["train", "valid", "test"], {}),
        ([b"train", b"val", b"test"], {}),
        (["Training", "VAL", "test"], {"train": ("Training",), "validation": ("VAL",), "test": ("test",)}),
        (["train", "test"], None),
        (["train", "valid", "test", "unused"], None),
    ],
    ids=["usual", "bytes", "spelling", "two", "more"],
)
def test_a_split_is_taken_if_it_has_all_three_or_else_said(texts: list[Any], names: dict[str, Any] | None) -> None:
    found = match_event_columns({"split": _seen(np.array(texts * 10, dtype=object))})
    assert (found.split, dict(found.split_names)) == ((None, {}) if names is None else ("split", names))
    assert [note.partition(" says ")[0] for note in found.notes] == ["`split`"] * (names is None)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("weight", [1.0, -2.0], "`weight` goes down to -2, and is not used"),
        ("weight", [1.0, np.nan], "`weight` holds NaN or infinite values, and is not used"),
        ("nPV", [np.inf, 3.0], "`nPV` holds NaN"),
    ],
)
def test_a_column_that_would_be_refused_is_left_out_and_said(name: str, values: list[float], words: str) -> None:
    found = match_event_columns({name: _seen(values)})
    assert (found.weight, found.pileup) == (None, None)
    (note,) = found.notes
    assert words in note


def _data(draft: Draft) -> dict[str, Any]:
    return load_config(draft.file).data.model_dump()


def test_what_a_signal_lacks_is_not_asked_of_it() -> None:
    columns = {"lumi": np.arange(N) // 4, "split": ["train", "val", "test"] * (N // 3), "nPV": np.arange(N) % 40}
    background = _parquet("background", jet_pt=np.full(N, 9.0), **columns)
    both = write_draft([background, _parquet("other", jet_pt=np.full(N, 9.0), **columns)], Path("both.yaml"))
    draft = write_draft([background, _parquet("signal")], Path("mine.yaml"))
    assert both.notes == ("jet has no eta and no phi",)
    assert "not all processes have jet_pt, lumi, split, so that nothing of this is used" in draft.notes
    data, shared = _data(draft), _data(both)
    assert (data["group"], data["split"]["column"], set(data["table"]["objects"])) == (None, None, {"met"})
    assert (shared["group"], shared["split"]["column"]) == (("lumi",), "split")
    assert data["columns"]["pileup"] == shared["columns"]["pileup"] == "nPV"


def test_groups_and_splits_of_texts_and_hdf5_are_found() -> None:
    Path("a.csv").write_text("met_pt,lumi\n" + "".join(f"{9.5 + i},{i // 2}\n" for i in range(80)))
    assert _data(write_draft([Path("a.csv")]))["group"] == ("lumi",)
    with h5py.File("b.h5", "w") as file:
        file["Particles"] = make_events(N, 1)
        file["split"] = np.array(["train", "Valid", "test"] * (N // 3), dtype=object)
    split = _data(write_draft([Path("b.h5")]))["split"]
    assert (split["column"], split["names"]["validation"]) == ("split", ("Valid",))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", b""),
        ("a.parquet", b"PAR1" * 99),
        ("a.root", b"root" + b"1234" * 99),
        ("a.csv", b"met_pt,met_phi\n1,2\n1,2,3\n"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + b"1234" * 99),
    ],
    ids=["empty", "parquet", "root", "csv", "hdf5"],
)
def test_a_damaged_file_is_one_sentence(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(InputError, match=rf"^{name} is damaged \(.*\); copy it again$"):
        write_draft([Path(name)])


def test_columns_of_structs_are_passed_over() -> None:
    draft = write_draft([_parquet("a", run=[{"a": 1}] * N)])
    assert _data(draft)["columns"]["run"] is None
