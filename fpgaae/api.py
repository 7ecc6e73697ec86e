"""The Python interface: configs, runs up to a stage, and their results as typed objects, arrays and figures.

The examples run in a folder with the experiment `small.yaml`. Nothing here prints or exits; what is wrong is raised as
an `fpgaae.FpgaaeError`. TensorFlow is imported by the functions that need it only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray

from fpgaae import pipeline
from fpgaae.config.experiment import Config
from fpgaae.config.file import read_config, validate_config
from fpgaae.config.shipped import copy_shipped as copy_config
from fpgaae.config.shipped import shipped_configs as list_configs
from fpgaae.config.yaml_source import EXTENDS
from fpgaae.data.features import FeatureMap
from fpgaae.data.readers import event_hashes
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.files import write_text
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.cells import cell_of, cells_of
from fpgaae.hls.csim import SCORES_FILE
from fpgaae.models.model_file import ModelFiles
from fpgaae.progress import Progress, SilentProgress
from fpgaae.propose.draft import Draft, write_draft
from fpgaae.runs.choices import ImportChoices
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.results.base import StageResult
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.drift import DriftResult
from fpgaae.runs.results.metrics import MetricsResult
from fpgaae.runs.results.place import PlaceResult
from fpgaae.runs.results.prove import ProveResult
from fpgaae.runs.results.reference import ReferenceResult
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.results.synth import SynthResult
from fpgaae.runs.results.train import TrainResult
from fpgaae.runs.run import Outcome, RunOptions, StageRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fpgaae.emulator.arrays import Emulator

__all__ = [
    "LayerRow", "MetricRow", "Run", "compare", "copy_config", "draft_config", "import_model", "list_configs",
    "load_config", "open_run", "run",
]  # fmt: skip

ConfigSource = str | Path | Mapping[str, Any]
OnResult = Callable[[str, Outcome[StageResult]], None]
RUNS = Path("runs")


class MetricRow(NamedTuple):
    """One metric of one model and signal; `pandas.DataFrame(run.metrics())` has a column a field."""

    model: str
    signal: str
    metric: str  # `auc`, or `tpr@RATE` with the false positive rate
    value: float | None
    low: float | None  # end of its interval
    high: float | None


class LayerRow(NamedTuple):
    """A layer of the firmware."""

    name: str
    values: int
    type: str  # of what it puts out
    weights: int
    nonzero_weights: int
    multiplications: int
    values_compared: int | None  # None: the C simulation has not run
    mismatched_values: int | None


def load_config(source: ConfigSource) -> Config:
    """Read and validate an experiment.

    Parameters
    ----------
    source
        A YAML file, or its content as a mapping, which may start from others with `extends`.

    Raises
    ------
    ConfigError
        With the key, the file and the line of the first thing that is wrong.

    Examples
    --------
    >>> config = fpgaae.load_config("small.yaml")
    >>> config.model.latent
    3
    >>> config = fpgaae.load_config({"extends": "config:l1_ae", "model": {"latent": 4}})
    >>> config.model.latent, config.data.background
    (4, 'background')
    """
    return validate_config(read_config(Path(source) if isinstance(source, str) else source))


def draft_config(files: Sequence[str | Path], output: str | Path | None = None) -> Draft:
    """Look at event files, a process each, and write a commented config that runs.

    Parameters
    ----------
    files
        Files, or folders of them; where no name says which is the background, the first one is. The file of a model may
        be among them: the config is then one to import it into, and `steps` of what is returned begins with that.
    output
        The config; by default the first of the files under another ending, in this folder.

    Raises
    ------
    InputError
        If a file can't be described, or the config is there already.

    Examples
    --------
    >>> draft = fpgaae.draft_config(["background.h5", "signal.h5"], "drafted.yaml")
    >>> draft.background, fpgaae.load_config(draft.file).data.dataset
    ('background', 'Particles')
    """
    return write_draft([Path(file) for file in files], None if output is None else Path(output))


def open_run(config: ConfigSource, *, runs: str | Path = RUNS, name: str | None = None) -> Run:
    """Open the run folder of an experiment; nothing is run.

    Parameters
    ----------
    config
        A YAML file, or its content as a mapping, which is then written into the run folder.
    runs
        Where the run folders are.
    name
        Of an experiment that is given as a mapping.

    Raises
    ------
    ConfigError
        If the config is wrong.

    Examples
    --------
    >>> run = fpgaae.open_run("small.yaml")
    >>> run.csim.passed
    True
    """
    if isinstance(config, str | Path):
        return Run(open_experiment(Path(config), Path(runs)))
    if not name:
        raise InputError("an experiment that is given as a mapping needs a `name`, that of its run folder")
    load_config(config)
    file = Path(runs) / name / f"{name}.yaml"
    text = yaml.safe_dump(_from_anywhere(config), sort_keys=False, allow_unicode=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)
    return Run(open_experiment(file, Path(runs)))


def _from_anywhere(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give the content of a config that starts from the same files, wherever it lies."""
    if (bases := config.get(EXTENDS)) is None:
        return {**config}
    names = [bases] if isinstance(bases, str) else bases
    return {**config, EXTENDS: [name if ":" in name else str(Path(name).resolve()) for name in names]}


