"""The experiment: what its YAML file may hold, validated and frozen (`config_file` reads it).

Every width, count and path of an experiment stands here once; what a later stage needs is derived from it. A new key
belongs into the section of the stage that reads it, since a stage is run again when its section changes.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from importlib import import_module
from math import prod
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, model_validator

from fpgaae.methods.ensemble import Ensemble
from fpgaae.methods.registry import MethodSection, check_method
from fpgaae.network_layers import NamedLayer, NetworkLayers, Units, check_shapes, named_layers
from fpgaae.section import Section

Bits = Annotated[int, Field(ge=2, le=24)]
IntegerBits = Annotated[int, Field(ge=0, le=20)] | Literal["auto"]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]


_DOMAINS = "fpgaae.data.domains"
TOY_PREFIX = "toy:"
RESERVED_ORIGINS = frozenset(
    {"random", "extremes", "layers"}
)  # what the C simulation is fed with besides the processes


def reader_module(name: str) -> ModuleType:
    """Import what `data.reader` names: a module of `fpgaae.data.domains`, or with a dot in its name any other.

    Raises
    ------
    ValueError
        If there is none, or it is no reader.
    """
    module = name if "." in name else f"{_DOMAINS}.{name}"
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if not module.startswith(str(error.name)):
            raise
        known = sorted(entry.name for entry in iter_modules(import_module(_DOMAINS).__path__))
        raise ValueError(
            f"there is no reader {name}; there are {', '.join(known)}, or name a module that can be imported"
        ) from None
    if not hasattr(found, "READER"):
        raise ValueError(f"the module {module} is no reader of events; it must hold READER")
    return found


class ObjectWidths(Section):
    """Slots and hardware widths of one kind of trigger object; 0 bits leave a property out (it is then 0)."""

    name: str
    slots: Annotated[int, Field(ge=1, le=64)]
    pt_bits: Annotated[int, Field(ge=1, le=16)]
    eta_bits: Annotated[int, Field(ge=0, le=16)]
    phi_bits: Annotated[int, Field(ge=0, le=16)]


class ArrayWidth(Section):
    """A detector that is read out as an array of numbers, such as the cells of a calorimeter, all of one width."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
    shape: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=3)]
    bits: Annotated[int, Field(ge=1, le=16)]
    signed: bool = False
    lsb: Annotated[float, Field(gt=0)] = 1.0  # what a count stands for
    absent: tuple[int, ...] = ()  # cells, counted in order, that the detector has not: no port, always 0

    @model_validator(mode="after")
    def _cells_fit(self) -> ArrayWidth:
        if any(not 0 <= cell < self.n_cells for cell in self.absent) or len(set(self.absent)) >= self.n_cells:
            raise ValueError(f"absent: cells are counted from 0 to {self.n_cells - 1}, and one must be left")
        if self.n_cells > 4096:
            raise ValueError(f"an array of {self.n_cells} cells is more than the 4096 that an event may have")
        return self

    @property
    def n_cells(self) -> int:
        """Number of hardware integers of an event."""
        return prod(self.shape)


