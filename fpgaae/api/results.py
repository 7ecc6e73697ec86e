"""An experiment with its run folder: the results of its stages as typed objects, arrays and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpgaae.config.experiment import Config
from fpgaae.data.features import FeatureMap
from fpgaae.data.readers import event_hashes
from fpgaae.data.store import EventStore
from fpgaae.errors import InputError
from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.cells import cell_of, cells_of
from fpgaae.hls.csim import SCORES_FILE
from fpgaae.progress import Progress, SilentProgress
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.convert import ConvertResult
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.metrics import MetricsResult
from fpgaae.runs.results.place import PlaceResult
from fpgaae.runs.results.prove import ProveResult
from fpgaae.runs.results.reference import ReferenceResult
from fpgaae.runs.results.rtl import RtlResult
from fpgaae.runs.results.synth import SynthResult
from fpgaae.runs.results.train import TrainResult
from fpgaae.runs.run import StageRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from fpgaae.emulator.arrays import Emulator

__all__ = ["LayerRow", "MetricRow", "Run"]


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
        features = FeatureMap.of(self.data)
        return GoldenTrigger.load(self.experiment.stage_folder("convert"), features).behind_words

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
            "layers": draw.layer_figure(found.layers, self.experiment.config.data.label),
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