def run(  # noqa: PLR0913 - all but two are named
    config: ConfigSource,
    to: str | None = None,
    *,
    runs: str | Path = RUNS,
    name: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    on_result: OnResult | None = None,
) -> Run:  # fmt: skip
    """Run an experiment up to a stage; stages whose results are current are left.

    Parameters
    ----------
    config, runs, name
        As `open_run`.
    to
        A stage; by default `csim`, the proof, or of a float method `reference`.
    force
        Run the stage itself although its result is current.
    progress
        What shows how far the work is; by default nothing does.
    on_result
        Called with the name and the outcome of each stage as soon as it is there.

    Raises
    ------
    CheckFailed
        If a bit differs.
    FpgaaeError
        If something else is wrong, with the way out.

    Examples
    --------
    >>> run = fpgaae.run("small.yaml", to="evaluate")
    >>> run.csim.passed, run.csim.mismatched_events
    (True, 0)
    >>> sorted(run.evaluate.models)[:2]
    ['firmware', 'float']
    """
    opened = open_run(config, runs=runs, name=name)
    options = RunOptions(force, progress=progress or SilentProgress())
    for stage, outcome in pipeline.run_up_to(
        opened.experiment, to or pipeline.last_stage(opened.experiment), options
    ):  # fmt: skip
        if on_result is not None:
            on_result(stage, outcome)
        if (error := pipeline.error_of(outcome.result)) is not None:
            raise error
    return opened