class Hardware(Section):
    """The hardware integers: what a Level-1 trigger sends for each object, or a detector for each cell of an array."""

    pt_lsb_gev: Annotated[float, Field(gt=0)] = 0.5
    eta_lsb: Annotated[float, Field(gt=0)] = 0.0435
    phi_steps: Annotated[int, Field(ge=4, le=65536)] = 144
    objects: tuple[ObjectWidths, ...] = ()
    array: ArrayWidth | None = None

    @model_validator(mode="after")
    def _one_layout(self) -> Hardware:
        if bool(self.objects) is (self.array is not None):
            raise ValueError("give either `objects` (trigger objects) or `array` (cells of a detector)")
        return self

    @model_validator(mode="after")
    def _phi_fits(self) -> Hardware:
        for kind in self.objects:
            if kind.phi_bits and 2**kind.phi_bits < self.phi_steps:
                raise ValueError(f"{kind.phi_bits} phi_bits of {kind.name} can't hold {self.phi_steps} phi_steps")
        return self

    @property
    def n_slots(self) -> int:
        """Number of objects an event holds."""
        return sum(kind.slots for kind in self.objects)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The hardware integers of an event as (height, width, channels): an object a row, or the array."""
        if self.array is None:
            return self.n_slots, 3, 1
        height, width, channels = (*self.array.shape, 1, 1)[:3]
        return height, width, channels


class Split(Section):
    """Shares of the events; events of one group stay together."""

    train: Fraction = 0.55
    validation: Fraction = 0.05
    test: Fraction = 0.40
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None  # None: the experiment's

    @model_validator(mode="after")
    def _sums_to_one(self) -> Split:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train, validation and test must sum to 1, not {total:g}")
        return self


class Scaling(Section):
    """How hardware integers become network inputs: `x = (code - offset) * 2**-shift`."""

    offset: Literal["mean", "zero"] = "mean"
    shift: Literal["per_feature", "common"] = "per_feature"


class Columns(Section):
    """Datasets of one number an event, (events,), that rates are told apart by; null: the files have none.

    The background's file must have those that are named, a signal's may.
    """

    existing_trigger: str | None = None  # also (events, bits): an event with a bit set is taken already
    pileup: str | None = None  # number of collisions in the bunch crossing
    run: str | None = None  # number of the run

    @property
    def named(self) -> dict[str, str]:
        """The dataset of each column that there is."""
        return {column: name for column, name in self if name is not None}


class TableValues(str, Enum):
    """What the numbers of a table are."""

    INTEGERS = "integers"  # hardware integers, as a Level-1 trigger sends them
    PHYSICAL = "physical"  # pT in GeV, eta, phi in rad


class ObjectColumns(Section):
    """Columns of one kind of object: of lists, or of one slot each with `{slot}`, counted from 1, in the name."""

    pt: str
    eta: str | None = None  # None: 0
    phi: str | None = None


class Table(Section):
    """Which column of a table (Parquet, CSV, ROOT) holds what; arrays of objects (HDF5, npz) need none."""

    tree: str | None = None  # of a ROOT file that has several
    values: TableValues = TableValues.INTEGERS
    objects: dict[str, ObjectColumns]  # by the name of the kind in `hardware.objects`


def _first_option_error(error: ValidationError, options: type[Section]) -> str:
    detail = error.errors()[0]
    key = ".".join(["data.options", *map(str, detail["loc"])])
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown option; there are {', '.join(options.model_fields)}"
    return f"{key}: {detail['msg'].removeprefix('Value error, ')} (given: {detail['input']!r})"


class Data(Section):
    """Where the events are and how they are coded; `sample:NAME` is bundled, `toy:NAME` is made up."""

    reader: Annotated[str, Field(pattern=r"^[a-z_]\w*(\.\w+)*$")] | None = None  # a module of `fpgaae.data.domains`
    options: dict[str, Any] = Field(default_factory=dict)  # of that module
    files: dict[Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")], str]
    background: str = "background"
    dataset: str = "Particles"
    group: str | None = "Group"
    columns: Columns = Columns()
    table: Table | None = None
    hardware: Hardware
    split: Split = Split()
    scaling: Scaling = Scaling()

    @model_validator(mode="after")
    def _has_background(self) -> Data:
        if reserved := RESERVED_ORIGINS & self.files.keys():
            raise ValueError(f"`{min(reserved)}` in files is the name of made-up events; choose another")
        if self.background not in self.files:
            raise ValueError(f"files has no entry `{self.background}`, which `background` names")
        return self

    @model_validator(mode="after")
    def _reader_fits(self) -> Data:
        if self.reader is None:
            if self.options:
                raise ValueError("`options` are those of a `reader`, and none is named")
        elif self.hardware.array is None:
            raise ValueError(f"the reader {self.reader} gives an array; describe it in `hardware.array`")
        else:
            try:
                reader = reader_module(self.reader).READER
            except ValueError as error:
                raise ValueError(f"data.reader: {error}") from None
            try:
                reader.options.model_validate(self.options)
            except ValidationError as error:
                raise ValueError(_first_option_error(error, reader.options)) from None
        return self

    @model_validator(mode="after")
    def _toys_exist(self) -> Data:
        known = () if self.reader is None else reader_module(self.reader).READER.toys
        there = f"the reader {self.reader} has {', '.join(known) or 'none'}" if self.reader else "name a `reader`"
        for process, entry in self.files.items():
            kind = entry.partition("#")[0].removeprefix(TOY_PREFIX).partition(":")[0]
            if entry.startswith(TOY_PREFIX) and kind not in known:
                there = (
                    f"the reader {self.reader} has {', '.join(known) or 'none'}" if self.reader else "name a `reader`"
                )
                raise ValueError(f"data.files.{process}: there is no toy {kind}; {there}")
        return self

    @model_validator(mode="after")
    def _table_has_all_objects(self) -> Data:
        kinds = [kind.name for kind in self.hardware.objects]
        if self.table is not None and set(self.table.objects) != set(kinds):
            raise ValueError(
                f"data.table.objects: names {', '.join(self.table.objects)}, but `hardware.objects` has "
                f"{', '.join(kinds)}"
            )
        return self


class ModelKind(str, Enum):
    """What is trained; a variational autoencoder deploys its encoder only, a student learns a teacher's score."""

    AUTOENCODER = "autoencoder"
    VARIATIONAL = "variational"
    STUDENT = "student"


