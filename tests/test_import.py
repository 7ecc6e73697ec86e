"""`fpgaae import`: a model from a file goes through conversion, C simulation and evaluation as a trained one does."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from conftest import Workspace, open_workspace
from onnx_models import dense_model
from qonnx_execution import prove_all_forms
from support import array_config, small_config

from fpgaae.errors import ConfigError, InputError
from fpgaae.fixedpoint import parse_type
from fpgaae.golden.layers.tabulated import Tabulated
from fpgaae.models.model_file import ModelFiles
from fpgaae.models.prepare import prepare_network
from fpgaae.pipeline import import_model
from fpgaae.runs.choices import ImportChoices
from fpgaae.runs.results.train import TrainResult
from fpgaae.runs.run import Outcome, RunOptions

pytestmark = [
    pytest.mark.usefixtures("tensorflow", "evaluation_in_process"), pytest.mark.filterwarnings("ignore"),
]  # fmt: skip

_FEW = {"csim": {"max_events_per_process": 300, "random_events": 100, "processes": 1}}
_ANY_TYPE = parse_type("ap_fixed<9,5,AP_RND_CONV,AP_SAT>")
_ENCODER = {"model": {"kind": "variational", "score": "mu_squared"}, "firmware": {"io_type": "io_stream"}}


def _dense_keras_3(file: Path) -> None:
    """A float autoencoder with batch normalization, dropout, a slope below zero, and a sigmoid at its end."""
    import keras  # noqa: PLC0415
    from keras import layers  # noqa: PLC0415

    keras.utils.set_random_seed(1)
    x = features = keras.Input((57,), name="features")
    x = layers.BatchNormalization(name="norm")(layers.Dense(12, activation="relu", name="wide")(x))
    x = layers.LeakyReLU(negative_slope=0.125, name="leaky")(layers.Dense(4, name="latent")(x))
    x = layers.Dropout(0.1)(x)
    x = layers.ELU(name="curved")(layers.Dense(5, name="narrow")(x))
    keras.Model(features, layers.Dense(57, use_bias=False, activation="sigmoid", name="back")(x)).save(file)


def _convolution_keras_2(file: Path) -> None:
    """A float convolutional encoder."""
    import tf_keras  # noqa: PLC0415
    from tf_keras import layers  # noqa: PLC0415

    tf_keras.utils.set_random_seed(1)
    x = features = layers.Input((19, 3, 1), name="features")
    x = layers.AveragePooling2D((3, 1), name="pool")(layers.Conv2D(4, 3, activation="relu", name="conv")(x))
    x = layers.Flatten()(layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, (3, 1), name="conv_2")(x))))
    tf_keras.Model(features, layers.Dense(3, name="mu")(x)).save(file)


def _dense_qkeras(file: Path, *, score: bool = False) -> None:
    """A quantized autoencoder with an activation inside a layer and without a bias."""
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation, QDense  # noqa: PLC0415

    from fpgaae.models.score_layers import SquaredErrorScore  # noqa: PLC0415

    tf_keras.utils.set_random_seed(1)
    weights = "quantized_bits(6,0,0,alpha=1)"
    features = tf_keras.layers.Input((57,), name="features")
    x = inputs = QActivation("quantized_bits(9,4,0,alpha=1)", name="inputs")(features)
    x = QDense(8, kernel_quantizer=weights, bias_quantizer=weights, activation="quantized_relu(7,3)", name="a")(x)
    x = QDense(57, kernel_quantizer=weights, use_bias=False, name="b")(x)
    x = QActivation("quantized_bits(9,4,0,alpha=1)", name="b_out")(x)
    tf_keras.Model(features, SquaredErrorScore(name="my_score")([inputs, x]) if score else x).save(file)


@pytest.fixture(scope="module")
def models(tensorflow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with one model file of each kind."""
    folder = tmp_path_factory.mktemp("models")
    _dense_keras_3(folder / "dense.keras")
    _convolution_keras_2(folder / "convolution.h5")
    _dense_qkeras(folder / "qkeras.h5")
    _dense_qkeras(folder / "scored.keras", score=True)
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Workspace]:
    """Give a function that makes an experiment with its events."""

    def make(**overrides: Any) -> Workspace:  # noqa: ANN401
        folder = tmp_path_factory.mktemp("import")
        small_config(folder, n_events=1500, **{**_FEW, **overrides})
        return open_workspace(folder)

    return make


