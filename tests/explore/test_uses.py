"""What trained methods are good for: samples, imputation, clusters, the order of spins; and what they refuse."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from programs_of_reference import output_of
from support import CONFIGS, small_config

from fpgaae.explore import uses as package
from fpgaae.files import Json
from fpgaae.runs.results.explore import Coder
from fpgaae.runs.stages import USES


@pytest.fixture(scope="module")
def measured() -> Json:
    return output_of("uses")


@pytest.mark.slow
def test_sampling_a_plain_autoencoder_is_worse_than_sampling_a_vae(measured: Json) -> None:
    samples = measured["shipped"]["samples"]
    prior, fitted = samples["prior"], samples["autoencoder, fitted Gaussian"]
    assert prior["to_decoded_events"]["value"] < fitted["to_decoded_events"]["value"]
    # of so few events it varies by more than the two may differ
    assert prior["classifier_auc"]["low"] < fitted["classifier_auc"]["high"]
    assert samples["test events"]["to_test_events"]["low"] < 0.02


@pytest.mark.slow
def test_a_denoising_autoencoder_fills_in_better_than_the_mean(measured: Json) -> None:
    found = measured["denoising"]["impute"]
    assert found["rmse"]["imputed"] < 0.8 * found["rmse"]["mean"]
    assert found["ssim"]["mean"] + 0.02 < found["ssim"]["imputed"] <= 1


@pytest.mark.slow
def test_the_latent_of_spins_is_their_magnetisation(measured: Json) -> None:
    assert abs(measured["spins"]["correlate"]["quantities"]["mean"]["pearson"]) > 0.9


@pytest.mark.slow
def test_two_digits_are_two_clusters_and_compress(measured: Json) -> None:
    vae = measured["vae"]
    assert 0.0 < vae["cluster"]["latents"]["adjusted_rand_index"] <= 1
    assert vae["cluster"]["latents"]["purity"] > 1 / 3
    assert vae["compress"]["rate"] == pytest.approx(62 / 64)
    assert vae["compress"]["input_bits"] == 320
    assert vae["latent"]["latents"] == 2
    distance = vae["interpolate"]["nearest_training_event"]
    assert distance["through the latents"] < distance["faded"]


@pytest.mark.slow
def test_every_use_leaves_its_figure_and_is_not_made_twice(measured: Json) -> None:
    for name in ("vae", "denoising", "spins"):
        result = measured[name]
        assert all(size > 2000 for size in result["figures"].values())
        assert result["current"]


def test_every_use_has_its_file() -> None:
    files = {file.stem for file in Path(package.__path__[0]).glob("*.py")}
    assert files - {"__init__", "pictures"} == set(USES)


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(
    ("method", "use", "said"),
    [
        ("gan", "latent", "the method gan has no latents, which the use latent needs; it has sample, correlate"),
        ("flow", "compress", "the method flow has no bottleneck, which the use compress needs; it has latent, sample"),
        ("vae", "dream", "there is no use dream; there are latent, sample"),
    ],
)
def test_a_use_that_a_method_has_not_is_refused(
    tmp_path: Path, run_cli: Callable[..., subprocess.CompletedProcess[str]], method: str, use: str, said: str
) -> None:
    config = small_config(tmp_path, method={"kind": method})
    done = run_cli("explore", config, use, "--runs", tmp_path / "runs")
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "runs" / "small" / "reference").exists()


@pytest.mark.slow
def test_a_config_without_method_has_no_uses(
    tmp_path: Path, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_cli("explore", CONFIGS / "l1_ae.yaml", "--runs", tmp_path)
    assert done.returncode == 2
    assert "l1_ae.yaml has no `method`, of which there would be uses" in done.stderr


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("names", [("vae", "pca"), ("pca",)], ids=["method-and-pca", "pca-itself"])
def test_the_figure_of_compression_has_a_curve_a_coder(names: tuple[str, ...]) -> None:
    from fpgaae.explore.uses.compress import _BITS, _figure  # noqa: PLC0415 - Keras

    curve = Coder(error=0.5, error_by_bits={str(bits): 1 / bits for bits in _BITS}, bits_a_latent=None)
    (panel,) = _figure(dict.fromkeys(names, curve), 3, 100).axes
    _, labels = panel.get_legend_handles_labels()
    assert labels == [name.upper() if name == "pca" else name for name in names]