class Score(str, Enum):
    """The anomaly score that the firmware puts out."""

    SQUARED_ERROR = "squared_error"  # sum over the features of (x - x')^2
    MASKED_SQUARED_ERROR = "masked_squared_error"  # the same over the filled slots
    ABSOLUTE_ERROR = "absolute_error"  # sum over the features of |x - x'|
    MU_SQUARED = "mu_squared"  # sum over the latents of mu^2
    MU_SQUARED_OVER_VARIANCE = "mu_squared_over_variance"  # sum over the latents of mu^2 / sigma^2
    KL_DIVERGENCE = "kl_divergence"  # 1/2 sum over the latents of (mu^2 + sigma^2 - 1 - log sigma^2)
    REGRESSION = "regression"  # what the network puts out, one number

    @property
    def kind(self) -> ModelKind:
        """The kind of model that has it."""
        if self is Score.REGRESSION:
            return ModelKind.STUDENT
        return ModelKind.AUTOENCODER if self.of_reconstruction else ModelKind.VARIATIONAL

    @property
    def of_reconstruction(self) -> bool:
        """Whether it compares the inputs with their reconstruction; the others read latents or an output alone."""
        return self in {Score.SQUARED_ERROR, Score.MASKED_SQUARED_ERROR, Score.ABSOLUTE_ERROR}

    @property
    def needs_variance(self) -> bool:
        """Whether it needs log sigma^2 beside mu."""
        return self in {Score.MU_SQUARED_OVER_VARIANCE, Score.KL_DIVERGENCE}


class Model(Section):
    """The network: hidden layers of encoder and decoder, and the latent width; of a student, the hidden layers.

    An encoder that begins with a convolution or another layer of images reads the event as one
    (`data.hardware.image_shape`); a decoder that ends in a convolution reconstructs with it, any other with a dense
    layer of its own.
    """

    kind: ModelKind = ModelKind.AUTOENCODER
    encoder: NetworkLayers
    latent: Units
    decoder: NetworkLayers
    score: Score
    beta: Annotated[float, Field(ge=0)] = 0.8

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
        weighted = {name for name, layer in (*self.encoder_layers, *self.decoder_layers) if layer.has_weights}
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
        return (*encoder, "latent", *(name for name in decoder if name != "reconstruction"), "reconstruction")


_ENDS = frozenset({"latent", "mu", "log_variance", "reconstruction", "output"})


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
    sparsity: Annotated[float, Field(ge=0, lt=1)] | None = None


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

    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.5
    begin_epoch: Annotated[int, Field(ge=0)] = 0
    end_epoch: Annotated[int, Field(ge=1)] = 10
    steps_between_updates: Annotated[int, Field(ge=1)] = 20

    @model_validator(mode="after")
    def _ordered(self) -> Pruning:
        if self.end_epoch <= self.begin_epoch:
            raise ValueError(f"end_epoch ({self.end_epoch}) must come after begin_epoch ({self.begin_epoch})")
        return self


class Fit(Section):
    """One training run: Adam with a learning rate that falls along a cosine to `final_learning_rate`."""

    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)] = 1024
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    final_learning_rate: Annotated[float, Field(gt=0)] = 3e-5


class FloatFit(Fit):
    """The full-precision training."""

    batch_normalization: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"  # of what a `method` computes with; weights stay float32
    weights_of: str | None = None  # the config of a finished float method whose weights are taken instead of trained


class OutlierKind(str, Enum):
    """How an unusual event is made of background events."""

    MIXED = "mixed"  # each hardware integer from one of two events
    OVERLAID = "overlaid"  # the sum of two events
    SCALED = "scaled"  # some integers multiplied by up to 8
    HOT = "hot"  # one to eight integers anywhere in their range, as of hot cells


class Outliers(Section):
    """Made-up events that a student learns beside the background, so that it sees large scores; no signal is needed."""

    share: Annotated[float, Field(ge=0, le=4)] = 0.0  # of the number of background events
    kinds: Annotated[tuple[OutlierKind, ...], Field(min_length=1)] = (OutlierKind.MIXED,)


class Distillation(Section):
    """What a student learns: the score s of a teacher, an autoencoder in full precision that never becomes firmware.

    The target is scale (clip(log s, low, high) - low) / (high - low), after CICADA, the Calorimeter Image Convolutional
    Anomaly Detection Algorithm of CMS, whose target is 32 log s between 0 and 256.
    """

    teacher: Model
    fit: FloatFit
    low: float | None = None  # of log s; null: the first of the quantiles
    high: float | None = None
    quantiles: tuple[Share, Share] = (0.001, 1.0)  # of log s over all that the student is trained on
    scale: Annotated[float, Field(gt=0)] = 16.0  # the largest target
    outliers: Outliers = Outliers()

    @model_validator(mode="after")
    def _is_possible(self) -> Distillation:
        if self.teacher.kind is not ModelKind.AUTOENCODER:
            raise ValueError(f"distillation.teacher.kind: a teacher is an autoencoder, not {self.teacher.kind.value}")
        for name, low, high in (("high", self.low, self.high), ("quantiles", *self.quantiles)):
            if low is not None and high is not None and low >= high:
                raise ValueError(f"distillation.{name}: the upper end, {high:g}, is not above the lower, {low:g}")
        return self


