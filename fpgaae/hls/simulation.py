"""One part of the stimulus through a compiled project and through the golden network, compared code by code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.config.experiment import Config
from fpgaae.data.features import FeatureMap
from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork
from fpgaae.golden.reloadable import with_random_weights
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.comparison import Comparison, compare_codes
from fpgaae.hls.csim_library import CsimLibrary, Tap, probe
from fpgaae.hls.project import WeightPort, port_codes
from fpgaae.hls.stimulus import MADE_UP, Source, Stimuli
from fpgaae.runs.results.convert import ConvertedLayer, ConvertResult
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import StageRun


@dataclass(frozen=True)
class Simulation:
    """All that a process needs to simulate and compare; picklable."""

    library: Path
    golden: Path
    data_folder: Path
    config: Config
    features: FeatureMap
    golden_names: dict[str, str]  # recorded layer -> golden layer
    weight_ports: tuple[WeightPort, ...] = ()
    reload_seed: int | None = None  # of the weights that are loaded over the trained ones

    @classmethod
    def of_run(cls, run: StageRun, library: Path) -> Simulation:
        """Take everything but the library from an experiment's results."""
        convert = run.result(ConvertResult)
        return cls(
            library=library,
            golden=run.upstream("convert") / GOLDEN_FILE,
            data_folder=run.upstream("data"),
            config=run.config,
            features=FeatureMap.of(run.result(DataResult)),
            golden_names={layer.name: layer.golden for layer in convert.layers},
            weight_ports=tuple(WeightPort.of(port) for port in convert.weight_ports),
        )

    def network(self) -> IntegerNetwork:
        """Give the golden network: with the trained weights, or with those that are loaded over them."""
        trained = IntegerNetwork.load(self.golden)
        return trained if self.reload_seed is None else with_random_weights(trained, self.reload_seed)

    def port_codes(self) -> Codes:
        """Give the trained codes of all weights that are ports."""
        return port_codes(self.weight_ports, IntegerNetwork.load(self.golden))

    def trigger(self) -> GoldenTrigger:
        """Give the golden network between its features and thresholds."""
        return GoldenTrigger(self.features, self.network())

    def stimuli(self) -> Stimuli:
        """Give what makes the stimulus."""
        edges = EdgeEvents.load(self.golden.with_name(EDGES_FILE))
        return Stimuli(self.config, self.data_folder, self.trigger(), edges.hardware)


class Part(NamedTuple):
    """What is known of one part of the stimulus."""

    comparison: Comparison
    score_codes: Codes | None  # of real events


class Simulator:
    """A compiled project and its golden network in this process."""

    def __init__(self, simulation: Simulation) -> None:
        self._names = simulation.golden_names
        self._library = CsimLibrary(simulation.library)
        self._trigger = simulation.trigger()
        self._network = self._trigger.network
        self._stimuli = simulation.stimuli()
        self._load_weights(simulation)

    def _load_weights(self, simulation: Simulation) -> None:
        """Load what was trained; weights that are to replace it are loaded after an event was run with it."""
        ports = simulation.weight_ports
        self._library.load_weights(simulation.port_codes())
        if self._trigger.accept.reloadable:
            self._library.load_thresholds(self._trigger.thresholds)
        if simulation.reload_seed is not None:
            self._library.run_values(np.zeros((1, self._network.layers[0].size)))
            self._library.load_weights(port_codes(ports, self._network))

    def compare(self, source: Source) -> Part:
        """Simulate and compare one part."""
        stimulus = self._stimuli.make(source)
        taps = self._library.taps
        injected = None
        if stimulus.injected is not None:
            injected = np.concatenate([self._as_recorded(tap, stimulus.injected) for tap in taps[:-1]], axis=1)
        found = [self._library.run_objects(stimulus.hardware)] if len(stimulus.hardware) else []
        if len(stimulus.values):
            found.append(self._library.run_values(stimulus.values, injected))
        codes = {tap.layer: np.concatenate([part[tap.layer] for part in found]) for tap in taps}
        cells = self._trigger.cells(stimulus.hardware)
        if (
            cells is not None
        ):  # where only the network's inputs are given, none is known, and the driver takes the first
            cells = np.concatenate([cells, np.zeros(len(stimulus.values), dtype=np.int64)])
        golden = self._network.run(stimulus.input_codes, stimulus.injected, cells)
        comparison = compare_codes(
            {tap.layer: (codes[tap.layer], tap.type) for tap in taps},
            {layer: golden[name] for layer, name in self._names.items()},
            source.origin,
            source.start,
        )
        score = codes[taps[-2].layer][:, 0]
        return Part(comparison, None if source.origin in MADE_UP else score)

    def _as_recorded(self, tap: Tap, injected: Mapping[str, Codes]) -> Codes:
        """Write golden codes of a layer as codes of the compiled type, which may be finer."""
        name = self._names[tap.layer]
        return _shifted(injected[name], tap.type.fraction - self._network[name].type.fraction)


def _shifted(codes: Codes, bits: int) -> Codes:
    return codes << bits if bits >= 0 else codes >> -bits


def check_layout(library: Path, layers: Sequence[ConvertedLayer]) -> tuple[Tap, ...]:
    """Load a library once and make sure that it records the layers that were converted.

    Raises
    ------
    CheckFailed
        If a layer is missing, added, moved or of another size, or the project crashes.
    """
    probe(library)
    try:
        taps = CsimLibrary(library).taps
    except (OSError, ValueError, AttributeError) as error:
        raise CheckFailed(f"the compiled project can't be loaded: {error}") from None
    found = [(tap.layer, tap.size) for tap in taps]
    expected = [(layer.name, layer.values) for layer in layers]
    for have, want in zip(found, expected, strict=False):
        if have != want:
            raise CheckFailed(
                f"the project records layer {have[0]} of {have[1]} values where {want[0]} of {want[1]} was converted"
            )
    if len(found) != len(expected):
        raise CheckFailed(f"the project records {len(found)} layers, but {len(expected)} were converted")
    return taps
