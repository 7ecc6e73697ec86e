"""The stage `data` on small files, and every input of it that is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import open_workspace
from support import make_events, make_groups, small_config, write_events

from fpgaae.data import readers
from fpgaae.data.features import FeatureMap
from fpgaae.data.integers import hardware_codes
from fpgaae.data.layout import hardware_features
from fpgaae.data.splits import SPLITS, split_of_groups
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.pipeline import run
from fpgaae.progress import SilentProgress
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import RunOptions
from fpgaae.training.loop import Material, Run, train

N_EVENTS = 2000


def _run(config: Path, runs: Path) -> tuple[Experiment, DataResult]:
    experiment = open_experiment(config, runs)
    outcome = run(experiment, "data", RunOptions())
    result = experiment.result(DataResult)
    assert outcome.result == result
    return experiment, result


def test_what_the_stage_writes(tmp_path: Path) -> None:
    experiment, result = _run(small_config(tmp_path, n_events=N_EVENTS), tmp_path / "runs")
    data, seed = experiment.config.data, experiment.config.seed
    events, groups = make_events(N_EVENTS, seed=10), make_groups(N_EVENTS, seed=10)  # as small_config makes them
    codes = hardware_codes(events, data.hardware)
    split = split_of_groups(groups, data.split, seed)
    store = EventStore(experiment.stage_folder("data"))
    for index, name in enumerate(SPLITS):
        mine = split == index
        assert result.events["background"][name] == store.count("background", name) == mine.sum() > 0
        assert np.array_equal(store.read("background", name, 0, N_EVENTS), codes[mine])
        assert np.array_equal(store.groups("background", name), groups[mine])
    assert result.events["signal"] == {"test": N_EVENTS // 4}  # signals are not trained on
    signal = hardware_codes(make_events(N_EVENTS // 4, seed=6, pt_scale=4.0), data.hardware)
    assert np.array_equal(store.read("signal", "test", 0, N_EVENTS), signal)
    features = FeatureMap.of(result)
    assert tuple(feature.hardware for feature in features.features) == hardware_features(data.hardware)
    assert features.offsets.tolist() == np.rint(codes[split == 0].mean(axis=0)).tolist()  # the training split only


def test_a_split_with_a_seed_of_its_own_stays_when_the_experiments_changes(tmp_path: Path) -> None:
    stores = []
    for seed, split_seed in ((1, 5), (2, 5), (5, None), (1, None)):
        config = small_config(tmp_path, f"s{seed}_{split_seed}", seed=seed, data={"split": {"seed": split_seed}})
        stores.append(EventStore(_run(config, tmp_path / "runs")[0].stage_folder("data")))
    first, *same, other = [store.groups("background", "test").tolist() for store in stores]
    assert same == [first, first]
    assert other != first


def test_the_result_does_not_depend_on_the_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config(tmp_path)
    first, result = _run(config, tmp_path / "first")
    monkeypatch.setattr(readers.read_events, "__defaults__", (97, None))
    second, again = _run(config, tmp_path / "second")
    assert again == result
    stores = [EventStore(e.stage_folder("data")) for e in (first, second)]
    for process, splits in result.events.items():
        for name, n in splits.items():
            assert np.array_equal(*(store.read(process, name, 0, n) for store in stores))
            assert np.array_equal(*(store.groups(process, name) for store in stores))


def test_a_seed_changes_the_split_and_events_may_have_no_group(tmp_path: Path) -> None:
    _, first = _run(small_config(tmp_path, "a"), tmp_path)
    _, second = _run(small_config(tmp_path, "b", seed=7), tmp_path)
    assert first.events["background"] != second.events["background"]
    write_events(tmp_path / "background.h5", N_EVENTS, seed=10, groups=False)
    write_events(tmp_path / "signal.h5", 500, seed=6, groups=False)
    _, ungrouped = _run(small_config(tmp_path, "c", data={"group": None}), tmp_path)
    assert sum(ungrouped.events["background"].values()) == N_EVENTS


def test_an_npz_gives_what_the_hdf5_gives(tmp_path: Path) -> None:
    _, first = _run(small_config(tmp_path, "a"), tmp_path)
    np.savez(tmp_path / "b.npz", Particles=make_events(N_EVENTS, 10), Group=make_groups(N_EVENTS, 10))
    _, second = _run(small_config(tmp_path, "b", data={"files": {"background": "b.npz"}}), tmp_path)
    assert second.events == first.events
    assert second.feature_types == first.feature_types


def _edit(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        with h5py.File(folder / "background.h5", "a") as file:
            change(file)

    return edit


def _set(event: int, slot: int | slice, column: int | slice, value: float) -> Callable[[Path], None]:
    def change(file: h5py.File) -> None:
        file["Particles"][event, slot, column] = value

    return _edit(change)


def _rename(file: h5py.File) -> None:
    file.move("Particles", "Objects")


def _truncate(folder: Path) -> None:
    file = folder / "background.h5"
    file.write_bytes(file.read_bytes()[:-100_000])


BAD = {
    "empty-file": (lambda folder: (folder / "background.h5").write_bytes(b""), "background.h5 is empty; copy it again"),
    "truncated": (_truncate, "is damaged (Unable to synchronously open file (truncated file"),
    "missing-dataset": (_edit(_rename), "has no dataset `Particles` (there: Group, Objects)"),
    "missing-file": (
        lambda folder: (folder / "signal.h5").unlink(),
        "the event file signal.h5 of `data.files.signal` does not exist",
    ),
    "nan": (_set(1234, 3, 0, np.nan), "event 1234, slot 3 holds a NaN or infinite value"),
    "infinite": (_set(7, 0, 2, np.inf), "event 7, slot 0 holds a NaN or infinite value"),
    "negative-pt": (_set(1999, 9, 0, -1.0), "event 1999, slot 9 holds a negative pT"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("spoil", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_the_earlier_result_stays(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    config = small_config(tmp_path)
    experiment, _ = _run(config, tmp_path / "runs")
    before = experiment.result_path("data").read_bytes()
    spoil(tmp_path)
    with pytest.raises(InputError) as caught:
        run(experiment, "data", RunOptions())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert experiment.result_path("data").read_bytes() == before
    assert EventStore(experiment.stage_folder("data")).count("background", "train") > 0


def test_fewer_events_than_a_batch(tmp_path: Path) -> None:
    config = small_config(tmp_path, n_events=400, training={"quantized": {"batch_size": 4096}})
    with pytest.raises(InputError, match=r"events for training, fewer than one batch of 4096; give more events or a"):
        _run(config, tmp_path / "runs")


def test_a_batch_that_grew_beyond_the_events_of_a_finished_stage(tmp_path: Path) -> None:
    """The batch size is no part of what the stage wrote, so that the training looks again."""
    _run(small_config(tmp_path, n_events=1000), tmp_path / "runs")
    experiment, result = _run(small_config(tmp_path, training={"reference": {"batch_size": 4096}}), tmp_path / "runs")
    n_events = result.events["background"]["train"]
    fit = experiment.config.training.reference
    training = Run(None, Material(lambda epoch: [], list, n_events))
    with pytest.raises(InputError, match=f"has {n_events} events, fewer than one batch of 4096; give more events or a"):
        train(training, fit, tmp_path, SilentProgress(), "float training")


@pytest.mark.parametrize(
    ("n_events", "words"), [(1, "leaves no events for the"), (3, "all 3 events are of one group, 0, by `data.group`")]
)
def test_a_handful_of_events(tmp_path: Path, n_events: int, words: str) -> None:
    fit = {"batch_size": 1}
    config = small_config(tmp_path, n_events=n_events, training={"reference": fit, "quantized": fit}, seed=2)
    with pytest.raises(InputError, match=words):
        _run(config, tmp_path / "runs")


def test_wide_hardware_integers_are_kept(tmp_path: Path) -> None:
    objects = [{"name": "any", "slots": 19, "pt_bits": 16, "eta_bits": 8, "phi_bits": 8}]
    experiment, result = _run(
        small_config(tmp_path, data={"hardware": {"objects": objects, "pt_lsb_gev": 0.001}}), tmp_path
    )
    codes = EventStore(experiment.stage_folder("data")).read("signal", "test", 0, 500)
    assert codes.max() == 2**16 - 1
    assert codes[:, ::3].min() >= 0
    assert result.feature_types[0].name == "any_1_pt"


def test_columns_go_with_their_events_and_the_background_must_have_them(tmp_path: Path) -> None:
    config = small_config(tmp_path, n_events=N_EVENTS, data={"columns": {"pileup": "nPV"}})
    with pytest.raises(InputError, match=r"background\.h5 has no dataset `nPV`.*data\.columns\.pileup"):
        _run(config, tmp_path / "runs")
    with h5py.File(tmp_path / "background.h5", "a") as file:
        file["nPV"] = file["Group"][:] * 3
    experiment, result = _run(config, tmp_path / "runs")
    store = EventStore(experiment.stage_folder("data"))
    for split in SPLITS:
        columns = store.columns("background", split)
        assert columns["pileup"].size == result.events["background"][split]
        np.testing.assert_array_equal(columns["pileup"], 3 * store.groups("background", split))
    assert store.columns("background", "test", limit=7)["pileup"].size == 7
    assert store.columns("signal", "test") == {}, "a signal may lack them"


def test_signals_have_validation_events_where_the_config_wants_some(tmp_path: Path) -> None:
    small_config(tmp_path, n_events=600, data={"split": {"signal_validation": 0.4}})
    workspace = open_workspace(tmp_path)
    workspace.run("data")
    found = workspace.result("data")["events"]["signal"]
    assert found.keys() == {"validation", "test"}
    assert 0.25 < found["validation"] / (found["validation"] + found["test"]) < 0.55
    store = EventStore(workspace.experiment.stage_folder("data"))
    assert not set(store.groups("signal", "validation")) & set(store.groups("signal", "test"))
