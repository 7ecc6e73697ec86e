"""`fpgaae init`: what files hold is found, and the config that is written for them runs, no line of it touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import event_files
import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from notebooks import run_notebook
from support import make_events

from fpgaae.config.experiment import Config
from fpgaae.config.file import load_config
from fpgaae.errors import InputError
from fpgaae.propose import draft
from fpgaae.propose.columns import is_of_interest, match_objects
from fpgaae.propose.draft import write_draft
from fpgaae.propose.event_columns import match_event_columns
from fpgaae.propose.hardware import Kind, array_widths, object_widths
from fpgaae.propose.observed import Observed

Cli = Callable[..., CompletedProcess[str]]
WRITERS: dict[str, tuple[str, Callable[..., Path]]] = {
    "level1": ("level1.parquet", event_files.write_level1_parquet),
    "nanoaod": ("nano.root", event_files.write_nanoaod),
    "adc2021": ("adc.h5", event_files.write_adc2021),
    "csv": ("events.csv", event_files.write_csv),
    "sounds": ("sounds", event_files.write_sounds),
    "images": ("images.npz", event_files.write_images),
}
N_FEATURES = {"level1": 3 * 15, "nanoaod": 57, "adc2021": 57, "csv": 3 * 7, "sounds": 640, "images": 64}


def _number(*values: float, lists: bool = False, kind: type = np.float64) -> Observed:
    seen = Observed()
    lengths = np.array([len(values)]) if lists else None
    seen.add(np.array(values, dtype=kind), lengths)
    return seen


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, and train as little as can be."""
    monkeypatch.chdir(tmp_path)
    for name in ("_MOST_EPOCHS", "_FEWEST_EPOCHS"):
        monkeypatch.setattr(draft, name, 2)
    return tmp_path


@pytest.mark.parametrize("kind", WRITERS)
def test_the_events_of_each_kind_become_hardware_integers(kind: str, empty: Path, run_cli: Cli) -> None:
    name, write = WRITERS[kind]
    write(Path(name), 20 if kind == "sounds" else 1500)
    begun = run_cli("init", name)
    assert (begun.returncode, begun.stderr) == (0, "")
    config = Path(name.split(".")[0] + ".yaml")
    assert f"next: fpgaae run {config}" in begun.stdout
    done = run_cli("run", config, "--to", "data", "--json")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert len(result["feature_types"]) == N_FEATURES[kind]
    assert result.get("warnings", []) == []
    assert sum(next(iter(result["events"].values())).values()) == (41 * 20 if kind == "sounds" else 1500)
    for found in result["seen"].values():
        assert all(10 * n <= found["objects"][kind] for kind, n in found["largest_pt"].items())
    own: Config = load_config(config)
    assert (own.firmware.strategy == "resource") == (kind == "sounds")
    if kind == "level1":
        assert own.data.group == ("run", "lumi")
        assert own.data.columns.named == {"existing_trigger": "L1bit", "pileup": "nPV", "run": "run"}
        assert own.data.hardware.phi_steps == 144
    if kind == "nanoaod":
        assert own.data.table is not None
        assert (own.data.table.tree, own.data.group) == ("Events", ("run", "luminosityBlock"))
        assert "preset:nanoaod" in config.read_text()
    if kind == "adc2021":
        assert "preset:adc2021" in config.read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("compiler", "tensorflow")
def test_the_config_runs_to_the_proof_in_the_notebook(empty: Path) -> None:
    """Of one kind of file; those of the other kinds take minutes."""
    event_files.write_level1_parquet(empty / "level1.parquet", 1500)
    said = run_notebook("your_events", files=["level1.parquet"])
    assert "no bit differs" in said
    assert "level1" in said