def _import(workspace: Workspace, model: Path, **options: Any) -> tuple[Workspace, Outcome[Any]]:  # noqa: ANN401
    choices, weights = options.pop("choices", ImportChoices()), options.pop("weights", None)
    config, runs = workspace.experiment.config_file, workspace.folder / "runs"
    outcome = import_model(ModelFiles(model, weights), config, runs, RunOptions(**options), choices)
    return open_workspace(workspace.folder), outcome


def _convert_and_prove(workspace: Workspace) -> None:
    for stage in ("convert", "csim", "evaluate"):
        workspace.run(stage)
    result = workspace.result("csim")
    assert result["passed"] is True
    assert result["mismatched_events"] == 0
    assert all(layer["values"] > 0 and layer["mismatched_values"] == 0 for layer in result["layers"])
    metrics = workspace.result("evaluate")["models"]
    assert {"float", "quantized", "firmware"} <= metrics.keys()
    aucs = [metrics[model]["signal"]["auc"]["value"] for model in ("float", "firmware")]
    assert abs(aucs[0] - aucs[1]) < 0.05, "the float network is the imported one"


@pytest.mark.slow
@pytest.mark.usefixtures("compiler", "without_figures")
def test_a_float_dense_autoencoder_goes_the_whole_way(prepared: Callable[..., Workspace], models: Path) -> None:
    widths = {"quantization": {"layers": {"latent": {"activations": {"bits": 11}}, "wide": {"weights": {"bits": 9}}}}}
    folder = prepared().folder
    small_config(folder, n_events=1500, **{**_FEW, **widths})  # layers of the model, not of the config's own
    with pytest.raises(ConfigError, match=r"quantization\.layers\.(latent|wide)"):
        open_workspace(folder)
    import_model(
        ModelFiles(models / "dense.keras"), folder / "small.yaml", folder / "runs", RunOptions(), ImportChoices()
    )
    workspace = open_workspace(folder)
    train = workspace.result("train")
    assert train["imported"]["file"] == "dense.keras"
    assert (train["imported"]["kind"], train["imported"]["taken_as_it_is"]) == ("float", False)
    assert train["weights_bits"] == {"wide": 9, "latent": 8, "narrow": 8, "back": 8}
    assert set(train["sparsity"]) == {"wide", "latent", "narrow", "back", "whole"}
    assert train["events_per_second"] > 0
    errors = train["quantization_error"]
    assert list(errors) == [
        "features_quantized", "wide_relu", "leaky_quantized", "narrow_quantized", "curved", "back_quantized",
        "back_sigmoid",
    ]  # fmt: skip
    assert parse_type(errors["leaky_quantized"]["type"]).width == 11
    for error in errors.values():
        assert error["rms"] > 0
        assert error["sqnr_db"] > 10
        assert 0 <= error["saturated"] < 0.01
    _convert_and_prove(workspace)
    tables = [layer for layer in workspace.network.layers if isinstance(layer, Tabulated)]
    assert [(layer.name, layer.function.name) for layer in tables] == [("curved", "elu"), ("back_sigmoid", "sigmoid")]
    workspace.run("prove")
    proven = {layer["name"]: (layer["outcome"], layer["how"]) for layer in workspace.result("prove")["layers"]}
    assert proven["back_sigmoid"] == ("proven", "every code of each value (256 in all)")
    assert {outcome for outcome, _ in proven.values()} == {"proven"}
    assert workspace.run("train").was_current
    assert workspace.run("reference").was_current