def import_model(  # noqa: PLR0913 - all but two are named
    model: str | Path,
    config: ConfigSource,
    *,
    weights: str | Path | None = None,
    outputs: Sequence[str] = (),
    encoder: bool = False,
    quantize: bool = False,
    keep_db: float | None = None,
    runs: str | Path = RUNS,
    name: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Run:  # fmt: skip
    """Take a Keras, QKeras, ONNX or QONNX model from a file instead of a training.

    Parameters
    ----------
    model
        A .keras, .h5, .onnx or .json file, or the folder of a SavedModel.
    weights
        The weights of a .json file.
    outputs
        Layers that the model is taken up to, as z_mean of a variational one.
    encoder
        Take an autoencoder up to its bottleneck.
    quantize
        Quantize a QKeras or QONNX model anew, by the config, instead of as it is.
    keep_db
        Search the smallest widths with which every layer keeps this signal-to-noise ratio.
    config, runs, name, force, progress
        As `run`.

    Raises
    ------
    FpgaaeError
        With what is wrong with the model; what was there before is then untouched.

    Examples
    --------
    >>> imported = fpgaae.import_model("runs/small/train/model.h5", "small.yaml", runs="imported")
    >>> imported.experiment.imported.file_name
    'model.h5'
    """
    opened = open_run(config, runs=runs, name=name)
    options = RunOptions(force, progress=progress or SilentProgress())
    files = ModelFiles(Path(model), None if weights is None else Path(weights))
    choices = ImportChoices(quantize, encoder, tuple(outputs), keep_db)
    pipeline.import_model(files, opened.experiment.config_file, Path(runs), options, choices)
    return Run(open_experiment(opened.experiment.config_file, Path(runs)))


def compare(opened: Run, events: str | Path, *, progress: Progress | None = None) -> DriftResult:
    """Compare the test background of an experiment with other events: score, rates, and which feature moved.

    The experiment is evaluated first, unless that is done.

    Raises
    ------
    FpgaaeError
        With what is wrong, and the way out.

    Examples
    --------
    >>> drift = fpgaae.compare(fpgaae.open_run("small.yaml"), "signal.h5")
    >>> "met_pt" in drift.moved
    True
    """
    return pipeline.compare_events(opened.experiment, Path(events), progress or SilentProgress())


@dataclass(frozen=True)
class Run:
    """An experiment with its run folder: what was found, as objects, arrays and figures.

    Examples
    --------
    >>> run = fpgaae.open_run("small.yaml")
    >>> run.name, run.config.seed
    ('small', 42)
    """

    experiment: Experiment

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.experiment.name

    @property
    def config(self) -> Config:
        """The experiment's config."""
        return self.experiment.config

    @property
    def folder(self) -> Path:
        """The run folder, with a folder a stage."""
        return self.experiment.folder

    @property
    def data(self) -> DataResult:
        """What `data` found: events by split, and the type of each feature."""
        return self.experiment.result(DataResult)

    @property
    def reference(self) -> ReferenceResult:
        """What `reference` says of the float training."""
        return self.experiment.result(ReferenceResult)

    @property
    def train(self) -> TrainResult:
        """What `train` says of the quantized training."""
        return self.experiment.result(TrainResult)

    @property
    def convert(self) -> ConvertResult:
        """What `convert` says of the HLS project."""
        return self.experiment.result(ConvertResult)

    @property
    def csim(self) -> CsimResult:
        """The proof of the HLS sources."""
        return self.experiment.result(CsimResult)

    @property
    def prove(self) -> ProveResult:
        """The proof of the HLS sources for every event that the ports can carry."""
        return self.experiment.result(ProveResult)

    @property
    def rtl(self) -> RtlResult:
        """The proof of the Verilog."""
        return self.experiment.result(RtlResult)

    @property
    def synth(self) -> SynthResult:
        """Area and depth, as Yosys found them."""
        return self.experiment.result(SynthResult)

    @property
    def place(self) -> PlaceResult:
        """The routed chip: clock, critical path, and its netlist against the golden codes."""
        return self.experiment.result(PlaceResult)

    @property
    def evaluate(self) -> MetricsResult:
        """Metrics of float, quantized and firmware, side by side."""
        return self.experiment.result(MetricsResult)

    def events(self, process: str | None = None, split: str = "test") -> Codes:
        """Give the hardware integers of a process, (n, n_features); by default of the background.

        Examples
        --------
        >>> run = fpgaae.open_run("small.yaml")
        >>> run.events("signal").shape
        (1500, 57)
        """
        store, process = EventStore(self.experiment.stage_folder("data")), process or self.config.data.background
        if not (count := store.count(process, split)):
            raise InputError(f"{process} has no events in the split {split}; run `fpgaae data` or name another")
        return store.read(process, split, 0, count)

    def firmware_scores(self) -> dict[str, Codes]:
        """Give the codes of the score that the C simulation found, (n,) by process.

        Examples
        --------
        >>> scores = fpgaae.open_run("small.yaml").firmware_scores()
        >>> scores["signal"].dtype, len(scores["signal"])
        (dtype('int64'), 1500)
        """
        file = self.experiment.stage_folder("csim") / SCORES_FILE
        if not file.is_file():
            raise InputError(f"{file} is missing; run `{self.experiment.command_up_to('csim')}`")
        with np.load(file, allow_pickle=False) as codes:
            return {process: np.asarray(codes[process], dtype=np.int64) for process in self.config.data.files}

    def decisions(self) -> dict[str, NDArray[np.bool_]]:
        """Tell which events the firmware accepts at each threshold, (n, n_thresholds) by process.

        Examples
        --------
        >>> decisions = fpgaae.open_run("small.yaml").decisions()
        >>> decisions["background"].shape[1], bool(decisions["signal"].mean() > decisions["background"].mean())
        (2, True)
        """
        scores = self.firmware_scores()
        cells = self._cells({process: len(codes) for process, codes in scores.items()})
        return {
            process: np.stack([codes > of.codes_at(cells.get(process)) for of in self.csim.thresholds], axis=1)
            for process, codes in scores.items()
        }

    def _cells(self, lengths: Mapping[str, int]) -> dict[str, Codes]:
        """Give the cell of each event of the C simulation, where thresholds follow sums."""
        cell = cell_of(self.csim.follows, FeatureMap.of(self.data))
        if cell is None:
            return {}
        store = EventStore(self.experiment.stage_folder("data"))
        return {process: cells_of(cell, store.read(process, "test", 0, n)) for process, n in lengths.items()}

    def scores(self, progress: Progress | None = None) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Give the scores of every model on the events of the C simulation, (n,) by model and process.

        They are computed anew, by TensorFlow.

        Examples
        --------
        >>> scores = fpgaae.open_run("small.yaml").scores()
        >>> bool((scores["firmware"]["signal"] == scores["quantized"]["signal"]).all())
        True
        """
        from fpgaae.tensorflow_setup import prepare  # noqa: PLC0415

        prepare()
        from fpgaae.evaluation.scoring import score_events  # noqa: PLC0415

        hashes = event_hashes(self.config, self.experiment.config_file)
        nowhere = self.folder / "scores"  # nothing is written
        return score_events(
            StageRun(self.experiment, nowhere, nowhere, hashes, progress=progress or SilentProgress())
        )  # fmt: skip

    @cached_property
    def golden(self) -> GoldenTrigger:
        """The golden network, from the hardware integers to the decisions, in exact integers.

        Examples
        --------
        >>> run = fpgaae.open_run("small.yaml")
        >>> codes = run.golden.scores(run.events("signal"))
        >>> bool((codes == run.firmware_scores()["signal"]).all())
        True
        """
        return GoldenTrigger.load(self.experiment.stage_folder("convert"), FeatureMap.of(self.data))

    def layer_codes(self, hardware: NDArray[np.integer]) -> dict[str, Tensor]:
        """Give the codes of every layer for hardware integers, (n, n_features), by name in graph order.

        Examples
        --------
        >>> run = fpgaae.open_run("small.yaml")
        >>> latent = run.layer_codes(run.events()[:5])["latent"]
        >>> latent.codes.shape
        (5, 3)
        """
        return self.golden.run(hardware)

    def layers(self) -> tuple[LayerRow, ...]:
        """Describe the layers of the firmware, a row each.

        Examples
        --------
        >>> [row.mismatched_values for row in fpgaae.open_run("small.yaml").layers()][:3]
        [0, 0, 0]
        """
        there = self.experiment.result_path("csim").is_file()
        compared = {layer.name: layer for layer in self.csim.layers} if there else {}
        return tuple(
            LayerRow(
                layer.name, layer.values, layer.golden_type, layer.weights, layer.nonzero_weights,
                layer.multiplications,
                compared[layer.name].values if layer.name in compared else None,
                compared[layer.name].mismatched_values if layer.name in compared else None,
            )
            for layer in self.convert.layers
        )  # fmt: skip

    def metrics(self) -> tuple[MetricRow, ...]:
        """Give the metrics of every model and signal, a row each.

        Examples
        --------
        >>> rows = fpgaae.open_run("small.yaml").metrics()
        >>> [row.metric for row in rows if row.model == "firmware"][:2]
        ['auc', 'tpr@1e-01']
        """
        return tuple(
            MetricRow(model, signal, metric, found.value, found.low, found.high)
            for model, by_signal in self.evaluate.models.items()
            for signal, own in by_signal.items()
            for metric, found in {"auc": own.auc, **{f"tpr@{rate}": tpr for rate, tpr in own.tpr.items()}}.items()
        )

    def figures(self) -> dict[str, Figure]:
        """Draw what `evaluate` found, as matplotlib figures by name.

        Examples
        --------
        >>> sorted(fpgaae.open_run("small.yaml").figures())
        ['layers', 'losses', 'profiles', 'rates']
        """
        from fpgaae.evaluation import rate_figures as draw  # noqa: PLC0415

        found = self.evaluate
        figures = {
            "rates": draw.rate_figure(found.rates, [decision.value for decision in found.decisions]),
            "profiles": draw.profile_figure(found.correlation),
            "layers": draw.layer_figure(found.layers),
        }
        if any(found.models.values()):  # of signals
            figures["losses"] = draw.loss_figure(found.ablation, self.experiment.config.data.label)
        if found.rates.by_column:
            figures["columns"] = draw.column_figure(
                found.rates.by_column, [decision.requested_rate_khz for decision in found.decisions]
            )
        return figures

    def emulator(self) -> Emulator:
        """Compile the firmware's emulator, which gives its exact score and decisions for arrays of events.

        Examples
        --------
        >>> run = fpgaae.open_run("small.yaml")
        >>> emulator = run.emulator()
        >>> found = emulator.score(run.events("signal"))
        >>> bool((found.codes == run.firmware_scores()["signal"]).all()), found.accept.shape
        (True, (1500, 2))
        """
        from fpgaae.emulator.arrays import Emulator  # noqa: PLC0415

        return Emulator(self.experiment)