def test_processes_are_named_after_their_files_and_ranges_hold_them_all(empty: Path) -> None:
    for name, scale in (("signal", 40.0), ("zerobias_2024", 1.0)):
        with h5py.File(f"{name}.h5", "w") as file:
            file["objects"] = make_events(500, 3, pt_scale=scale)[:, :7, :3]
            file["Group"] = np.arange(500) // 5
    found = write_draft([Path("signal.h5"), Path("zerobias_2024.h5")])
    assert (found.file, found.background) == (Path("signal.yaml"), "zerobias_2024")
    config = load_config(found.file)
    assert set(config.data.files) == {"signal", "zerobias_2024"}
    assert config.data.group == ("Group",)
    (kind,) = config.data.hardware.objects
    hardest = max(float(h5py.File(f"{n}.h5")["objects"][..., 0].max()) for n in ("signal", "zerobias_2024"))
    assert kind.slots == 7
    assert (2**kind.pt_bits - 1) * config.data.hardware.pt_lsb_gev >= hardest
    other = write_draft([Path("signal.h5"), Path("zerobias_2024.h5")], Path("there/mine.yaml"), lambda names: names[0])
    assert load_config(other.file).data.files["signal"] == "../signal.h5"
    with pytest.raises(InputError, match=r"signal.yaml is there already; remove it, or give another name"):
        write_draft([Path("signal.h5")])


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (["MET_pt", "MET_phi", "Jet_pt", "Jet_eta", "Jet_phi", "GenJet_pt", "nJet"], {"met": 1, "jet": 2}),
        (["muons_muonIEt", "muons_muonIEtaAtVtx", "muons_muonIPhiAtVtx", "order"], {"muon": 2}),
        (["L1EG_pt", "L1EG_eta", "L1EG_phi", "L1EG_hwQual"], {"egamma": 2}),
        (["jets.pt", "jets.eta", "jets.phi"], {"jet": 2}),
        (["truthJet_pt", "recoThing_pt", "recoThing_eta"], {"recothing": 2}),
    ],
)
def test_columns_of_lists_are_matched_by_their_names(names: list[str], kinds: dict[str, int]) -> None:
    scalars = {"MET_pt", "MET_phi", "nJet", "order"}
    columns = {name: _number(1.0, 2.0, lists=name not in scalars) for name in names}
    assert {kind.name: kind.slots for kind in match_objects(columns)} == kinds


@pytest.mark.parametrize(
    ("pattern", "kind"), [("jet{}_pt", "jet"), ("mu_{}_Pt", "muon"), ("ele_pt_{}", "electron"), ("pt_{}", "object")]
)
def test_columns_of_slots_are_matched_and_counted_from_one(pattern: str, kind: str) -> None:
    columns = {pattern.format(slot): _number(1.0) for slot in (1, 2, 3)}
    (found,) = match_objects(columns)
    assert (found.name, found.slots, found.columns.pt) == (kind, 3, pattern.format("{slot}"))
    with pytest.raises(InputError, match="count slots from 0"):
        match_objects({pattern.format(slot): _number(1.0) for slot in (0, 1)})


def test_what_an_event_has_is_matched_where_it_can_be_used() -> None:
    many = _number(*range(100), kind=np.int64)
    columns = {
        "run": _number(7, kind=np.int64),
        "LumiSection": many,
        "lumi": many,
        "nPV": many,
        "weight": _number(-1.0),
    }
    found = match_event_columns(columns)
    assert (found.group, found.pileup, found.weight) == (("run", "lumi"), "nPV", None)
    assert match_event_columns({"run": _number(7, kind=np.int64)}).group == ()  # one group can't be divided
    assert match_event_columns({"lumi": _number(*(0.5 * i for i in range(90)))}).group == ()
    assert [name for name in ("Jet_pt", "GenJet_pt", "nJet", "L1bit", "HLT_Ele27") if is_of_interest(name)] == [
        "Jet_pt", "L1bit",
    ]  # fmt: skip


def _kind(**seen: Observed) -> Kind:
    return Kind("jet", 2, seen)


def test_integers_are_told_by_whole_numbers_and_get_a_spare_bit_but_for_overflow_words() -> None:
    integers = _kind(
        pt=_number(0, 300, kind=np.int32), eta=_number(-80, 57, kind=np.int32), phi=_number(0, 143, kind=np.int32)
    )
    found = object_widths([integers])
    assert (found.integers, found.phi_steps, found.bits["jet"]) == (True, 144, (10, 9, 8))
    overflow = _kind(pt=_number(0, 2047, kind=np.int32), phi=_number(-288, 287, kind=np.int32))
    assert object_widths([overflow])[3:5] == (576, {"jet": (11, 0, 10)})
    assert "differ" in object_widths([integers, overflow._replace(name="muon")]).notes[0]
    assert object_widths([_kind(pt=_number(0.0, 300.0), eta=_number(-80.0, 57.0))]).integers


