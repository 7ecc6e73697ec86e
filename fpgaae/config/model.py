"""The sections of an experiment that say what is trained: network, score, widths, pruning and training runs.

A student's teacher (`distillation`) and what surrounds the network in the firmware do not belong here.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fpgaae.config.layers import Dense, NamedLayer, NetworkLayers, Units, named_layers
from fpgaae.methods.registry import EmbeddingSection
from fpgaae.section import Section

Bits = Annotated[int, Field(ge=2, le=24)]
LearningRate = Annotated[float, Field(ge=1e-12, le=10)]
IntegerBits = Annotated[int, Field(ge=0, le=20)] | Literal["auto"]


class ModelKind(str, Enum):
    """What is trained; a variational autoencoder deploys its encoder only, a student learns a teacher's score."""

    AUTOENCODER = "autoencoder"
    VARIATIONAL = "variational"
    STUDENT = "student"


class Reads(Enum):
    """What a score reads of the network that goes into the firmware."""

    RECONSTRUCTION = "the inputs and their reconstruction"
    LATENTS = "mu"
    DISTRIBUTION = "mu and log sigma^2"
    OUTPUT = "one output"

    @property
    def kind(self) -> ModelKind:
        """The kind of model that has it."""
        if self is Reads.OUTPUT:
            return ModelKind.STUDENT
        return ModelKind.AUTOENCODER if self is Reads.RECONSTRUCTION else ModelKind.VARIATIONAL


class Score(str, Enum):
    """The anomaly score that the firmware puts out; what is known of each stands in `fpgaae.golden.scores`."""

    SQUARED_ERROR = "squared_error"  # sum over the features of (x - x')^2
    MASKED_SQUARED_ERROR = "masked_squared_error"  # the same over the filled slots
    ABSOLUTE_ERROR = "absolute_error"  # sum over the features of |x - x'|
    MAX_ABSOLUTE_ERROR = "max_absolute_error"  # largest of the features' |x - x'|
    MU_SQUARED = "mu_squared"  # sum over the latents of mu^2
    MU_SQUARED_OVER_VARIANCE = "mu_squared_over_variance"  # sum over the latents of mu^2 / sigma^2
    KL_DIVERGENCE = "kl_divergence"  # 1/2 sum over the latents of (mu^2 + sigma^2 - 1 - log sigma^2)
    REGRESSION = "regression"  # what the network puts out, one number

    @property
    def reads(self) -> Reads:
        """What it reads of the network."""
        return _READS[self]

    @property
    def kind(self) -> ModelKind:
        """The kind of model that has it."""
        return self.reads.kind

    @property
    def of_reconstruction(self) -> bool:
        """Whether it compares the inputs with their reconstruction; the others read latents or an output alone."""
        return self.reads is Reads.RECONSTRUCTION

    @property
    def needs_variance(self) -> bool:
        """Whether it needs log sigma^2 beside mu."""
        return self.reads is Reads.DISTRIBUTION


_READS = {
    Score.SQUARED_ERROR: Reads.RECONSTRUCTION,
    Score.MASKED_SQUARED_ERROR: Reads.RECONSTRUCTION,
    Score.ABSOLUTE_ERROR: Reads.RECONSTRUCTION,
    Score.MAX_ABSOLUTE_ERROR: Reads.RECONSTRUCTION,
    Score.MU_SQUARED: Reads.LATENTS,
    Score.MU_SQUARED_OVER_VARIANCE: Reads.DISTRIBUTION,
    Score.KL_DIVERGENCE: Reads.DISTRIBUTION,
    Score.REGRESSION: Reads.OUTPUT,
}


EMBEDDING = "embedding"  # the layer that the layers of `model.embedding` end in


class Embedding(Section):
    """What stands in front of an autoencoder: learned first, without labels, and kept as it is from then on.

    The autoencoder reads the embedding and reconstructs it, and the score compares the two, as the AXOL1TL trigger of
    CMS does it.
    """

    encoder: NetworkLayers  # hidden layers
    width: Units  # of the embedding


