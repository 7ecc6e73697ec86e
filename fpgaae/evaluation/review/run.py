"""The review of an experiment: its numbers, `review.json`, and its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fpgaae.data.inputs import BLOCK_EVENTS, Split, open_split
from fpgaae.data.source import weights_of
from fpgaae.errors import InputError
from fpgaae.evaluation.comparison import FIRMWARE, FLOAT
from fpgaae.evaluation.cuts import Followed, cuts
from fpgaae.evaluation.review.anomalous import describe, largest
from fpgaae.evaluation.review.figures import (
    MOST_SLOTS,
    anomalous_figure,
    latents_figure,
    significance_figure,
    trainings_figure,
    turn_on_figure,
)
from fpgaae.evaluation.review.inputs import InputCounts
from fpgaae.evaluation.review.menu import menu_table
from fpgaae.evaluation.review.precision import latents_of, value_profiles
from fpgaae.evaluation.review.quantities import EventQuantities
from fpgaae.evaluation.review.turn_ons import improvements, turn_on
from fpgaae.evaluation.review.type_figures import input_figure, network_input_figure, type_figure
from fpgaae.fixedpoint import FixedPointType, values_of
from fpgaae.golden.latents import find_latents
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.partial import PartialNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.runs.results.csim import CsimResult
from fpgaae.runs.results.metrics import MetricsResult
from fpgaae.runs.results.reference import ReferenceResult, TakenReference, TrainedReference
from fpgaae.runs.results.review import Anomalous, Latents, Losses, Review, TurnOn
from fpgaae.runs.results.train import TrainResult
from fpgaae.runs.run import StageRun
from fpgaae.statistics import EventGroups, Weights

_PROFILED = 2000  # background events behind the values of each layer
_PILEUP = "pileup"
Values = NDArray[np.float64]
ByProcess = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class ScoredEvents:
    """The events of the evaluation, by process in the same order: scores of each model, groups, columns."""

    scores: Mapping[str, Mapping[str, Values]]  # model -> process
    groups: ByProcess
    columns: Mapping[str, Mapping[str, Values]]
    followed: Followed | None = None  # where thresholds follow sums

    @property
    def weights(self) -> Weights:
        """The weights of the events of each process that has some."""
        return weights_of(self.columns)


def run_review(
    run: StageRun, events: ScoredEvents, metrics: MetricsResult, network: PartialNetwork
) -> tuple[Review, dict[str, Callable[[], Figure]]]:
    """Make the numbers of a review, and what draws its figures.

    Parameters
    ----------
    network
        The trained network with the weights that its own were rounded from.
    """
    split = open_split(run, "test")
    background, level = run.config.data.background, run.config.evaluation.confidence_level
    golden = GoldenTrigger(split.features, network.network).behind_words
    quantities = EventQuantities(run.config.data, split.features)
    seen = _read(run, events, split, golden, quantities)
    groups = {process: EventGroups(own, events.weights.get(process)) for process, own in events.groups.items()}
    points = cuts(run.result(CsimResult).thresholds, events.followed)
    decided = [cut.accepted(events.scores, groups[background], background) for cut in points]
    accepted = {
        process: [{model: own[process][model] for model in (FLOAT, FIRMWARE)} for own in decided]
        for process in events.groups
    }
    firmware = {process: flags[0][FIRMWARE] for process, flags in accepted.items()}
    review = Review(
        confidence_level=level,
        thresholds=tuple(decision.value for decision in metrics.decisions),
        turn_ons={
            name: turn_on(
                {process: own[name] for process, own in seen.quantities.items()},
                events.groups,
                accepted,
                seen.units[name],
                level,
                events.weights,
            )
            for name in seen.units
        },
        significance=improvements(metrics.rates),
        training=_trainings(run),
        inputs=seen.inputs.entries(),
        values=value_profiles(network, split.features.values(_first(split, background, _PROFILED))),
        latents=seen.latents,
        anomalous=_anomalous(events, split, golden, quantities),
        menu=menu_table(events.columns, firmware, groups, background, metrics.rates.bunch_crossing_rate_khz, level),
    )
    return review, _figures(run, review, metrics, split.input_type)


@dataclass(frozen=True)
class _Seen:
    """What one reading of the events gives."""

    units: Mapping[str, str]
    quantities: Mapping[str, Mapping[str, Values]]  # process -> quantity
    inputs: InputCounts
    latents: Latents | None


def _read(
    run: StageRun, events: ScoredEvents, split: Split, golden: GoldenTrigger, quantities: EventQuantities
) -> _Seen:
    types = golden.network.layers[0].types
    input_types = tuple(types.channel(i) for i in range(len(split.features)))
    inputs, layer = InputCounts(run.config.data, split.features, input_types), _latent_layer(golden)
    found: dict[str, dict[str, list[Values]]] = {}
    latents: dict[str, list[Values]] = {}
    limit = run.config.evaluation.ablation_events
    for process, labels in events.groups.items():
        own = found.setdefault(process, {name: [] for name in quantities.units})
        left = limit
        for codes in split.store.chunks(process, "test", BLOCK_EVENTS, limit=len(labels)):
            inputs.add(process, codes)
            for name, values in quantities.of(codes).items():
                own[name].append(values)
            if layer is not None and left > 0:
                tensor = golden.run(codes[:left])[layer.name]
                latents.setdefault(process, []).append(values_of(tensor.codes, tensor.fraction))
                left -= len(codes)
    joined = {process: {name: np.concatenate(v) for name, v in own.items()} for process, own in found.items()}
    units = dict(quantities.units)
    if all(_PILEUP in events.columns[process] for process in joined):
        units[_PILEUP] = ""
        for process, own_quantities in joined.items():
            own_quantities[_PILEUP] = events.columns[process][_PILEUP]
    described = None if layer is None else latents_of(layer, {p: np.concatenate(v) for p, v in latents.items()})
    return _Seen(units, joined, inputs, described)


def _latent_layer(golden: GoldenTrigger) -> Layer | None:
    """Give the layer that holds the latents; a network without any, such as a student, is described without."""
    try:
        return find_latents(golden.network)
    except InputError:
        return None


def _trainings(run: StageRun) -> dict[str, Losses]:
    """Give the losses of what was trained here."""
    reference, train = run.result(ReferenceResult), run.result(TrainResult)
    found = {}
    if isinstance(reference, TrainedReference) and (teacher := reference.teacher) is not None:
        found["teacher"] = Losses(loss=teacher.loss, val_loss=teacher.val_losses)
    if isinstance(reference, TrainedReference | TakenReference):
        found["float"] = Losses(loss=reference.loss, val_loss=reference.val_losses)
    found["quantized"] = Losses(loss=train.loss, val_loss=train.val_losses)
    return {name: own for name, own in found.items() if own.loss}


def _first(split: Split, process: str, number: int) -> NDArray[np.int64]:
    return split.store.read(process, "test", 0, min(number, split.store.count(process, "test")))


def _anomalous(events: ScoredEvents, split: Split, golden: GoldenTrigger, quantities: EventQuantities) -> Anomalous:
    places = largest(events.scores[FIRMWARE][split.process])
    codes = np.concatenate([split.store.read(split.process, "test", int(p), int(p) + 1) for p in places])
    return describe(places, codes, events.groups[split.process][places], golden, quantities)


def _figures(
    run: StageRun, review: Review, metrics: MetricsResult, inputs: FixedPointType
) -> dict[str, Callable[[], Figure]]:
    label, background = run.config.data.label, run.config.data.background
    ends = inputs.min_code * inputs.lsb, inputs.max_code * inputs.lsb
    figures: dict[str, Callable[[], Figure]] = {
        f"turn_ons_{kind}": partial(turn_on_figure, own, label, background)
        for kind, own in _by_kind(review.turn_ons).items()
    }
    if review.significance:
        figures["significance"] = partial(significance_figure, review.significance, label, metrics.labels)
    if review.training:
        figures["trainings"] = partial(trainings_figure, review.training)
    figures["inputs"] = partial(input_figure, review.inputs, background)
    figures["network_inputs"] = partial(network_input_figure, review.inputs, background, ends)
    figures["types"] = partial(type_figure, review.values)
    if review.latents is not None:
        figures["latents"] = partial(latents_figure, review.latents, label, background)
    if len(review.anomalous.slots) <= MOST_SLOTS:
        figures["anomalous"] = partial(anomalous_figure, review.anomalous)
    return figures


def _by_kind(turn_ons: Mapping[str, TurnOn]) -> dict[str, dict[str, TurnOn]]:
    """Part the quantities into those of each kind of object and those of whole events."""
    kinds: dict[str, dict[str, TurnOn]] = {}
    for name, own in turn_ons.items():
        kind, _, quantity = name.rpartition("_")
        kinds.setdefault(kind if kind and quantity in {"pt", "eta", "phi"} else "event", {})[name] = own
    return kinds