@pytest.mark.slow
@pytest.mark.usefixtures("compiler", "without_figures")
def test_a_float_convolutional_encoder_goes_the_whole_way(prepared: Callable[..., Workspace], models: Path) -> None:
    workspace, _ = _import(prepared(**_ENCODER), models / "convolution.h5")
    _convert_and_prove(workspace)
    kinds = {layer.kind for layer in workspace.network.layers}
    assert {"convolution", "average_pooling", "mu_squared"} <= kinds


@pytest.mark.slow
@pytest.mark.usefixtures("compiler", "without_figures")
def test_a_qkeras_autoencoder_is_taken_as_it_is(prepared: Callable[..., Workspace], models: Path) -> None:
    workspace, _ = _import(prepared(), models / "qkeras.h5")
    train = workspace.result("train")
    assert (train["imported"]["kind"], train["imported"]["taken_as_it_is"]) == ("qkeras", True)
    assert train["weights_bits"] == {"a": 6, "b": 6}
    assert list(train["quantization_error"]) == ["inputs", "a_relu", "b_out"]
    _convert_and_prove(workspace)
    network = workspace.network
    assert str(network.input_type) == "ap_fixed<9,5,AP_RND_CONV,AP_SAT>"
    assert str(network["a_relu"].type) == "ap_ufixed<7,3,AP_RND_CONV,AP_SAT>"


@pytest.mark.slow
def test_a_score_at_the_end_is_that_of_the_config(prepared: Callable[..., Workspace], models: Path) -> None:
    plain, _ = _import(prepared(), models / "qkeras.h5")
    scored, _ = _import(prepared(), models / "scored.keras")
    errors = [workspace.result("train")["quantization_error"] for workspace in (plain, scored)]
    assert errors[0] == errors[1]
    with pytest.raises(InputError, match=r"ends in a SquaredErrorScore, but `model\.score` is mu_squared"):
        _import(prepared(**_ENCODER), models / "scored.keras")


@pytest.mark.slow
def test_a_qkeras_model_can_be_quantized_anew(prepared: Callable[..., Workspace], models: Path) -> None:
    workspace, _ = _import(prepared(), models / "qkeras.h5", choices=ImportChoices(quantize=True))
    train = workspace.result("train")
    assert (train["imported"]["kind"], train["imported"]["taken_as_it_is"]) == ("qkeras", False)
    assert train["weights_bits"] == {"a": 8, "b": 8}


def test_what_contradicts_the_config_is_one_sentence(prepared: Callable[..., Workspace], models: Path) -> None:
    with pytest.raises(InputError, match=r"puts out 3, no reconstruction, but `model\.score` is squared_error"):
        _import(prepared(), models / "convolution.h5")
    with pytest.raises(InputError, match=r"a reconstruction, but `model\.score` is mu_squared"):
        _import(prepared(**_ENCODER), models / "dense.keras")
    objects = [{"name": "jet", "slots": 5, "pt_bits": 11, "eta_bits": 8, "phi_bits": 8}]
    fewer = prepared(**_ENCODER)
    np.savez(fewer.folder / "five.npz", Particles=np.ones((600, 5, 3), dtype=np.float32))
    data = {"files": {"background": "five.npz", "signal": "five.npz"}, "group": None, "hardware": {"objects": objects}}
    small_config(fewer.folder, n_events=1500, **_FEW, **_ENCODER, data=data)
    with pytest.raises(InputError, match=r"of shape \(19, 3, 1\), but those of the config are \(15,\), \(5, 3\) or"):
        _import(open_workspace(fewer.folder), models / "convolution.h5")


def test_widths_for_a_layer_that_the_model_lacks_are_refused(prepared: Callable[..., Workspace], models: Path) -> None:
    folder = prepared().folder
    small_config(folder, n_events=1500, **_FEW, quantization={"layers": {"encoder_1": {"weights": {"bits": 9}}}})
    with pytest.raises(
        ConfigError, match=r"quantization\.layers\.encoder_1: no such layer; the layers are wide, latent"
    ):
        import_model(
            ModelFiles(models / "dense.keras"), folder / "small.yaml", folder / "runs", RunOptions(), ImportChoices()
        )


