"""The experiment: what its YAML file may hold, validated and frozen (`config_file` reads it).

Every width, count and path of an experiment stands here once; what a later stage needs is derived from it. A new key
belongs into the section of the stage that reads it, since a stage is run again when its section changes.
"""

from __future__ import annotations

from collections.abc import Collection
from math import prod
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from fpgaae.config.data import Data
from fpgaae.config.distillation import Distillation
from fpgaae.config.layers import RECONSTRUCTION, check_shapes
from fpgaae.config.model import Model, ModelKind, Pruning, Quantization, Score, Training, Width
from fpgaae.config.place import Place
from fpgaae.methods.ensemble import Ensemble
from fpgaae.methods.registry import EMBEDDING_KEY, MethodSection, Shapes, check_method
from fpgaae.names import PART_PATTERN, CodeName, ProjectName
from fpgaae.processes import LIMIT_S
from fpgaae.section import Fraction, Section

TEACHER_KEY = "distillation.teacher"
_NO_PRUNING = "pruning.sparsity to 0, also in quantization.layers"
MOST_CELLS = 256  # of a table of thresholds


def _printable(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("a label has printable characters only, and no spaces around it")
    return text


_Label = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_printable)]


class Firmware(Section):
    """The HLS project."""

    backend: Literal["Vitis", "Vivado"] = "Vitis"
    part: Annotated[str, Field(pattern=PART_PATTERN)] = "xcvu9p-flga2104-2L-e"  # the device
    clock_ns: Annotated[float, Field(ge=0.1, le=1000)] = 5.0
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    strategy: Literal["latency", "resource", "distributed_arithmetic"] = "latency"
    reuse_factor: Annotated[int, Field(ge=1, le=65_536)] = 1  # products that one multiplier computes
    project_name: ProjectName = "autoencoder"  # of the top function and its files
    reloadable_weights: bool = False  # weights and biases are ports, not constants
    reloadable_thresholds: bool = False  # thresholds are a port, not constants
    three_input_adders: bool = True  # in the Verilog, where a sum is added to a third value alone
    output_latents: bool = False  # the latents are a port beside score and accept bits

    @model_validator(mode="after")
    def _reuse_is_possible(self) -> Firmware:
        if self.strategy == "distributed_arithmetic" and self.reloadable_weights:
            raise ValueError(
                "distributed_arithmetic makes adders of constant weights, so that none can be reloaded; set strategy "
                "to latency or resource, or reloadable_weights to false"
            )
        if self.strategy == "distributed_arithmetic" and self.reuse_factor != 1:
            raise ValueError("distributed_arithmetic has no multiplier to reuse; set reuse_factor to 1")
        return self


class Csim(Section):
    """The C simulation and what it is fed with."""

    max_events_per_process: Annotated[int, Field(ge=1, le=10**9)] = 1_000_000  # of the test split
    random_events: Annotated[int, Field(ge=0, le=10**8)] = 4_000  # beside the test events and the extremes
    processes: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"  # of `csim` and `rtl`; auto: one a core


class Tools(Section):
    """Other people's programs: compilers, simulators, Yosys, the vendor's tools."""

    limit_s: Annotated[float, Field(ge=1, le=10**7)] = LIMIT_S  # of time, after which one is ended with all it started


class Threshold(Section):
    """A working point: the share of background events, or their rate in kHz, that the trigger may accept."""

    false_positive_rate: Fraction | None = None  # share of the background
    rate_khz: Annotated[float, Field(ge=1e-9, le=1e9)] | None = None  # the same, times `bunch_crossing_rate_khz`

    @model_validator(mode="after")
    def _one_of_both(self) -> Threshold:
        if (self.false_positive_rate is None) == (self.rate_khz is None):
            raise ValueError("give either false_positive_rate or rate_khz")
        return self


class FollowedSum(Section):
    """A sum over an event that thresholds follow, and how many bins of about as many events each it is cut into."""

    quantity: Literal["sum", "multiplicity"]  # of pT (of an array: amounts), or of slots (cells) that are filled
    of: tuple[CodeName, ...] = ()  # kinds of objects; none: all but sums over the event
    bins: Annotated[int, Field(ge=2, le=32)] = 8


