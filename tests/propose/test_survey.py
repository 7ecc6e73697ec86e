"""What `fpgaae init` sees of files: all shards, the angles of objects only, and damage where there is some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import event_files
import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from support import make_events

from fpgaae.config.file import load_config
from fpgaae.data.readers import read_events
from fpgaae.errors import InputError
from fpgaae.propose.draft import write_draft
from fpgaae.propose.observed import Observed


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _objects(n: int, scale: float = 1.0) -> Any:  # noqa: ANN401
    """Give jets in GeV and rad, (n, 10, 3), and which slots have one."""
    jets = make_events(n, 1)[:, 9:19, :3].astype(np.float64) * [scale, 1, 1]
    return jets, jets[..., 0] > 0


def test_all_shards_of_arrays_are_looked_at(empty: Path) -> None:
    """The first was taken for all: its number of events, and its hardest object."""
    (empty / "shards").mkdir()
    for index, scale in enumerate((1, 30)):
        with h5py.File(empty / "shards" / f"{index}.h5", "w") as file:
            file["Particles"] = _objects(300, scale)[0]
            file["Group"] = np.arange(300) // 20 + 100 * index
    written = write_draft([Path("shards")])
    assert written.processes == {"shards": 600}
    config = load_config(written.file)
    assert config.data.group == ("Group",), "15 groups a file are 30"
    hardest = _objects(300, 30)[0][..., 0].max()
    assert 2 ** config.data.hardware.objects[0].pt_bits * config.data.hardware.pt_lsb_gev > hardest
    with h5py.File(empty / "shards" / "2.h5", "w") as file:
        file["Particles"] = np.ones((300, 4, 3))
    with pytest.raises(InputError, match=r"2\.h5 has events of another kind than .*0\.h5: `Particles` of the shape"):
        write_draft([Path("shards")], Path("other.yaml"))


@pytest.mark.parametrize("lists", [True, False])
def test_an_empty_slot_may_have_any_angle(empty: Path, lists: bool) -> None:
    jets, filled = _objects(200)
    jets[~filled] = 0, -999, -999
    columns = {f"jet{i + 1}_{q}": jets[:, i, j] for i in range(10) for j, q in enumerate(("pt", "eta", "phi"))}
    if lists:
        columns = {f"jet_{q}": jets[..., j].tolist() for j, q in enumerate(("pt", "eta", "phi"))}
    pyarrow.parquet.write_table(pyarrow.table(columns), "padded.parquet")
    (kind,) = load_config(write_draft([Path("padded.parquet")]).file).data.hardware.objects
    assert (kind.slots, kind.eta_bits, kind.phi_bits) == (10, 8, 8)
    jets[0, 0] = 50, 0, -999
    columns = {f"jet{i + 1}_{q}": jets[:, i, j] for i in range(10) for j, q in enumerate(("pt", "eta", "phi"))}
    pyarrow.parquet.write_table(pyarrow.table(columns), "wrong.parquet")
    with pytest.raises(InputError, match="a phi goes up to 999, beyond 2 pi"):
        write_draft([Path("wrong.parquet")])


def test_files_with_names_of_made_up_events_are_processes(empty: Path) -> None:
    """Two of them became one, and `words` a config that is refused."""
    for name in ("random", "words"):
        event_files.write_csv(empty / f"{name}.csv", 200)
    assert write_draft([Path("random.csv"), Path("words.csv")]).processes == {"random_events": 200, "words_events": 200}


def test_a_fault_of_the_survey_is_no_damage(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for write, name in ((event_files.write_csv, "a.csv"), (event_files.write_adc2021, "b.h5")):
        write(empty / name, 50)

    def faulty(*_: object) -> None:
        raise TypeError("a fault")

    monkeypatch.setattr(Observed, "add", faulty)
    for name in ("a.csv", "b.h5"):
        with pytest.raises(TypeError, match="a fault"):
            write_draft([Path(name)])


def test_datasets_of_types_that_numpy_has_not_do_not_matter(empty: Path) -> None:
    jets, _ = _objects(100)
    with h5py.File(empty / "odd.h5", "w") as file:
        for index, quantity in enumerate(("pt", "eta", "phi")):
            file[f"jet/{quantity}"] = jets[..., index]
        file["nothing"], file["complex"] = h5py.Empty("f4"), np.zeros(100, complex)
        h5py.h5d.create(file.id, b"time", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((100,)))
    config = load_config(write_draft([Path("odd.h5")]).file)
    (chunk,) = read_events(Path("odd.h5"), config.data)
    np.testing.assert_array_equal(np.sort(chunk.values[..., 0]), np.sort(jets[..., 0]))


def test_classes_that_are_no_numbers_name_no_objects(empty: Path) -> None:
    events = make_events(100, 1)
    events[..., 3] = np.nan
    np.savez(empty / "a.npz", Particles=events)
    assert load_config(write_draft([Path("a.npz")]).file).data.hardware.n_slots == 19
