"""A scan's YAML: what it may hold, the experiments that come out of it, and the sentence for what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scans import write_scan
from support import CONFIGS

from fpgaae.config.file import load_config
from fpgaae.config.model import TrainingMode
from fpgaae.errors import ConfigError
from fpgaae.scan.layout import point_label, write_config
from fpgaae.scan.plan import load_scan

SHIPPED = sorted((CONFIGS / "scan").glob("*.yaml"))
OF_WIDTHS = {
    CONFIGS / "scan" / "post_training.yaml": TrainingMode.POST_TRAINING,
    CONFIGS / "scan" / "quantization_aware.yaml": TrainingMode.QUANTIZATION_AWARE,
}


@pytest.mark.parametrize("file", SHIPPED, ids=[file.stem for file in SHIPPED])
def test_every_shipped_scan_can_be_run(file: Path) -> None:
    assert len(list(load_scan(file).grid())) > 1


def test_the_scans_of_widths_go_from_2_to_16_bits_with_two_seeds() -> None:
    assert set(OF_WIDTHS) <= set(SHIPPED)
    for file, mode in OF_WIDTHS.items():
        scan = load_scan(file)
        points = list(scan.grid())
        assert [point["bits"] for point in points] == [2, 4, 6, 8, 10, 12, 14, 16]
        assert scan.settings.seeds == (1, 2)
        for point in points:
            config = scan.config(point, 2)
            assert config.training.quantized.mode is mode
            assert config.quantization.weights.bits == config.quantization.activations.bits == point["bits"]
            assert config.pruning.sparsity == 0.5


def test_a_trial_is_the_base_with_the_values_of_its_point(tmp_path: Path) -> None:
    axes = {
        "bits": {"keys": ["quantization.weights.bits", "quantization.activations.bits"], "values": [4, 8]},
        "model.encoder": [[8], [6, 4]],
        "pruning.sparsity": {"low": 0.3, "high": 0.7, "step": 0.2},
        "quantization.layers.latent.weights.bits": [9],
    }
    scan = load_scan(write_scan(tmp_path, axes=axes, set={"training.quantized.epochs": 5}))
    points = list(scan.grid())
    assert len(points) == 2 * 2 * 3
    assert [point["pruning.sparsity"] for point in points[:3]] == [0.3, 0.5, 0.7]
    config = scan.config(points[-1], 2)
    assert (config.quantization.weights.bits, config.quantization.activations.bits) == (8, 8)
    assert (config.model.encoder, config.pruning.sparsity, config.training.quantized.epochs) == ((6, 4), 0.7, 5)
    assert config.weight_width("latent").bits == 9
    assert config.seed == 2
    base = scan.base_config
    assert config.model.decoder == base.model.decoder
    assert (config.firmware, config.data.hardware) == (base.firmware, base.data.hardware)
    assert point_label(points[-1]) == "bits_8-encoder_6_4-sparsity_0.7-bits_9"


def test_every_seed_sees_the_same_split(tmp_path: Path) -> None:
    scan = load_scan(write_scan(tmp_path))
    one, two = (scan.config({"bits": 4}, seed) for seed in (1, 2))
    assert (one.seed, two.seed) == (1, 2)
    assert one.split_seed == two.split_seed == scan.base_config.seed == 42
    own = load_scan(write_scan(tmp_path, set={"data.split.seed": 7}))
    assert own.config({"bits": 4}, 1).split_seed == 7


def test_the_experiment_of_a_trial_can_be_written_anywhere(tmp_path: Path) -> None:
    scan = load_scan(write_scan(tmp_path / "here"))
    config = scan.config({"bits": 4}, 1)
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "trial.yaml"
    write_config(file, config, "A trial.")
    assert load_config(file) == config
    assert all(Path(name).is_file() for name in config.data.files.values())
    shipped = load_scan(next(iter(OF_WIDTHS))).config({"bits": 4}, 1)
    assert shipped.data.files["background"] == "sample:background.h5"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param({"axess": {}}, "unknown key `axess`; did you mean `axes`?", id="unknown"),
        pytest.param({"seeds": [1, 1]}, "a seed stands twice in seeds", id="seeds"),
        pytest.param({"objectives": ["lut", "ff"]}, "needs a performance (mean_auc, mean_tpr) and a cost", id="no-auc"),
        pytest.param({"objectives": ["mean_auc", "speed"]}, "`objectives.1`: input should be 'mean_auc'", id="kind"),
        pytest.param({"false_positive_rate": 0.5}, "false_positive_rate must be one of 1e-01, 1e-02", id="rate"),
        pytest.param({"axes": {"a": {"keys": ["seed"], "values": [1]}}}, "list the `seeds` of the scan", id="seed"),
        pytest.param({"axes": {"data.split.train": [0.5]}}, "trials are compared on the same events", id="split"),
        pytest.param({"axes": {"model.latent": {"low": 2, "values": [1]}}}, "give either values, or low", id="both"),
        pytest.param({"axes": {"model.latent": [4, 2, 4]}}, "a value stands twice in values", id="values"),
        pytest.param({"axes": {"model.latent": {"low": 5, "high": 2}}}, "low (5) must lie below high (2)", id="order"),
        pytest.param(
            {"axes": {"pruning.sparsity": {"low": 0.1, "high": 0.5}}}, "give it a step, or search", id="continuous"
        ),
        pytest.param({"signals": ["nothing"]}, "has no signal nothing", id="signal"),
    ],
)
def test_what_is_wrong_in_a_scan_is_named_with_its_line(tmp_path: Path, keys: dict[str, Any], words: str) -> None:
    file = write_scan(tmp_path, **keys)
    with pytest.raises(ConfigError) as caught:
        load_scan(file)
    assert words in str(caught.value)
    assert f"{file}, line " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"axes": {"bits": {"keys": ["quantization.weights.bits"], "values": [8, 99]}}}, "`quantization.weights.bits`"),
        ({"axes": {"bits": {"keys": ["quantization.wights.bits"], "values": [8]}}}, "did you mean `weights`?"),
        ({"axes": {"seed.bits": [8]}}, "`seed` holds no other keys"),
        ({"set": {"training.quantized.epochs": 1}, "axes": {"pruning.end_epoch": [2]}}, "lies behind the last of the"),
    ],
)
def test_what_makes_no_experiment_is_placed_in_the_scan(tmp_path: Path, keys: dict[str, Any], words: str) -> None:
    """Every point of a grid is validated before anything is trained."""
    file = write_scan(tmp_path, **keys)
    with pytest.raises(ConfigError) as caught:
        load_scan(file)
    assert words in str(caught.value)
    line = int(str(caught.value).split(f"{file}, line ")[1].split(":")[0])
    assert any(word in file.read_text().splitlines()[line - 1] for word in ("bits:", "end_epoch:", "keys")), line


def test_of_a_search_every_value_is_validated_and_not_every_combination(tmp_path: Path) -> None:
    """A grid of 84,669 points is not walked through, and a wrong value is still found."""
    keys = ["quantization.weights.bits", "quantization.activations.bits"]
    axes: dict[str, Any] = {key: {"low": 4, "high": 16} for key in keys}
    axes["pruning.sparsity"] = {"low": 0.1, "high": 0.6, "step": 0.001}
    scan = load_scan(write_scan(tmp_path, axes=axes, optuna={"trials": 1}))
    assert len(list(scan.samples())) == 13 + 13 + 501
    axes["pruning.sparsity"] = {"values": [0.5, 1.5]}
    with pytest.raises(ConfigError, match=r"pruning\.sparsity"):
        load_scan(write_scan(tmp_path, axes=axes, optuna={"trials": 1}))


def test_an_experiment_is_no_scan() -> None:
    with pytest.raises(ConfigError, match="is an experiment, not a scan; give a file such as configs/scan"):
        load_scan(CONFIGS / "l1_ae.yaml")
    with pytest.raises(ConfigError, match=r"nowhere.yaml can't be read"):
        load_scan(CONFIGS / "nowhere.yaml")