class Decorrelation(Section):
    """Thresholds that follow sums over an event, so that the rate does not depend on these (arXiv 2508.10224)."""

    against: Annotated[tuple[FollowedSum, ...], Field(min_length=1, max_length=3)]
    min_events: Annotated[int, Field(ge=1, le=10**6)] = 15  # that pass; with fewer, cells have one threshold together

    @model_validator(mode="after")
    def _cells_are_few(self) -> Decorrelation:
        if (cells := prod(of.bins for of in self.against)) > MOST_CELLS:
            raise ValueError(f"the bins make {cells} cells, and a table has at most {MOST_CELLS}; ask for fewer bins")
        return self


class Trigger(Section):
    """The working points at which the firmware decides."""

    bunch_crossing_rate_khz: Annotated[float, Field(ge=1e-6, le=1e9)] = 28_608.8  # 2,544 colliding bunches of the LHC
    thresholds: Annotated[tuple[Threshold, ...], Field(min_length=1, max_length=8)] = (
        Threshold(false_positive_rate=1e-3),
    )
    chosen_on: Literal["train", "validation"] = "train"  # the split whose background sets the thresholds
    decorrelate: Decorrelation | None = None  # None: one threshold for all events

    @model_validator(mode="after")
    def _rates_are_possible(self) -> Trigger:
        for threshold in self.thresholds:
            if threshold.rate_khz is not None and threshold.rate_khz >= self.bunch_crossing_rate_khz:
                raise ValueError(
                    f"a rate of {threshold.rate_khz:g} kHz is not below bunch_crossing_rate_khz, "
                    f"{self.bunch_crossing_rate_khz:g}"
                )
        return self

    @property
    def false_positive_rates(self) -> tuple[float, ...]:
        """The share of background events that each threshold may let pass."""
        return tuple(
            wanted.false_positive_rate or (wanted.rate_khz or 0.0) / self.bunch_crossing_rate_khz
            for wanted in self.thresholds
        )


class Labels(Section):
    """What stands above every figure and at the head of the report."""

    experiment: _Label | None = None  # such as CMS Simulation
    energy: _Label | None = None  # such as 14 TeV


class Evaluation(Section):
    """The physics comparison."""

    labels: Labels = Labels()
    bootstrap_replicas: Annotated[int, Field(ge=20, le=100_000)] = 200  # of the groups of events
    confidence_level: Fraction = 0.6827  # of every interval
    pca_components: Annotated[int, Field(ge=1, le=4096)] = 16  # of the baseline `pca`
    ablation_events: Annotated[int, Field(ge=100, le=10**9)] = (
        20_000  # of each process: what each part's quantization costs
    )
    compression_events: Annotated[int, Field(ge=2, le=10**7)] | None = (
        None  # of each process: what the latents keep of images
    )
    average_over_groups: bool = False  # also judge the mean score of each group of events, such as a clip
    judged_on: Literal["test", "validation"] = (
        "test"  # the events that a scan and `repeat` measure networks on; `evaluate` takes those of the test split
    )
    partial_auc_rate: Fraction = 0.1  # false positive rate up to which the partial area of these goes


class Explore(Section):
    """The uses of a float method (`fpgaae explore`)."""

    processes: tuple[str, ...] = ()  # those that maps and clusters show; none: all
    events: Annotated[int, Field(ge=40, le=100_000)] = 2000  # of each process
    missing: Annotated[float, Field(gt=0, lt=1)] = 0.25  # share of the inputs that is imputed


