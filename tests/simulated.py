"""A written project through the compiled firmware and through its golden network: every code of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from conftest import WrittenNetwork, random_events, random_hardware

from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import ACCEPT_LAYER, IntegerNetwork
from fpgaae.hls.csim_library import CsimLibrary, compile_project
from fpgaae.hls.layer_stimulus import layer_codes


def compiled(written: WrittenNetwork, build: Path) -> CsimLibrary:
    """Compile a project; its taps are the golden layers with the golden types."""
    build.mkdir(exist_ok=True)
    library = CsimLibrary(compile_project(written.project, written.block.top.project_name, build))
    network = written.network
    found, expected = (
        [written.golden_names[tap.layer] for tap in library.taps],
        [layer.name for layer in network.layers],
    )
    assert sorted(found) == sorted(expected), "two heads may stand in another order"
    assert (found[0], found[-2:]) == (expected[0], expected[-2:])
    for tap in library.taps:
        layer = network[written.golden_names[tap.layer]]
        assert (tap.type.signed, tap.type.integer) == (layer.type.signed, layer.type.integer), tap.layer
        coarser = layer.type.fraction - tap.type.fraction
        assert coarser == 0 or (coarser > 0 and isinstance(layer, Dense)), f"{tap.layer} has another type"
    return library


def assert_equal(
    written: WrittenNetwork, library: CsimLibrary, found: Mapping[str, Codes], golden: Mapping[str, Tensor]
) -> None:
    """Compare every code of every layer; hls4ml leaves out the lowest bits of a dense layer that are always 0."""
    for tap in library.taps:
        name = written.golden_names[tap.layer]
        wrong = found[tap.layer] << (golden[name].fraction - tap.type.fraction) != golden[name].codes
        assert not wrong.any(), f"{tap.layer}: {wrong.sum()} codes differ, first in {np.argwhere(wrong)[0]}"


def run_values(written: WrittenNetwork, library: CsimLibrary, n_events: int) -> dict[str, Tensor]:
    """Compare on values of the network's inputs, and give the golden codes."""
    network = written.network
    events = random_events(network.input_type, network.layers[0].size, n_events)
    golden = network.run(events.input_codes)
    assert_equal(written, library, library.run_values(events.values), golden)
    return golden


def run_objects(written: WrittenNetwork, library: CsimLibrary, n_events: int) -> dict[str, Tensor]:
    """Compare on hardware integers through the whole trigger block, and give the golden codes."""
    hardware = random_hardware(written.features, n_events)
    golden = written.trigger.run(hardware)
    assert_equal(written, library, library.run_objects(hardware), golden)
    return golden


def run_injected(written: WrittenNetwork, library: CsimLibrary, injected: Mapping[str, Codes]) -> dict[str, Tensor]:
    """Compare with each layer's output replaced, and give the golden codes."""
    network = written.network
    inputs = np.zeros((len(injected[network.layers[0].name]), network.layers[0].size), dtype=np.int64)
    golden = network.run(inputs, injected)
    parts = []
    for tap in library.taps[:-1]:
        name = written.golden_names[tap.layer]
        coarser = network[name].type.fraction - tap.type.fraction
        assert not (injected[name] & ((1 << coarser) - 1)).any(), f"{name} can't hold the codes"
        parts.append(injected[name] >> coarser)
    replaced = np.concatenate(parts, axis=1)
    assert_equal(written, library, library.run_values(inputs.astype(np.float64), replaced), golden)
    return golden


def compare(written: WrittenNetwork, build: Path, n_events: int = 400) -> dict[str, Tensor]:
    """Compile a project, compare every code of every layer on all kinds of events, and give the golden codes."""
    library = compiled(written, build)
    golden = run_values(written, library, n_events)
    assert_varied(written.network, {name: tensor.codes for name, tensor in golden.items()})
    accepted = run_objects(written, library, n_events)[ACCEPT_LAYER].codes
    assert (accepted.min(axis=0) == 0).all()
    assert (accepted.max(axis=0) == 1).all(), "every threshold parts the events"
    return run_injected(written, library, layer_codes(written.network, seed=1))


def assert_varied(network: IntegerNetwork, codes: Mapping[str, Codes]) -> None:
    """Equality proves little where nothing varies: every layer but the decisions does."""
    for layer in network.layers:
        if layer.name != ACCEPT_LAYER:
            assert len(np.unique(codes[layer.name])) > 3, f"{layer.name} hardly varies"
