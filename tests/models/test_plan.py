"""The planned network: its layers in order, and the float, quantized and NumPy forms that are made of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import RandomNetwork, autoencoder, convolutional, embedded, variational

from fpgaae.config.model import Embedding, Model, Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType
from fpgaae.models import float_weights
from fpgaae.models.architecture import describe_model
from fpgaae.models.calibrate import quantizer_sites
from fpgaae.models.float_weights import layer_outputs, selected_outputs
from fpgaae.models.plan import deployed_part, plan_network
from fpgaae.models.prepare import prepare_network

IMAGE = (6, 3, 1)


@pytest.fixture(autouse=True)
def _keras_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _layers(model: Model, image: tuple[int, ...]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(layer.name, layer.kind, layer.inputs) for layer in plan_network(model, image).layers]


def test_a_dense_network_is_one_chain() -> None:
    network = plan_network(autoencoder((6,), 3), IMAGE)
    assert [(layer.name, layer.kind) for layer in network.layers] == [
        ("features", "InputLayer"), ("encoder_1", "Dense"), ("encoder_1_relu", "ReLU"), ("latent", "Dense"),
        ("decoder_1", "Dense"), ("decoder_1_relu", "ReLU"), ("reconstruction", "Dense"),
    ]  # fmt: skip
    assert network["reconstruction"].settings == {"units": 18}
    assert all(
        after.inputs == (before.name,) for before, after in zip(network.layers, network.layers[1:], strict=False)
    )


def test_an_embedding_stands_in_front_of_its_autoencoder() -> None:
    model = embedded()
    network = plan_network(model, IMAGE)
    assert [layer.name for layer in network.layers if layer.kind == "Dense"] == list(model.deployed_layers) == [
        "embedding_1", "embedding", "encoder_1", "latent", "decoder_1", "reconstruction",
    ]  # fmt: skip
    assert network["encoder_1"].inputs == ("embedding",)
    assert network["reconstruction"].settings == network["embedding"].settings == {"units": 4}
    assert list(model.rounded_layers) == [site.layer for site in quantizer_sites(network)]
    images = model.model_copy(update={"embedding": Embedding(encoder=({"filters": 2, "kernel": [2, 2]},), width=4)})
    assert [layer.name for layer in plan_network(images, IMAGE).layers][1:5] == [
        "image", "embedding_1", "embedding_1_relu", "embedding_flat",
    ]  # fmt: skip


def test_an_imported_score_of_an_inner_layer_is_refused(random_network: Callable[..., RandomNetwork]) -> None:
    given, inputs = describe_model(random_network(embedded(), 18).model), FixedPointType(10, 5)
    with pytest.raises(InputError, match="compares its output with the layer embedding_quantized"):
        prepare_network(given, inputs, quantize=False)
    plain = describe_model(random_network(autoencoder((6,), 3), 18).model)
    assert prepare_network(plain, inputs, quantize=False).quantized is not None


def test_the_float_score_compares_the_embedding(tensorflow: None) -> None:
    from fpgaae.models.float import build_float, folded_weights  # noqa: PLC0415

    graph, x = build_float(embedded(), IMAGE, 3), np.random.default_rng(2).normal(size=(50, 18)).astype(np.float32)
    weights, network = folded_weights(graph.training), plan_network(embedded(), IMAGE)
    found = np.asarray(graph.scoring.predict(x, verbose=0))
    both = selected_outputs(network, weights, x, ("embedding", "reconstruction"))
    np.testing.assert_allclose(found, both, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(graph.training.predict(x, verbose=0)), both[:, 4:], rtol=1e-4, atol=1e-5)


def test_a_convolutional_network_flattens_in_front_of_its_dense_layers() -> None:
    names = [name for name, _, _ in _layers(convolutional(), IMAGE)]
    assert names == [
        "features", "image", "encoder_pad_1", "encoder_1", "encoder_1_relu", "encoder_pool_1", "encoder_2",
        "encoder_2_relu", "encoder_pool_2", "latent_flat", "latent", "decoder_1", "decoder_1_relu", "decoder_reshape_1",
        "decoder_upsample_1", "decoder_2", "decoder_2_relu", "decoder_pad_1", "reconstruction", "reconstruction_flat",
    ]  # fmt: skip
    model = convolutional()
    assert model.deployed_layers == ("encoder_1", "encoder_2", "latent", "decoder_1", "decoder_2", "reconstruction")
    rounded = [site.layer for site in quantizer_sites(plan_network(model, IMAGE))]
    assert list(model.rounded_layers) == rounded
    assert "encoder_pool_2" in rounded
    assert "encoder_pool_1" not in rounded, "a maximum computes nothing new"


def test_both_heads_read_the_last_hidden_layer_and_only_they_are_deployed() -> None:
    model = convolutional(Score.KL_DIVERGENCE)
    network = plan_network(model, IMAGE)
    assert network["mu"].inputs == network["log_variance"].inputs == ("mu_flat",)
    assert network["sampling"].inputs == ("mu", "log_variance")
    part = deployed_part(model, network)
    assert part.outputs == ("mu", "log_variance")
    assert [layer.name for layer in part.layers][-4:] == ["encoder_pool_2", "mu_flat", "mu", "log_variance"]
    only = deployed_part(convolutional(Score.MU_SQUARED), network)
    assert only.outputs == ("mu",)
    assert "log_variance" not in [layer.name for layer in only.layers]


def _trained(model: Model, *, masked: bool = False) -> Any:  # noqa: ANN401
    """Build a float network whose normalizations do something."""
    from fpgaae.models.float import build_float  # noqa: PLC0415

    graph, rng = build_float(model, IMAGE, 3, batch_normalization=True, masked=masked), np.random.default_rng(1)
    for layer in graph.training.layers:
        if layer.name.endswith("_normalization"):
            n = len(layer.get_weights()[0])
            spread = [rng.uniform(0.5, 2, n), rng.uniform(-0.3, 1, n), rng.normal(0, 0.3, n), rng.uniform(0.2, 3, n)]
            layer.set_weights(spread)
    return graph


@pytest.mark.slow
@pytest.mark.parametrize("score", [Score.SQUARED_ERROR, Score.KL_DIVERGENCE], ids=lambda score: score.value)
def test_the_float_network_and_its_arrays_put_out_the_same(
    tensorflow: None, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fpgaae.models.float import folded_weights  # noqa: PLC0415

    model = convolutional(score)
    graph = _trained(model)
    x = np.random.default_rng(2).normal(size=(50, 18)).astype(np.float32)
    weights, network = folded_weights(graph.training), deployed_part(model, plan_network(model, IMAGE))
    expected = np.asarray(graph.scoring.predict(x, verbose=0))
    layers = ("reconstruction",) if score.of_reconstruction else network.outputs
    found = selected_outputs(network, weights, x, layers)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    monkeypatch.setattr(float_weights, "_HELD_VALUES", 500)  # in parts of a few events
    np.testing.assert_allclose(selected_outputs(network, weights, x, layers), found, rtol=1e-4, atol=1e-6)
    assert [name for name, _ in layer_outputs(network, weights, x)] == list(model.rounded_layers)


def test_a_pruned_convolution_computes_with_what_is_left(tensorflow: None) -> None:
    from fpgaae.models.float import build_float  # noqa: PLC0415

    masked = build_float(convolutional(), IMAGE, 3, masked=True).training
    plain = build_float(convolutional(), IMAGE, 3).training
    layer = masked.get_layer("encoder_2")  # padding same, strides
    layer.prune(0.5)
    assert (layer.pruned_kernel == 0).sum() == layer.pruned_kernel.size / 2
    plain.get_layer("encoder_2").set_weights([layer.pruned_kernel, np.asarray(layer.bias)])
    x = np.random.default_rng(2).normal(size=(20, 18)).astype(np.float32)
    found, expected = masked.predict(x, verbose=0), plain.predict(x, verbose=0)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "ends"),
    [
        (convolutional(), ("inputs_flat", "reconstruction_flat")),
        (convolutional(Score.KL_DIVERGENCE), ("mu_quantized", "log_variance_quantized")),
        (autoencoder((6,), 3), ("features_quantized", "reconstruction_quantized")),
        (variational((6,), 3), ("mu_quantized",)),
        (embedded(), ("embedding_quantized", "reconstruction_quantized")),
    ],
    ids=["conv_ae", "conv_vae", "ae", "vae", "embedding"],
)
def test_the_score_reads_the_ends_of_the_quantized_network(
    random_network: Callable[..., RandomNetwork], model: Model, ends: tuple[str, ...]
) -> None:
    made = random_network(model, 18).model
    tensors = made.get_layer("score").input
    read = [tensor._keras_history.layer.name for tensor in (tensors if isinstance(tensors, list) else [tensors])]
    assert tuple(read) == ends
    names = [layer.name for layer in made.layers]
    if "encoder_pool_2" in names:
        assert names[names.index("encoder_pool_2") + 1] == "encoder_pool_2_quantized"
        assert names.count("image") == 1