def test_physical_values_get_bits_that_hold_them() -> None:
    jets = _kind(pt=_number(0.0, 1000.2), eta=_number(-4.7, 4.7), phi=_number(-3.1, 3.14))
    found = object_widths([jets])
    assert (found.integers, found.pt_lsb, found.bits["jet"], found.notes) == (False, 0.5, (11, 8, 8), ())
    assert object_widths([_kind(pt=_number(0.0, 2.0))]).pt_lsb == 2**-8  # TeV
    assert "not in GeV" in object_widths([_kind(pt=_number(0.0, 250_000.5))]).notes[0]
    with pytest.raises(InputError, match=r"phi goes up to 179.5, beyond 2 pi"):
        object_widths([_kind(pt=_number(0.5, 100.0), phi=_number(-179.5, 90.25))])
    with pytest.raises(InputError, match="NaN or infinite"):
        object_widths([_kind(pt=_number(0.5, np.inf))])
    with pytest.raises(InputError, match="down to -2"):
        object_widths([_kind(pt=_number(-2.0, 10.5))])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 255, (8, False, 1.0)), (0, 16, (5, False, 1.0)), (-3, 7, (4, True, 1.0)), (0, 0.9, (8, False, 2**-8))],
)
def test_cells_get_bits_and_a_step_that_hold_them(low: float, high: float, expected: tuple[int, bool, float]) -> None:
    found = array_widths(_number(low, high))
    assert found == expected
    assert high <= found.lsb * (2 ** (found.bits - found.signed) - 1)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda: Path("a.csv").write_text("x,y\n1,2\n"), "a.csv has no column with a name like met_pt"),
        (
            lambda: np.savez("a.npz", x=np.zeros(5)),
            r"a.npz has no array \(events, ...\) of numbers \(there: x \(5,\)\)",
        ),
        (lambda: np.savez("a.npz", x=np.ones((5, 80, 80))), "takes up to 4,096 cells"),
        (lambda: np.savez("a.npz", x=np.full((9, 4, 3), np.nan)), "holds a NaN or infinite value; .* empty slots to 0"),
        (
            lambda: np.savez("a.npz", x=[[[90.5, -50.5, 60.5, 40.5]]] * 9),
            r"beyond 2 pi: an object is pT, eta and phi in rad, in this order; convert degrees or four-vectors",
        ),
        (
            lambda: write_parquet("a", jet_pt=[[Decimal("1.5")]] * 9),
            "jet_pt holds no floats or integers; write numbers",
        ),
        (lambda: write_parquet("a", jet_pt=np.full((9, 0), 1.0)), r"no event has an object \(jet\)"),
        (lambda: Path("a.txt").write_text("hello"), "a.txt is of no kind that is known here"),
        (lambda: Path("a").mkdir(), "the folder a holds no file of a known kind"),
        (lambda: None, "a is not there"),
    ],
    ids=["columns", "shape", "cells", "nan", "momenta", "decimals", "no object", "kind", "folder", "missing"],
)
def test_what_can_not_be_described_is_refused_and_nothing_is_written(
    prepare: Callable[[], object], said: str, empty: Path
) -> None:
    prepare()
    there = next(iter(empty.iterdir()), Path("a"))
    with pytest.raises(InputError, match=said):
        write_draft([Path(there.name)], Path("mine.yaml"))
    assert not Path("mine.yaml").exists()


def write_parquet(name: str, **columns: Any) -> None:  # noqa: ANN401
    """Write lists, or a number an event."""
    pyarrow.parquet.write_table(pyarrow.table({key: [*own] for key, own in columns.items()}), f"{name}.parquet")