class Model(Section):
    """The network: hidden layers of encoder and decoder, and the latent width; of a student, the hidden layers.

    An encoder that begins with a convolution or another layer of images reads the event as one
    (`data.hardware.image_shape`); a decoder that ends in a convolution reconstructs with it, any other with a dense
    layer of its own.
    """

    kind: ModelKind = ModelKind.AUTOENCODER
    embedding: Embedding | None = None  # in front of the encoder; null: the autoencoder reads the inputs
    encoder: NetworkLayers
    latent: Units  # width
    decoder: NetworkLayers
    score: Score
    beta: Annotated[float, Field(ge=0, le=1e6)] = 0.8  # weight of the KL divergence of a variational autoencoder

    @model_validator(mode="after")
    def _score_fits(self) -> Model:
        if self.score.kind is not self.kind:
            possible = [score.value for score in Score if score.kind is self.kind]
            listed = " or ".join(filter(None, (", ".join(possible[:-1]), possible[-1])))
            raise ValueError(f"a model of kind {self.kind.value} has the score {listed}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _needs_no_decoder(cls, given: Any) -> Any:  # noqa: ANN401
        is_student = isinstance(given, dict) and given.get("kind") == ModelKind.STUDENT
        return {"latent": 1, "decoder": (), **given} if is_student else given

    @model_validator(mode="after")
    def _has_one_output(self) -> Model:
        if self.kind is ModelKind.STUDENT and (self.decoder or self.latent != 1):
            raise ValueError("a student has one output and no decoder; set latent: 1 and decoder: []")
        return self

    @model_validator(mode="after")
    def _embedding_fits(self) -> Model:
        if self.embedding is None:
            return self
        if self.kind is not ModelKind.AUTOENCODER:
            raise ValueError(
                f"a model of kind {self.kind.value} has no embedding in front of it; set embedding to null"
            )
        if self.score is Score.MASKED_SQUARED_ERROR:
            raise ValueError(
                "the score masked_squared_error leaves out empty slots, which an embedding has not; set score to "
                "squared_error"
            )
        if any(not isinstance(layer, int | Dense) for layer in (*self.encoder, *self.decoder)):
            raise ValueError("an embedding is no image; give its encoder and decoder numbers of units only")
        return self

    @property
    def compared_layer(self) -> str | None:
        """The layer whose values the score compares the reconstruction with; None: the network's inputs."""
        return None if self.embedding is None else EMBEDDING

    @property
    def embedding_layers(self) -> tuple[NamedLayer, ...]:
        """The hidden layers in front of an embedding with their names."""
        return () if self.embedding is None else named_layers(self.embedding.encoder, EMBEDDING)

    @property
    def encoder_layers(self) -> tuple[NamedLayer, ...]:
        """The encoder's layers with their names."""
        return named_layers(self.encoder, "encoder")

    @property
    def decoder_layers(self) -> tuple[NamedLayer, ...]:
        """The decoder's layers with their names; the reconstruction is among them where it is a convolution."""
        return named_layers(self.decoder, "decoder")

    @property
    def deployed_layers(self) -> tuple[str, ...]:
        """Names of the layers with weights that go into the firmware, in graph order."""
        hidden = (*self.embedding_layers, *self.encoder_layers, *self.decoder_layers)
        weighted = {name for name, layer in hidden if layer.has_weights}
        return tuple(name for name in self.rounded_layers if name in {*weighted, *_ENDS})

    @property
    def rounded_layers(self) -> tuple[str, ...]:
        """Names of all layers of the firmware whose values are rounded, means among them, in graph order."""
        encoder = tuple(named.name for named in self.encoder_layers if named.is_rounded)
        if self.kind is ModelKind.VARIATIONAL:
            return (*encoder, "mu", "log_variance") if self.score.needs_variance else (*encoder, "mu")
        if self.kind is ModelKind.STUDENT:
            return (*encoder, "output")
        decoder = tuple(named.name for named in self.decoder_layers if named.is_rounded)
        if self.embedding is not None:
            encoder = (*(named.name for named in self.embedding_layers if named.is_rounded), EMBEDDING, *encoder)
        return (*encoder, "latent", *(name for name in decoder if name != "reconstruction"), "reconstruction")


_ENDS = frozenset({EMBEDDING, "latent", "mu", "log_variance", "reconstruction", "output"})


class Width(Section):
    """Width of a quantizer; `integer_bits` counts them as QKeras does, without the sign, and may come from the data."""

    bits: Bits
    integer_bits: IntegerBits = "auto"

    @model_validator(mode="after")
    def _holds_range(self) -> Width:
        if self.integer_bits != "auto" and self.integer_bits > self.bits:
            raise ValueError(f"{self.bits} bits can't hold {self.integer_bits} integer bits; give more bits")
        return self


class InputWidth(Section):
    """Type of the network's inputs; its range, +-2**integer_bits, is also where the float reference clips them."""

    bits: Bits
    integer_bits: Annotated[int, Field(ge=0, le=12)]

    @model_validator(mode="after")
    def _holds_range(self) -> InputWidth:
        if self.bits <= self.integer_bits:
            raise ValueError(f"{self.bits} bits can't hold a sign and {self.integer_bits} integer bits; give more bits")
        return self


class LayerQuantization(Section):
    """Widths of one layer, where they differ from the common ones."""

    weights: Width | None = None
    activations: Width | None = None
    sparsity: Annotated[float, Field(ge=0, lt=1)] | None = None  # in the place of that of `pruning`


class Quantization(Section):
    """Widths of everything that the firmware computes with."""

    inputs: InputWidth
    weights: Width
    activations: Width
    layers: dict[str, LayerQuantization] = Field(default_factory=dict)
    score_table_fraction_bits: Annotated[int, Field(ge=0, le=16)] = 8  # of the exponential in a score


class Pruning(Section):
    """Polynomial-decay magnitude pruning (Zhu & Gupta 2017); epochs count from the start of the training that prunes.

    That is the quantized training or, where nothing is trained after the reference, the reference itself.
    """

    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.5  # share of the weights of a layer that is removed
    begin_epoch: Annotated[int, Field(ge=0, le=100_000)] = 0  # from which on
    end_epoch: Annotated[int, Field(ge=1, le=100_000)] = 10  # at which the sparsity is reached
    steps_between_updates: Annotated[int, Field(ge=1, le=10**6)] = 20  # batches from one mask to the next

    @model_validator(mode="after")
    def _ordered(self) -> Pruning:
        if self.end_epoch <= self.begin_epoch:
            raise ValueError(f"end_epoch ({self.end_epoch}) must come after begin_epoch ({self.begin_epoch})")
        return self


class Fit(Section):
    """One training run: Adam with a learning rate that falls along a cosine to `final_learning_rate`."""

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    batch_size: Annotated[int, Field(ge=1, le=2**20)] = 1024
    learning_rate: LearningRate = 3e-3
    final_learning_rate: LearningRate = 3e-5  # reached along a cosine


class FloatFit(Fit):
    """The full-precision training."""

    batch_normalization: bool = False  # behind each hidden layer; folded into it afterwards
    precision: Literal["float32", "bfloat16"] = "float32"  # of what a `method` computes with; weights stay float32
    weights_of: str | None = None  # the config of a finished float method whose weights are taken instead of trained


class TrainingMode(str, Enum):
    """How the quantized network comes from the float one."""

    QUANTIZATION_AWARE = "quantization_aware"  # trained and pruned on, through its quantizers
    POST_TRAINING = "post_training"  # rounded to its widths; the reference is pruned while it is trained


Penalty = Annotated[float, Field(ge=1e-15, le=1e3)]
_RISE = 1e-3  # the penalty that a training begins with, in parts of the last one


class LearnedWidths(Section):
    """Bits of every weight learned with a penalty on its adders, in the place of pruning: no bits are a pruned weight.

    The penalty rises along a logarithm, so that the epochs of one training are networks of falling area.
    """

    penalty: Penalty  # loss that each non-zero signed digit of a weight costs at last; a digit is about an adder
    first_penalty: Penalty | None = None  # that it begins with; null: a thousandth of the last one
    end_epoch: Annotated[int, Field(ge=1, le=100_000)] | None = None  # at which it has risen; null: the last
    most_digits: Annotated[int, Field(ge=1)] | None = (
        None  # take the epoch of the smallest validation loss among those with no more digits; null: the last epoch
    )

    @model_validator(mode="after")
    def _rises(self) -> LearnedWidths:
        if self.first_penalty is not None and self.first_penalty > self.penalty:
            raise ValueError(
                f"first_penalty ({self.first_penalty:g}) can't be above penalty ({self.penalty:g}), which it rises to"
            )
        return self

    @property
    def first(self) -> float:
        """The penalty that the training begins with."""
        return self.penalty * _RISE if self.first_penalty is None else self.first_penalty


class QuantizedFit(Fit):
    """The quantized training; after a post-training quantization nothing is trained, and the rest is not read."""

    mode: TrainingMode = TrainingMode.QUANTIZATION_AWARE
    learned_widths: LearnedWidths | None = None  # None: every weight of a layer has the bits of `quantization`


class Training(Section):
    """Float training first, then the quantized network from its weights."""

    reference: FloatFit
    quantized: QuantizedFit  # of a model with an embedding: that of the embedding, and as long that of its autoencoder
    embedding: EmbeddingSection | None = None  # the float method of a model with one, as {kind: vicreg}

    @property
    def quantizes_after(self) -> bool:
        """Whether the quantized network is the rounded reference, which is then the one that is pruned."""
        return self.quantized.mode is TrainingMode.POST_TRAINING