def test_a_qkeras_model_without_an_input_quantizer_gets_that_of_the_config(
    prepared: Callable[..., Workspace], tmp_path: Path
) -> None:
    import tf_keras  # noqa: PLC0415
    from qkeras import QActivation, QDense  # noqa: PLC0415

    weights = "quantized_bits(6,0,0,alpha=1)"
    features = tf_keras.layers.Input((57,), name="features")
    x = QDense(57, kernel_quantizer=weights, bias_quantizer=weights, name="a")(features)
    tf_keras.Model(features, QActivation("quantized_bits(9,4,0,alpha=1)")(x)).save(tmp_path / "model.h5")
    workspace, _ = _import(prepared(), tmp_path / "model.h5")
    train = workspace.result("train")
    assert train["imported"]["taken_as_it_is"] is True
    assert train["quantization_error"]["features_quantized"]["type"] == "ap_fixed<10,6,AP_RND_CONV,AP_SAT>"
    assert workspace.result("import")["twin"]["largest_difference"] == 0


@pytest.mark.usefixtures("compiler", "onnx_package", "qonnx_package", "without_proofs")
def test_a_qonnx_file_goes_the_whole_way(tmp_path: Path) -> None:
    networks.need("verilator")
    array_config(tmp_path, (12,), n_events=2000, **_FEW)
    file = dense_model(tmp_path / "m.onnx", 12, is_quantized=True)
    import_model(ModelFiles(file), tmp_path / "model.yaml", tmp_path / "runs", RunOptions(), ImportChoices())
    workspace = open_workspace(tmp_path, "model")
    train = workspace.result("train")
    assert (train["imported"]["kind"], train["imported"]["taken_as_it_is"]) == ("qonnx", True)
    assert any("the type is that of the model, which `--quantize` gives others" in said for said in train["warnings"])
    prove_all_forms(workspace, file, tmp_path / "emulator")


def _variational_keras_2(file: Path) -> None:
    """A whole float variational encoder, with a Lambda that stands for the sampling."""
    import tf_keras  # noqa: PLC0415
    from tf_keras import layers  # noqa: PLC0415

    tf_keras.utils.set_random_seed(1)
    features = layers.Input((12,), name="features")
    h = layers.Dense(6, activation="relu", name="h")(features)
    mean, variance = layers.Dense(3, name="z_mean")(h), layers.Dense(3, activation="tanh", name="z_log_var")(h)
    variance = layers.Dense(3, name="spread")(variance)
    z = layers.Lambda(lambda pair: pair[0], output_shape=(3,), name="z")([mean, variance])
    tf_keras.Model(features, layers.Dense(12, name="back")(z)).save(file)


@pytest.mark.usefixtures("compiler", "without_figures")
def test_a_whole_vae_gives_mu_and_log_variance_to_a_score_of_both(tmp_path: Path) -> None:
    score = {"model": {"kind": "variational", "score": "kl_divergence"}}
    config, file = array_config(tmp_path, (12,), n_events=2000, **_FEW, **score), tmp_path / "vae.h5"
    _variational_keras_2(file)
    both = ImportChoices(outputs=("z_mean", "spread"))
    with pytest.raises(InputError, match=r"needs mu and log sigma\^2, and the model puts out one of them"):
        import_model(ModelFiles(file), config, tmp_path / "runs", RunOptions(), ImportChoices(outputs=("z_mean",)))
    import_model(ModelFiles(file), config, tmp_path / "runs", RunOptions(), both)
    workspace = open_workspace(tmp_path, "model")
    assert {"z_mean_quantized", "spread_quantized"} < workspace.result("train")["quantization_error"].keys()
    assert {"z_mean", "spread"} < set(workspace.result("import")["twin"]["layers"])
    _convert_and_prove(workspace)
    score_layer = workspace.network.layers[-2]
    assert (score_layer.kind, len(score_layer.inputs)) == ("kl_divergence", 2)
    own = prepare_network(
        ModelFiles(workspace.experiment.stage_folder("train") / "model.h5").read(), _ANY_TYPE, quantize=False
    )
    assert own.quantized is not None
    assert own.quantized.outputs == score_layer.inputs, "a model of our own gives both again"


