"""The experiment's validation: what is wrong is named with its key, file and line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from support import CONFIGS, merged

from fpgaae.config.experiment import Config
from fpgaae.config.file import load_config
from fpgaae.config.model import Model, ModelKind, Score
from fpgaae.errors import ConfigError
from fpgaae.section import Section, is_class_of

SHIPPED = sorted(CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=[file.stem for file in SHIPPED])
def test_the_shipped_configs_load(file: Path) -> None:
    config = load_config(file)
    assert config.data.hardware.array is not None or config.data.hardware.n_slots in {19, 39}
    assert config.seed >= 0


def test_the_shipped_configs_are_the_experiments_of_the_readme() -> None:
    assert {"l1_ae", "l1_ae_stream", "l1_vae", "l1_vae_stream"} <= {file.stem for file in SHIPPED}
    default = load_config(CONFIGS / "l1_ae.yaml")
    assert default.model.kind is ModelKind.AUTOENCODER
    assert (default.model.encoder, default.model.latent, default.model.decoder) == ((32, 16), 8, (16, 32))
    assert default.quantization.weights.bits == default.quantization.activations.bits == 8
    assert default.pruning.sparsity == 0.5
    variational = load_config(CONFIGS / "l1_vae.yaml")
    assert (variational.model.kind, variational.model.score) == (ModelKind.VARIATIONAL, Score.MU_SQUARED)
    assert (variational.model.encoder, variational.model.latent) == ((32, 16), 3)
    for name in ("l1_ae", "l1_vae"):
        stream = load_config(CONFIGS / f"{name}_stream.yaml")
        assert stream.firmware.io_type == "io_stream"
        parallel = load_config(CONFIGS / f"{name}.yaml")
        assert stream.model_copy(update={"firmware": parallel.firmware}) == parallel


def _error(tmp_path: Path, overrides: dict[str, Any]) -> str:
    """Load the default config with some keys replaced, and give the sentence that it is refused with."""
    content = merged(yaml.safe_load((CONFIGS / "l1_ae.yaml").read_text()), overrides)
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    message = str(caught.value)
    assert "\n" not in message
    where = re.match(re.escape(str(file)) + r", line (\d+): ", message)
    assert where, message
    _assert_line_holds(file, int(where[1]), message)
    return message


def _assert_line_holds(file: Path, line: int, message: str) -> None:
    """Make sure that the line holds the key that the message names, or a section above it."""
    text = file.read_text().splitlines()[line - 1]
    key = re.search(r"`([^`]+)`", message)
    assert key
    parts = key[1].split(".")
    named = parts[-1] in text or any(part in text for part in parts)
    assert named or (parts[-1].isdigit() and text.lstrip().startswith("-")) or line == 1, (message, text)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        pytest.param({"sed": 1}, "unknown key `sed`; did you mean `seed`?", id="top"),
        pytest.param(
            {"firmware": {"clok_ns": 5}}, "unknown key `firmware.clok_ns`; did you mean `clock_ns`?", id="section"
        ),
        pytest.param(
            {"quantization": {"weights": {"bit": 8}}}, "`quantization.weights.bit`; did you mean `bits`?", id="nested"
        ),
        pytest.param(
            {"training": {"reference": {"epoch": 8}}}, "`training.reference.epoch`; did you mean `epochs`?", id="fit"
        ),
        pytest.param(
            {"quantization": {"layers": {"latent": {"activation": {"bits": 8}}}}},
            "did you mean `activations`?",
            id="in-a-dictionary",
        ),
        pytest.param(
            {
                "data": {
                    "hardware": {
                        "objects": [
                            {"name": "jet", "slot": 19, "slots": 19, "pt_bits": 9, "eta_bits": 8, "phi_bits": 8}
                        ]
                    }
                }
            },
            "unknown key `data.hardware.objects.0.slot`; did you mean `slots`?",
            id="in-a-list",
        ),
        pytest.param(
            {"pruning": {"zzz": 1}},
            "unknown key `pruning.zzz`; known keys are sparsity, begin_epoch",
            id="nothing-close",
        ),
        pytest.param(
            {"training": {"reference": {"epochs": None, "epoch": 3}}},
            "unknown key `training.reference.epoch`",
            id="unknown-before-others",
        ),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_closest(
    tmp_path: Path, overrides: dict[str, Any], words: str
) -> None:
    assert words in _error(tmp_path, overrides)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        pytest.param(
            {"quantization": {"weights": {"bits": 1}}},
            "`quantization.weights.bits`: input should be greater than or equal to 2 (given: 1)",
            id="one-bit",
        ),
        pytest.param({"quantization": {"weights": {"bits": 0}}}, "`quantization.weights.bits`", id="zero-bits"),
        pytest.param(
            {"quantization": {"activations": {"bits": -8}}}, "`quantization.activations.bits`", id="negative-bits"
        ),
        pytest.param(
            {"quantization": {"activations": {"bits": 64}}}, "less than or equal to 24 (given: 64)", id="too-wide"
        ),
        pytest.param(
            {"quantization": {"activations": {"bits": 8.5}}}, "`quantization.activations.bits`", id="half-a-bit"
        ),
        pytest.param({"quantization": {"weights": {"bits": "eight"}}}, "`quantization.weights.bits`", id="a-word"),
        pytest.param(
            {"quantization": {"weights": {"integer_bits": 30}}},
            "`quantization.weights.integer_bits`",
            id="integer-bits",
        ),
        pytest.param(
            {"quantization": {"weights": {"integer_bits": "some"}}},
            "`quantization.weights.integer_bits`",
            id="integer-bits-word",
        ),
        pytest.param(
            {"quantization": {"inputs": {"integer_bits": "auto"}}},
            "`quantization.inputs.integer_bits`",
            id="inputs-auto",
        ),
        pytest.param(
            {"quantization": {"inputs": {"bits": 5, "integer_bits": 5}}},
            "5 bits can't hold a sign and 5 integer bits",
            id="bits-below-integer-bits",
        ),
        pytest.param(
            {"quantization": {"inputs": {"bits": 4, "integer_bits": 12}}},
            "4 bits can't hold a sign and 12 integer bits",
            id="bits-far-below",
        ),
        pytest.param(
            {"quantization": {"layers": {"encoder_9": {"weights": {"bits": 4}}}}},
            "`quantization.layers.encoder_9`: no such layer; the layers are encoder_1, encoder_2, latent, decoder_1, "
            "decoder_2, reconstruction",
            id="unknown-layer",
        ),
        pytest.param(
            {"data": {"hardware": {"objects": []}}}, "`data.hardware`: give either `objects`", id="no-objects"
        ),
        pytest.param({"data": {"hardware": {"phi_steps": 2}}}, "`data.hardware.phi_steps`", id="phi-steps"),
        pytest.param({"data": {"hardware": {"pt_lsb_gev": 0}}}, "`data.hardware.pt_lsb_gev`", id="zero-lsb"),
        pytest.param(
            {"data": {"split": {"train": 0.5, "validation": 0.1, "test": 0.1}}},
            "`data.split`: train, validation and test must sum to 1, not 0.7",
            id="split-sum",
        ),
        pytest.param(
            {"data": {"split": {"train": 1.0, "validation": 0.0, "test": 0.0}}}, "`data.split.train`", id="split-empty"
        ),
        pytest.param({"data": {"background": "qcd"}}, "files has no entry `qcd`", id="background"),
        pytest.param({"data": {"files": 5}}, "`data.files`", id="no-files"),
        pytest.param(
            {"model": {"kind": "variational"}}, "a model of kind variational has the score mu_squared", id="score"
        ),
        pytest.param(
            {"model": {"score": "mu_squared"}},
            "a model of kind autoencoder has the score squared_error",
            id="score-of-ae",
        ),
        pytest.param({"model": {"kind": "transformer"}}, "`model.kind`", id="kind"),
        pytest.param({"model": {"encoder": [32, 0]}}, "`model.encoder.1`", id="no-units"),
        pytest.param({"model": {"latent": None}}, "`model.latent`", id="null"),
        pytest.param({"pruning": {"sparsity": 1.0}}, "`pruning.sparsity`", id="all-pruned"),
        pytest.param(
            {"pruning": {"begin_epoch": 12}},
            "`pruning`: end_epoch (12) must come after begin_epoch (12)",
            id="pruning-order",
        ),
        pytest.param(
            {"pruning": {"end_epoch": 26}},
            "`pruning.end_epoch`: 26 lies behind the last of the 25 epochs",
            id="pruning-after-training",
        ),
        pytest.param({"training": {"reference": {"epochs": 0}}}, "`training.reference.epochs`", id="no-epochs"),
        pytest.param(
            {"training": {"reference": {"learning_rate": float("nan")}}}, "`training.reference.learning_rate`", id="nan"
        ),
        pytest.param(
            {"training": {"reference": {"learning_rate": float("inf")}}},
            "`training.reference.learning_rate`",
            id="infinite",
        ),
        pytest.param({"firmware": {"clock_ns": float("inf")}}, "`firmware.clock_ns`", id="infinite-clock"),
        pytest.param({"firmware": {"io_type": "io_serial"}}, "`firmware.io_type`", id="io-type"),
        pytest.param({"firmware": {"project_name": "a b"}}, "`firmware.project_name`", id="project-name"),
        pytest.param(
            {"firmware": {"strategy": "distributed_arithmetic", "reloadable_weights": True}},
            "distributed_arithmetic makes adders of constant weights, so that none can be reloaded; set strategy to",
            id="reloadable-adders",
        ),
        pytest.param(
            {
                "firmware": {"reloadable_thresholds": True},
                "trigger": {"decorrelate": {"against": [{"quantity": "sum"}]}},
            },
            "hold one code a threshold, and these have one for each cell of a table that stays constant; set firmware",
            id="reloadable-cells",
        ),
        pytest.param(
            {"trigger": {"thresholds": [{"false_positive_rate": 0}]}},
            "`trigger.thresholds.0.false_positive_rate`",
            id="rate",
        ),
        pytest.param(
            {"trigger": {"thresholds": [{"rate_khz": 0}]}}, "`trigger.thresholds.0.rate_khz`", id="rate-of-nothing"
        ),
        pytest.param({"trigger": {"thresholds": []}}, "`trigger.thresholds`", id="no-threshold"),
        pytest.param(
            {"trigger": {"thresholds": [{"false_positive_rate": 0.1}] * 9}}, "`trigger.thresholds`", id="9-thresholds"
        ),
        pytest.param(
            {"trigger": {"thresholds": [{"rate_khz": 10, "false_positive_rate": 0.1}]}},
            "`trigger.thresholds.0`: give either false_positive_rate or rate_khz",
            id="two-rates",
        ),
        pytest.param(
            {"trigger": {"thresholds": [{}]}},
            "`trigger.thresholds.0`: give either false_positive_rate or rate_khz",
            id="neither-rate",
        ),
        pytest.param(
            {"trigger": {"bunch_crossing_rate_khz": 10}},
            "`trigger`: a rate of 10 kHz is not below bunch_crossing_rate_khz, 10",
            id="every-crossing",
        ),
        pytest.param({"trigger": {"chosen_on": "test"}}, "`trigger.chosen_on`", id="chosen-on"),
        pytest.param(
            {"quantization": {"score_table_fraction_bits": 17}},
            "`quantization.score_table_fraction_bits`",
            id="table-fraction",
        ),
        pytest.param(
            {"data": {"files": {"layers": "a.h5"}}},
            "`layers` in files is the name of made-up events",
            id="reserved-layers",
        ),
        pytest.param(
            {"data": {"files": {"edges": "a.h5"}}},
            "`edges` in files is the name of made-up events",
            id="reserved-edges",
        ),
        pytest.param({"csim": {"processes": 0}}, "`csim.processes`", id="no-processes"),
        pytest.param({"seed": -1}, "`seed`", id="seed"),
        pytest.param({"seed": [1]}, "`seed`", id="seed-list"),
        pytest.param({"model": 5}, "`model`", id="section-is-a-number"),
    ],
)
def test_an_impossible_value_is_named_with_its_line(tmp_path: Path, overrides: dict[str, Any], words: str) -> None:
    assert words in _error(tmp_path, overrides)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    content = yaml.safe_load((CONFIGS / "l1_ae.yaml").read_text())
    del content["model"]["latent"]
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    line = file.read_text().splitlines().index("model:") + 1
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value) == f"{file}, line {line}: the key `model.latent` is missing"


def test_an_empty_config_says_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("")
    with pytest.raises(ConfigError, match=r"a\.yaml, line 1: the key `data` is missing"):
        load_config(file)


def test_a_wrong_key_of_the_base_file_is_placed_there(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    text = (CONFIGS / "l1_ae.yaml").read_text().replace("clock_ns: 5", "clok_ns: 5")
    base.write_text(text)
    (tmp_path / "a.yaml").write_text("extends: base.yaml\nfirmware: {io_type: io_stream}\n")
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "clok_ns" in row)
    with pytest.raises(ConfigError, match=rf"base\.yaml, line {line}: unknown key `firmware\.clok_ns`; did you mean"):
        load_config(tmp_path / "a.yaml")


def test_pruning_ends_with_the_training_that_prunes(tmp_path: Path) -> None:
    """In `post_training` that is the float one: 20 epochs, where the quantized one has 25."""
    late = {"pruning": {"end_epoch": 22}}
    words = "`pruning.end_epoch`: 22 lies behind the last of the 20 epochs of training.reference"
    assert words in _error(tmp_path, {**late, "training": {"quantized": {"mode": "post_training"}}})
    small = {"training": {"quantized": {"epochs": 20}}}
    assert "the 20 epochs of training.quantized" in _error(tmp_path, late | small)
    assert load_config(CONFIGS / "l1_ae_post_training.yaml").training.quantizes_after
    assert not load_config(CONFIGS / "l1_ae.yaml").training.quantizes_after


def test_a_config_cannot_be_changed() -> None:
    config = load_config(CONFIGS / "l1_ae.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 7  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        config.data.split.train = 0.1  # type: ignore[misc]


def _default(**overrides: Any) -> Config:  # noqa: ANN401
    return Config.model_validate(merged(yaml.safe_load((CONFIGS / "l1_ae.yaml").read_text()), overrides))


def test_widths_and_sparsity_of_a_layer_come_from_the_layer_or_the_common_ones() -> None:
    config = _default(
        quantization={
            "layers": {"latent": {"weights": {"bits": 6}, "sparsity": 0.0}, "encoder_1": {"activations": {"bits": 4}}}
        }
    )
    assert config.weight_width("latent").bits == 6
    assert config.weight_width("encoder_1").bits == 8
    assert config.activation_width("encoder_1").bits == 4
    assert config.activation_width("latent").bits == 8
    assert (config.sparsity("latent"), config.sparsity("decoder_1")) == (0.0, 0.5)


def test_the_reconstruction_is_coded_as_the_inputs_unless_the_config_says_otherwise() -> None:
    config = _default()
    inputs = config.quantization.inputs
    found = config.activation_width("reconstruction")
    assert (found.bits, found.integer_bits) == (inputs.bits, inputs.integer_bits)
    special = _default(quantization={"layers": {"reconstruction": {"activations": {"bits": 12, "integer_bits": 6}}}})
    assert special.activation_width("reconstruction").bits == 12


def test_a_rate_in_khz_is_a_share_of_the_bunch_crossings() -> None:
    config = _default(trigger={"bunch_crossing_rate_khz": 40_000, "thresholds": [{"rate_khz": 10}]})
    assert config.trigger.false_positive_rates == (10 / 40_000,)
    assert load_config(CONFIGS / "l1_ae.yaml").trigger.false_positive_rates == (1e-3, 10 / 28_608.8)


def test_the_shipped_scores() -> None:
    """Each score has a config; those of the variance have a table that the widths allow."""
    found = {file.stem: load_config(file).model.score for file in SHIPPED}
    assert found["l1_ae_masked"] is Score.MASKED_SQUARED_ERROR
    assert found["l1_ae_absolute"] is Score.ABSOLUTE_ERROR
    assert found["l1_ae_max_absolute"] is Score.MAX_ABSOLUTE_ERROR
    assert found["l1_vae_over_variance"] is Score.MU_SQUARED_OVER_VARIANCE
    assert found["l1_vae_kl"] is Score.KL_DIVERGENCE
    assert set(found.values()) == set(Score)
    for file in SHIPPED:
        config = load_config(file)
        if config.model.score.needs_variance:
            assert "log_variance" in config.model.deployed_layers
            assert config.activation_width("log_variance").bits <= 12


@pytest.mark.parametrize("score", Score, ids=lambda score: score.value)
@pytest.mark.parametrize("kind", ModelKind, ids=lambda kind: kind.value)
def test_a_score_belongs_to_one_kind_of_model(kind: ModelKind, score: Score) -> None:
    model = {"kind": kind.value, "score": score.value}
    if kind is ModelKind.STUDENT:
        model |= {"latent": 1, "decoder": []}
    teacher = {"encoder": [8], "latent": 2, "decoder": [8], "score": "squared_error"}
    distillation = {"teacher": teacher, "fit": {"epochs": 1}} if kind is ModelKind.STUDENT else None
    of_kind = {"regression": "student", "mu_squared": "variational", "squared_error": "autoencoder"}
    assert score.kind.value == of_kind.get(score.value, score.kind.value)
    if score.kind is kind:
        assert _default(model=model, distillation=distillation).model.score is score
    else:
        with pytest.raises(ValidationError, match=f"a model of kind {kind.value} has the score"):
            _default(model=model, distillation=distillation)


def test_a_variational_autoencoder_deploys_its_encoder_only() -> None:
    config = load_config(CONFIGS / "l1_vae.yaml")
    assert config.model.deployed_layers == ("encoder_1", "encoder_2", "mu")
    assert config.activation_width("mu").bits == 12


_TEACHER = {"encoder": [8], "latent": 2, "decoder": [8], "score": "squared_error"}
_STUDENT: dict[str, Any] = {
    "model": {"kind": "student", "encoder": [4], "latent": 1, "decoder": [], "score": "regression"},
    "distillation": {"teacher": _TEACHER, "fit": {"epochs": 1}},
}


def test_a_student_is_its_hidden_layers_and_one_output() -> None:
    config = load_config(CONFIGS / "l1_student.yaml")
    assert config.model.deployed_layers == ("encoder_1", "encoder_2", "output")
    model = {"kind": "student", "encoder": [4], "score": "regression"}
    assert (Model.model_validate(model).latent, Model.model_validate(model).decoder) == (1, ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"distillation": None}, "a student needs a teacher; describe it under `distillation:`"),
        ({"model": {"latent": 2}}, "a student has one output and no decoder; set latent: 1 and decoder: \\[\\]"),
        ({"model": {"decoder": [4]}}, "a student has one output and no decoder"),
        (
            {"distillation": {"teacher": {"kind": "variational", "score": "mu_squared"}}},
            "a teacher is an autoencoder, not variational",
        ),
        ({"distillation": {"low": 2, "high": 1}}, "distillation.high: the upper end, 1, is not above the lower, 2"),
        ({"distillation": {"quantiles": [0.5, 0.5]}}, "distillation.quantiles: the upper end, 0.5, is not above"),
        (
            {"distillation": {"teacher": {"decoder": [{"filters": 1, "kernel": [1, 1]}]}}},
            r"distillation.teacher.decoder.0: a convolution reads an image",
        ),
    ],
    ids=["alone", "latent", "decoder", "teacher", "ends", "quantiles", "shape"],
)
def test_what_no_student_is(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        _default(**merged(_STUDENT, change))


def test_only_a_student_has_a_teacher() -> None:
    with pytest.raises(ValidationError, match="a model of kind autoencoder has no teacher"):
        _default(distillation=_STUDENT["distillation"])


def test_a_generic_alias_is_no_class_of_anything() -> None:
    """To Python 3.10 it is an instance of `type`, of which `issubclass` takes none."""
    assert [is_class_of(kind, Section) for kind in (Config, Section, dict[str, int], int, "Config")] == [
        True, True, False, False, False,
    ]  # fmt: skip