class Config(Section):
    """A whole experiment."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42  # of the split, the trainings and what is drawn at random
    data: Data
    model: Model
    distillation: Distillation | None = None
    quantization: Quantization
    pruning: Pruning = Pruning()
    training: Training
    firmware: Firmware = Firmware()
    place: Place = Place()
    csim: Csim = Csim()
    tools: Tools = Tools()
    trigger: Trigger = Trigger()
    evaluation: Evaluation = Evaluation()
    method: MethodSection | None = None  # None: the autoencoder of `model`, whose quantized twin is deployed
    ensemble: Ensemble = Ensemble()
    explore: Explore = Explore()

    @model_validator(mode="after")
    def _explored_processes_exist(self) -> Config:
        for process in self.explore.processes:
            if process not in self.data.files:
                raise ValueError(
                    f"explore.processes: `data.files` has no process `{process}`; it has {', '.join(self.data.files)}"
                )
        return self

    @model_validator(mode="after")
    def _project_has_its_name(self) -> Config:
        hardware, project = self.data.hardware, self.firmware.project_name
        inputs = [hardware.array.name] if hardware.array is not None else [kind.name for kind in hardware.objects]
        for name in inputs:
            if name in {project, f"{project}_trigger"}:
                raise ValueError(f"firmware.project_name: an input of `data.hardware` is called {name}; rename one")
        return self

    @model_validator(mode="after")
    def _followed_sums_exist(self) -> Config:
        if self.trigger.decorrelate is None:
            return self
        if self.firmware.io_type == "io_stream":
            raise ValueError(
                "trigger.decorrelate: the cell of an event is found beside a network that takes all inputs at once; "
                "set firmware.io_type to io_parallel"
            )
        if self.firmware.reloadable_thresholds:
            raise ValueError(
                "trigger.decorrelate: a port and a register hold one code a threshold, and these have one for each "
                "cell of a table that stays constant; set firmware.reloadable_thresholds to false, or leave "
                "trigger.decorrelate out"
            )
        for index, of in enumerate(self.trigger.decorrelate.against):
            try:
                self.data.hardware.amount_places(of.of)
            except ValueError as error:
                raise ValueError(f"trigger.decorrelate.against.{index}: {error}") from None
        return self

    @model_validator(mode="after")
    def _method_fits(self) -> Config:
        if self.training.reference.weights_of is not None and (self.method or self.training.quantizes_after):
            raise ValueError(
                "training.reference.weights_of: a float method, or a reference that is pruned since it is only rounded "
                "afterwards (`training.quantized.mode: post_training`), is trained itself; remove this key"
            )
        if self.method is not None:
            if self.training.reference.batch_normalization:
                raise ValueError(
                    "training.reference.batch_normalization: the networks of a float method have none; remove this key"
                )
            check_method(self.method, self.ensemble, self._shapes)
        return self

    @property
    def _shapes(self) -> Shapes:
        embedding = self.model.embedding
        width = None if embedding is None else embedding.width
        return Shapes(prod(self.data.hardware.image_shape), self.model.latent, width)

    @model_validator(mode="after")
    def _embedding_is_trained(self, info: ValidationInfo) -> Config:
        method, reference = self.training.embedding, self.training.reference
        teacher = self._models.get(TEACHER_KEY)
        if teacher is not None and teacher.embedding is not None:
            raise ValueError(
                f"{TEACHER_KEY}.embedding: a teacher that is trained here has none; finish a float method with one and "
                "name that by `weights_of`"
            )
        if method is not None and (self.model.embedding is None or self.method is not None):
            reason = "`model.embedding` is null" if self.method is None else "`method` is what is trained"
            raise ValueError(f"{EMBEDDING_KEY}: {reason}, so that nothing would read it; set it to null")
        if self.model.embedding is None or self.method is not None or (info.context or {}).get("imported"):
            return self
        if (method is None) == (reference.weights_of is None):
            raise ValueError(
                f"{EMBEDDING_KEY}: an embedding is learned by a float method, as in {{kind: vicreg}}, or taken from a "
                "finished one by `training.reference.weights_of`; give one of the two"
            )
        if self.training.quantizes_after or reference.batch_normalization:
            key = "quantized.mode" if self.training.quantizes_after else "reference.batch_normalization"
            raise ValueError(
                f"training.{key}: the float method that learns an embedding neither prunes nor normalizes; remove this "
                "key"
            )
        if method is not None:
            check_method(method, Ensemble(), self._shapes, EMBEDDING_KEY)
        return self

    @model_validator(mode="after")
    def _widths_can_be_learned(self) -> Config:
        key, learned = "training.quantized.learned_widths", self.training.quantized.learned_widths
        if learned is None:
            return self
        if self.training.quantizes_after:
            raise ValueError(f"{key}: nothing is trained after the reference; set training.quantized.mode, or leave it")
        if self.model.embedding is not None:
            raise ValueError(f"{key}: an embedding and its autoencoder are trained apart, without it; set it to null")
        if self.firmware.reloadable_weights:
            raise ValueError(
                f"{key}: weights that are ports have a multiplier each, whatever their digits; set it to null, or "
                "firmware.reloadable_weights to false"
            )
        if any(map(self.sparsity, self.model.deployed_layers)):
            raise ValueError(f"{key}: a weight with no bits left is pruned, so nothing else prunes; set {_NO_PRUNING}")
        if learned.end_epoch is not None and learned.end_epoch > self.training.quantized.epochs:
            raise ValueError(
                f"{key}.end_epoch: {learned.end_epoch} lies behind the last of the {self.training.quantized.epochs} "
                "epochs of training.quantized"
            )
        return self

    @model_validator(mode="after")
    def _a_student_has_a_teacher(self, info: ValidationInfo) -> Config:
        is_student = self.model.kind is ModelKind.STUDENT
        if is_student and self.distillation is None and not (info.context or {}).get("imported"):
            raise ValueError("model.kind: a student needs a teacher; describe it under `distillation:`")
        if is_student and self.method is not None:
            raise ValueError("model.kind: a student learns from its teacher, by no other method; set `method` to null")
        if self.distillation is not None and not is_student:
            raise ValueError(
                f"model.kind: a model of kind {self.model.kind.value} has no teacher; set `distillation` to null"
            )
        return self

    @model_validator(mode="after")
    def _layers_exist(self, info: ValidationInfo) -> Config:
        if not (info.context or {}).get("imported"):
            image = self.data.hardware.image_shape
            for key, model in self._models.items():
                if model.embedding is not None:
                    check_shapes(model.embedding_layers, model.embedding.width, (), image, f"{key}.embedding")
                check_shapes(model.encoder_layers, model.latent, model.decoder_layers, image, key)
            self.check_layers(self.model.rounded_layers)
        for key, model in self._models.items():
            if model.score is Score.MASKED_SQUARED_ERROR and self.data.hardware.array is not None:
                raise ValueError(f"{key}.score: masked_squared_error leaves out empty slots, which an array has not")
        if self.evaluation.compression_events is not None:
            self._check_compression()
        pruned = "reference" if self.training.quantizes_after else "quantized"
        epochs = getattr(self.training, pruned).epochs
        if self.pruning.end_epoch > epochs:
            raise ValueError(
                f"pruning.end_epoch: {self.pruning.end_epoch} lies behind the last of the {epochs} epochs of "
                f"training.{pruned}"
            )
        return self

    @property
    def _models(self) -> dict[str, Model]:
        """The networks that are trained, by key."""
        teacher = None if self.distillation is None else self.distillation.trained_teacher
        return {"model": self.model} | ({} if teacher is None else {TEACHER_KEY: teacher})

    def _check_compression(self) -> None:
        array = self.data.hardware.array
        if array is None or array.signed or self.data.hardware.image_shape[2] != 1:
            raise ValueError("evaluation.compression_events: only images of amounts, without channels, are compared")
        if self.model.kind is not ModelKind.VARIATIONAL or self.model.score.needs_variance:
            raise ValueError(
                "evaluation.compression_events: the firmware must be an encoder whose score reads its latents; set "
                "`model.kind` to variational and `model.score` to mu_squared"
            )

    def check_layers(self, known: Collection[str]) -> None:
        """Refuse widths for a layer that the network has not; of an imported model, only its file tells the layers.

        Raises
        ------
        ValueError
            With the key of the first such layer in front.
        """
        for name in self.quantization.layers:
            if name not in known:
                raise ValueError(f"quantization.layers.{name}: no such layer; the layers are {', '.join(known)}")

    @property
    def split_seed(self) -> int:
        """Seed of the split: with one of its own, trainings of other seeds see the same events."""
        return self.seed if self.data.split.seed is None else self.data.split.seed

    def weight_width(self, layer: str) -> Width:
        """Give the width of a layer's weights and biases."""
        special = self.quantization.layers.get(layer)
        return (special and special.weights) or self.quantization.weights

    def activation_width(self, layer: str) -> Width:
        """Give the width of what a layer puts out; the reconstruction is coded as what it is compared with."""
        special = self.quantization.layers.get(layer)
        if special and special.activations:
            return special.activations
        if layer == RECONSTRUCTION:
            compared = self.model.compared_layer
            inputs = self.quantization.inputs
            return Width(**inputs.model_dump()) if compared is None else self.activation_width(compared)
        return self.quantization.activations

    def sparsity(self, layer: str) -> float:
        """Give the share of a layer's weights that pruning removes."""
        special = self.quantization.layers.get(layer)
        return self.pruning.sparsity if special is None or special.sparsity is None else special.sparsity