def test_the_unit_of_the_inputs_is_said_and_a_useless_reconstruction_is_warned_of(
    prepared: Callable[..., Workspace], models: Path
) -> None:
    workspace, _ = _import(prepared(data={"scaling": {"offset": 3, "shift": 2}}), models / "dense.keras")
    reference = workspace.result("reference")
    assert reference["unit"] == "(code - offset) * 2**-shift with offsets 3 and shifts 2"
    low, high = reference["input_range"]
    assert -32 <= low < high < 32
    assert reference["val_loss"] > reference["mean_loss"] > 0  # its weights are random
    assert "worse than the mean of the inputs" in reference["warnings"][0]
    assert "`data.scaling`" in reference["warnings"][0]
    twin = workspace.result("import")["twin"]
    assert twin["largest_difference"] < 1e-9 * twin["largest_value"]
    assert {"wide", "leaky", "back"} <= set(twin["layers"])


@pytest.mark.slow
def test_an_import_of_another_file_replaces_it_and_one_that_fails_does_not(
    prepared: Callable[..., Workspace], models: Path, tmp_path: Path
) -> None:
    workspace, first = _import(prepared(), models / "dense.keras")
    assert not first.was_current
    assert _import(workspace, models / "dense.keras")[1].was_current
    (tmp_path / "broken.keras").write_bytes(b"no model")
    for wrong in (tmp_path / "broken.keras", models / "convolution.h5", tmp_path / "missing.h5"):
        with pytest.raises(InputError):
            _import(workspace, wrong)
        assert open_workspace(workspace.folder).run("train").was_current
    workspace, second = _import(workspace, models / "qkeras.h5")
    assert second.result.imported == workspace.experiment.result(TrainResult).imported
    assert workspace.result("train")["imported"]["file"] == "qkeras.h5"
    assert workspace.result("import")["replaces"] == "dense.keras"


@pytest.mark.slow
def test_another_width_quantizes_again_and_a_forced_training_gives_the_import_up(
    prepared: Callable[..., Workspace], models: Path
) -> None:
    workspace, _ = _import(prepared(), models / "dense.keras")
    small_config(workspace.folder, n_events=1500, **_FEW, quantization={"weights": {"bits": 6}})
    workspace = open_workspace(workspace.folder)
    outcome = workspace.run("train")
    assert not outcome.was_current
    assert set(outcome.result.weights_bits.values()) == {6}
    trained = workspace.run("train", force=True)
    assert isinstance(trained.result, TrainResult)
    assert trained.result.imported is None
    workspace = open_workspace(workspace.folder)
    assert workspace.experiment.imported is None
    assert workspace.run("train").was_current
    assert "imported" not in workspace.result("reference")


@pytest.mark.slow
def test_an_edited_copy_of_the_model_is_an_error_that_names_it(
    prepared: Callable[..., Workspace], models: Path
) -> None:
    workspace, _ = _import(prepared(), models / "dense.keras")
    shutil.copyfile(models / "qkeras.h5", workspace.folder / "runs" / "small" / "import" / "model")
    with pytest.raises(InputError, match=r"import/model is not as .* run `fpgaae import MODEL --config .* --force`"):
        workspace.run("train")


@pytest.mark.slow
def test_the_command_says_what_it_did(
    prepared: Callable[..., Workspace],
    models: Path,
    run_cli: Callable[..., subprocess.CompletedProcess[str]],
    run_process: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    workspace = prepared()
    config, runs = workspace.experiment.config_file, workspace.folder / "runs"
    done = run_process("import", models / "dense.keras", "--config", config, "--runs", runs)
    assert done.returncode == 0, done.stderr
    assert "imported from dense.keras (float), quantized after training" in done.stdout
    done = run_cli("import", models / "qkeras.h5", "--config", config, "--runs", runs)
    assert "replaces the import of dense.keras" in done.stdout
    done = run_cli("import", models / "convolution.h5", "--config", config, "--runs", runs)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("fpgaae: the model takes in 57 values and puts out 3")
    assert "Traceback" not in done.stderr