def test_what_is_not_used_or_hardly_held_is_said(empty: Path) -> None:
    rng = np.random.default_rng(1)
    pt, angle = rng.exponential(40, (300, 4)), rng.uniform(-2, 2, (300, 4))
    np.savez("flat.npz", x=np.concatenate([pt, angle], axis=1))
    (said,) = write_draft([Path("flat.npz")]).notes
    assert said.startswith("4 of 8 cells take fewer than 8 codes")
    none = pyarrow.array([[]] * 300, pyarrow.list_(pyarrow.float64()))
    write_parquet("events", Jet_pt=pt, Jet_eta=angle, Jet_phi=angle, Muon_pt=none, Muon_eta=none, Muon_phi=none)
    drafted = write_draft([Path("events.parquet")])
    assert drafted.notes == ("no event has a muon, so that there is none here",)
    assert [kind.name for kind in load_config(drafted.file).data.hardware.objects] == ["jet"]


def test_standardized_numbers_are_no_objects(empty: Path) -> None:
    np.savez("scaled.npz", x=np.random.default_rng(1).normal(size=(300, 4, 3)))
    array = load_config(write_draft([Path("scaled.npz")]).file).data.hardware.array
    assert array is not None
    assert (array.shape, array.signed) == ((4, 3), True)


def test_names_whose_stem_looks_like_a_quantity_are_matched_by_their_end(empty: Path) -> None:
    rng = np.random.default_rng(1)
    write_parquet("delphes", **{"MissingET.MET": rng.exponential(30, 300), "MissingET.Phi": rng.uniform(-3, 3, 300)})
    table = load_config(write_draft([Path("delphes.parquet")]).file).data.table
    assert table is not None
    assert (table.objects["met"].pt, table.objects["met"].phi) == ("MissingET.MET", "MissingET.Phi")


def test_of_two_columns_for_one_quantity_the_first_is_taken_and_two_numbers_in_a_name_are_no_slot() -> None:
    number = Observed("f", 1.0, 90.0)
    (kind,) = match_objects({"jet_pt": number, "jet_et": number})
    assert (kind.name, kind.columns.pt, kind.slots) == ("jet", "jet_pt", 1)
    assert not match_objects({"jet1b1_pt": number})


def test_files_of_two_kinds_are_refused(empty: Path, run_cli: Cli) -> None:
    event_files.write_adc2021(Path("a.h5"), 50)
    event_files.write_csv(Path("b.csv"), 50)
    done = run_cli("init", "a.h5", "b.csv", "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "b.csv is of another kind than a.h5" in done.stderr


def _model(path: Path, n_inputs: int, n_outputs: int) -> Path:
    """Write a small Keras model as Keras 3 does, in HDF5."""
    import keras  # noqa: PLC0415

    keras.Sequential([keras.Input((n_inputs,)), keras.layers.Dense(n_outputs, name="mu")]).save(path)
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_a_model_beside_the_events_gets_a_config_that_it_is_imported_into(empty: Path, run_cli: Cli) -> None:
    event_files.write_adc2021(empty / "adc.h5", 1500)
    _model(empty / "model.h5", 57, 57)
    begun = run_cli("init", "adc.h5", "model.h5")
    assert (begun.returncode, begun.stderr) == (0, "")
    assert "next: fpgaae import model.h5 --config adc.yaml, then fpgaae run adc.yaml" in begun.stdout
    assert load_config(Path("adc.yaml")).data.files == {"adc": "adc.h5"}
    done = run_cli("import", "model.h5", "--config", "adc.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["imported"]["file"] == "model.h5"

    encoder = write_draft([_model(empty / "encoder.keras", 57, 3), Path("adc.h5")], Path("encoder.yaml"))
    assert load_config(encoder.file).model.score.value == "mu_squared"
    assert encoder.steps == ("fpgaae import encoder.keras --config encoder.yaml", "fpgaae run encoder.yaml")
    other = _model(empty / "other.keras", 12, 12)
    for given, said in (
        ([Path("adc.h5"), other], r"other.keras takes 12 numbers, but an event of these files has 57"),
        ([Path("adc.h5"), other, Path("model.h5")], r"other.keras and model.h5 are both models; give one"),
        ([other], r"give event files, or folders of them beside .*other.keras"),
    ):
        with pytest.raises(InputError, match=said):
            write_draft(given, Path("none.yaml"))
    assert not Path("none.yaml").exists()