class TrainingMode(str, Enum):
    """How the quantized network comes from the float one."""

    QUANTIZATION_AWARE = "quantization_aware"  # trained and pruned on, through its quantizers
    POST_TRAINING = "post_training"  # rounded to its widths; the reference is pruned while it is trained


class QuantizedFit(Fit):
    """The quantized training; after a post-training quantization nothing is trained, and the rest is not read."""

    mode: TrainingMode = TrainingMode.QUANTIZATION_AWARE


class Training(Section):
    """Float training first, then the quantized network from its weights."""

    reference: FloatFit
    quantized: QuantizedFit

    @property
    def quantizes_after(self) -> bool:
        """Whether the quantized network is the rounded reference, which is then the one that is pruned."""
        return self.quantized.mode is TrainingMode.POST_TRAINING


class Firmware(Section):
    """The HLS project."""

    backend: Literal["Vitis", "Vivado"] = "Vitis"
    part: Annotated[str, Field(min_length=1)] = "xcvu9p-flga2104-2L-e"
    clock_ns: Annotated[float, Field(gt=0)] = 5.0
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    strategy: Literal["latency", "resource", "distributed_arithmetic"] = "latency"
    reuse_factor: Annotated[int, Field(ge=1)] = 1
    project_name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")] = "autoencoder"
    reloadable_weights: bool = False  # weights and biases are ports, not constants
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

    max_events_per_process: Annotated[int, Field(ge=1)] = 1_000_000
    random_events: Annotated[int, Field(ge=0)] = 4_000
    processes: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"


class Threshold(Section):
    """A working point: the share of background events, or their rate in kHz, that the trigger may accept."""

    false_positive_rate: Fraction | None = None
    rate_khz: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Threshold:
        if (self.false_positive_rate is None) == (self.rate_khz is None):
            raise ValueError("give either false_positive_rate or rate_khz")
        return self


class Trigger(Section):
    """The working points at which the firmware decides."""

    bunch_crossing_rate_khz: Annotated[float, Field(gt=0)] = 28_608.8  # 2,544 colliding bunches of the LHC
    thresholds: Annotated[tuple[Threshold, ...], Field(min_length=1, max_length=8)] = (
        Threshold(false_positive_rate=1e-3),
    )
    chosen_on: Literal["train", "validation"] = "train"  # the split whose background sets the thresholds

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


class Evaluation(Section):
    """The physics comparison."""

    bootstrap_replicas: Annotated[int, Field(ge=20)] = 200
    confidence_level: Fraction = 0.6827
    pca_components: Annotated[int, Field(ge=1)] = 16
    ablation_events: Annotated[int, Field(ge=100)] = 20_000  # of each process: what each part's quantization costs
    compression_events: Annotated[int, Field(ge=2)] | None = None  # of each process: what the latents keep of images
    average_over_groups: bool = False  # also judge the mean score of each group of events, such as a clip
    partial_auc_rate: Fraction = 0.1  # false positive rate up to which the partial area of these goes


class Explore(Section):
    """The uses of a float method (`fpgaae explore`)."""

    processes: tuple[str, ...] = ()  # those that maps and clusters show; none: all
    events: Annotated[int, Field(ge=40, le=100_000)] = 2000  # of each process
    missing: Annotated[float, Field(gt=0, lt=1)] = 0.25  # share of the inputs that is imputed


class Config(Section):
    """A whole experiment."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 42
    data: Data
    model: Model
    distillation: Distillation | None = None
    quantization: Quantization
    pruning: Pruning = Pruning()
    training: Training
    firmware: Firmware = Firmware()
    csim: Csim = Csim()
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
            n_features = prod(self.data.hardware.image_shape)
            check_method(self.method, self.ensemble, self.model.latent, n_features)
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
        return {"model": self.model} | (
            {} if self.distillation is None else {"distillation.teacher": self.distillation.teacher}
        )

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
        """Give the width of what a layer puts out; the reconstruction is coded as the inputs are."""
        special = self.quantization.layers.get(layer)
        if special and special.activations:
            return special.activations
        if layer == "reconstruction":
            return Width(**self.quantization.inputs.model_dump())
        return self.quantization.activations

    def sparsity(self, layer: str) -> float:
        """Give the share of a layer's weights that pruning removes."""
        special = self.quantization.layers.get(layer)
        return self.pruning.sparsity if special is None or special.sparsity is None else special.sparsity
