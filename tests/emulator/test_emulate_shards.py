"""Raw words in shards of the public CMS set's schema: `emulate` gives the golden scores of what `data` made of them."""

from __future__ import annotations

from pathlib import Path

import h5py
import networks
import numpy as np
import pytest
import yaml
from conftest import Workspace, open_workspace
from distributed import LocalCluster
from support import CONFIGS

from fpgaae.cluster import NO_DASHBOARD
from fpgaae.config.file import load_config
from fpgaae.data.cms_shards import ZERO_BIAS, ShardSettings, write_shards
from fpgaae.data.features import FeatureMap
from fpgaae.data.splits import SPLITS
from fpgaae.data.store import EventStore
from fpgaae.emulator.emulate import EmulateOptions, emulate
from fpgaae.errors import InputError
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.emulate import EmulateResult

pytestmark = pytest.mark.usefixtures("compiler")
SETTINGS = ShardSettings(3000, 500, 700, (), menu_bits=4, seed=5, empty_share=0.02)
SPLIT_NAMES = dict(zip(SPLITS, ("train", "valid", "test"), strict=True))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("cms")
    write_shards(folder, SETTINGS)
    base = load_config(CONFIGS / "cms_l1.yaml").data.hardware.model_dump(mode="json")
    objects = [kind | {"slots": min(kind["slots"], 2)} for kind in base["objects"]]  # so that lists are cut
    content = {
        "extends": [str(CONFIGS / "l1_ae.yaml"), "preset:cmsl1t_parquet"],
        "data": {
            "files": {"background": str(folder / "data" / ZERO_BIAS)},
            "hardware": {"objects": objects},
        },
        "training": {"reference": {"batch_size": 256}, "quantized": {"batch_size": 256}},
    }
    (folder / "cms.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return networks.with_random_network(open_workspace(folder, "cms"))


def _emulate(workspace: Workspace, source: Path, folder: Path) -> EmulateResult:
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **NO_DASHBOARD) as one:
        return emulate(workspace.experiment, [source], folder, EmulateOptions(one.scheduler_address))


@pytest.mark.parametrize("pattern", ["", "*-of-*.parquet"], ids=["folder", "pattern"])
def test_shards_of_words_get_the_golden_scores_of_their_events(
    workspace: Workspace, pattern: str, tmp_path: Path
) -> None:
    shards = workspace.folder / "data" / ZERO_BIAS
    result = _emulate(workspace, shards / pattern if pattern else shards, tmp_path)
    assert not result.failed
    assert (len(result.files), result.events) == (5, 3000)
    features = FeatureMap.of(workspace.experiment.result(DataResult))
    golden = GoldenTrigger(features, workspace.network).behind_words
    store = EventStore(workspace.experiment.stage_folder("data"))
    n_kept, accepted = 0, np.zeros(len(result.thresholds), dtype=np.int64)
    for split, name in SPLIT_NAMES.items():
        expected = golden.score_and_decisions(store.read("background", split, 0, store.count("background", split)))
        found = []
        for file in sorted(tmp_path.glob(f"{name}-*_scores.h5")):
            with h5py.File(file) as content:
                mine = content["kept"][:] == 1
                found.append(np.column_stack([content["score"][:], content["accept"][:]])[mine])
        np.testing.assert_array_equal(np.concatenate(found), expected)
        n_kept, accepted = n_kept + len(expected), accepted + expected[:, 1:].sum(axis=0)
    assert n_kept == sum(entry.counted for entry in result.files) < 3000  # `order >= 0`
    assert [row.accepted for row in result.thresholds] == accepted.tolist()
    share = result.thresholds[0].accepted_share
    assert share is not None
    assert share.value == pytest.approx(accepted[0] / n_kept)


def test_a_folder_without_shards_is_one_sentence(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"the folder .*empty holds no event file"):
        _emulate(workspace, tmp_path / "empty", tmp_path / "out")


def test_a_pattern_that_matches_nothing_is_named(workspace: Workspace, tmp_path: Path) -> None:
    result = _emulate(workspace, tmp_path / "*.parquet", tmp_path / "out")
    (failure,) = result.failed.values()
    assert failure.endswith("*.parquet does not exist; correct its name")
