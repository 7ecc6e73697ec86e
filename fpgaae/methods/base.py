"""What a method is: its options in the YAML, its networks, the terms of its loss, and its scores.

How it is trained does not belong here (`fpgaae.training.methods`). Everything is written with `keras.ops`, so that one
definition runs on JAX, TensorFlow and PyTorch, and so that JAX can compile and vectorise it: no Python `if` on the
value of a tensor, no NumPy, and randomness from the `Step` only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fpgaae.section import Section

Tensor = Any
Networks = Mapping[str, Any]  # by name: built Keras models
Batch = Mapping[str, Tensor]  # "x": (n, n_features), and the columns that the method names in `columns`
Terms = dict[str, Tensor]  # by name: scalars; their sum is what is minimised


_NONE = np.zeros(0, dtype=np.float32)  # where no method asks for it


class MethodOptions(Section):
    """The section `method` of a config; each method adds its own keys.

    Options of type float are knobs: an ensemble may vary them, and a method reads them from `Step.knobs`.
    """

    kind: str  # the method
    scores: tuple[str, ...] = ()  # the first is the main one; none: all that the method has

    @property
    def knobs(self) -> dict[str, float]:
        """What an ensemble may vary, with the values of the config."""
        return {name: value for name, value in self if isinstance(value, float)}


class PlannedLayer(Protocol):
    """A layer of the network that the config names (`fpgaae.models.plan`)."""

    @property
    def name(self) -> str:
        """As in the quantized twin."""

    @property
    def kind(self) -> str:
        """Keras' class."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What Keras' class is given."""

    @property
    def has_weights(self) -> bool:
        """Whether it has a kernel and a bias."""


class Setting(NamedTuple):
    """What a method is told of the experiment: the shape of its networks, and the training events in a few numbers."""

    n_features: int
    image_shape: tuple[int, int, int]  # (height, width, channels) of the same values
    encoder: tuple[int, ...]  # units or filters of the hidden layers with weights
    latent: int
    decoder: tuple[int, ...]
    encoder_plan: Sequence[PlannedLayer]  # from the inputs to what the latent layer reads
    decoder_plan: Sequence[PlannedLayer]  # from behind the latents to the flat reconstruction
    mean: NDArray[np.float32]  # of every input in training, (n_features,)
    variance: NDArray[np.float32]  # likewise; 0 for an input that never varies
    low: NDArray[np.float32]  # smallest value in training, (n_features,)
    high: NDArray[np.float32]  # largest value in training, (n_features,)
    empty: NDArray[np.float32]  # what the first input of each slot is when the slot is empty, (n_slots,)
    precision: str = "float32"
    blank: NDArray[np.float32] = _NONE  # what every input of an empty slot is, (n_features,)
    turn: NDArray[np.float32] = _NONE  # what a whole turn of an angle is, (n_features,); 0 for what does not go round
    turn_low: NDArray[np.float32] = _NONE  # the smallest value of an angle
    embedding: int = 0  # its width; 0: the encoder reads the inputs
    embedding_plan: Sequence[PlannedLayer] = ()  # from the inputs to the embedding


class Step(NamedTuple):
    """What the terms and scores may depend on besides the events."""

    training: bool
    progress: Tensor  # share of the training that is done, 0 to 1
    knobs: Mapping[str, Tensor]  # the float options, as this member of the ensemble has them
    normal: Callable[[tuple[int, ...]], Tensor]  # new unit normal numbers of a shape
    uniform: Callable[[tuple[int, ...]], Tensor]  # new numbers from 0 to 1 of a shape


TermFunction = Callable[[Networks, Batch, Step], Terms]
ScoreFunction = Callable[[Networks, Batch, Step], Tensor]  # (n,), larger for what is less like the training events


class Objective(NamedTuple):
    """The sum of some terms, minimised over some variables."""

    terms: TermFunction
    variables: Callable[[Networks], list[Any]]
    updates: int = 1  # per batch: more than one for a critic that must keep ahead
    bound: float | None = None  # every variable is clipped to +- this after an update


class Phase(NamedTuple):
    """A part of the training; most methods have one, a layer-wise pre-training has one a layer."""

    name: str
    share: float  # of the epochs
    objectives: tuple[Objective, ...]  # taken in turn on every batch


class Method(ABC):
    """One kind of model. A subclass in a file of `fpgaae/methods/kinds` is found by its file's name."""

    options_class: ClassVar[type[MethodOptions]]
    over_complete: ClassVar[bool] = False  # whether the latent may be wider than the input
    one_to_one: ClassVar[bool] = False  # whether latents and events are each other's, so that none is lost
    columns: ClassVar[tuple[str, ...]] = ()  # what a batch holds besides "x" (`fpgaae.training.methods.dataset`)
    embeds: ClassVar[bool] = False  # whether it learns an embedding first, which the config's `model` describes
    mixes: ClassVar[bool] = False  # whether signals are mixed into its training (`fpgaae.training.methods.mixtures`)

    def __init__(self, options: Any, setting: Setting) -> None:  # noqa: ANN401 - each method has its own class
        self.options = options
        self.setting = setting

    @abstractmethod
    def build(self) -> dict[str, Any]:
        """Build the networks; layers that the quantized twin has, too, bear its names."""

    @abstractmethod
    def terms(self, networks: Networks, batch: Batch, step: Step) -> Terms:
        """Give the terms of the loss, each averaged over the events."""

    @abstractmethod
    def scores(self) -> dict[str, ScoreFunction]:
        """Give every anomaly score that this method has; the first is the usual one."""

    def phases(self) -> tuple[Phase, ...]:
        """Give the parts of the training: by default one, of all variables."""
        return (Phase("training", 1.0, (Objective(self.terms, all_variables),)),)

    def solve(self, x: NDArray[np.float32]) -> Mapping[str, NDArray[np.floating]] | None:
        """Give the trained weights by `layer/variable` where a closed form has them; None: they are trained."""
        del x
        return None

    def encode(self, networks: Networks, x: Tensor) -> Tensor:
        """Give the latents (n, k) of events (n, n_features), without noise."""
        del networks, x
        raise NotImplementedError

    def decode(self, networks: Networks, z: Tensor) -> Tensor:
        """Give the events (n, n_features) of latents (n, k)."""
        del networks, z
        raise NotImplementedError

    def sample(self, networks: Networks, n: int, step: Step) -> Tensor:
        """Give new events (n, n_features), by the randomness of the step."""
        del networks, n, step
        raise NotImplementedError


def all_variables(networks: Networks) -> list[Any]:
    """Give the trainable variables of all networks."""
    return [variable for network in networks.values() for variable in network.trainable_variables]


def variables_of(*names: str) -> Callable[[Networks], list[Any]]:
    """Give the function to the trainable variables of some networks: for an objective of its own."""
    return lambda networks: [variable for name in names for variable in networks[name].trainable_variables]
