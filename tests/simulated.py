"""A written project through the compiled firmware and through its golden network: every code of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from conftest import WrittenNetwork, random_events, random_hardware

from fpgaae.fixedpoint import Codes, Tensor
from fpgaae.hls.csim_library import CsimLibrary, compile_project
from fpgaae.hls.layer_stimulus import layer_codes
from fpgaae.models.integer import ACCEPT_LAYER, IntegerNetwork


def compiled(written: WrittenNetwork, build: Path) -> CsimLibrary:
    """Compile a project; its taps are the golden layers with the golden types."""
    build.mkdir(exist_ok=True)
    library = CsimLibrary(compile_project(written.project, written.block.top.project_name, build))
    network = written.network
    assert [written.golden_names[tap.layer] for tap in library.taps] == [layer.name for layer in network.layers]
    for tap in library.taps:
        kind = network[written.golden_names[tap.layer]].type
        assert tap.type[:3] == kind[:3], f"{tap.layer} was compiled with another type"
    return library


def assert_equal(written: WrittenNetwork, found: Mapping[str, Codes], golden: Mapping[str, Tensor]) -> None:
    """Compare every code of every layer."""
    for tapped, name in written.golden_names.items():
        wrong = found[tapped] != golden[name].codes
        assert not wrong.any(), f"{tapped}: {wrong.sum()} codes differ, first in {np.argwhere(wrong)[0]}"


def run_values(written: WrittenNetwork, library: CsimLibrary, n_events: int) -> dict[str, Tensor]:
    """Compare on values of the network's inputs, and give the golden codes."""
    network = written.network
    events = random_events(network.input_type, network.layers[0].size, n_events)
    golden = network.run(events.input_codes)
    assert_equal(written, library.run_values(events.values), golden)
    return golden


def run_objects(written: WrittenNetwork, library: CsimLibrary, n_events: int) -> dict[str, Tensor]:
    """Compare on hardware integers through the whole trigger block, and give the golden codes."""
    network = written.network
    hardware = random_hardware(written.features, n_events)
    golden = network.run(written.features.input_codes(hardware, network.input_type))
    assert_equal(written, library.run_objects(hardware), golden)
    return golden


def run_injected(written: WrittenNetwork, library: CsimLibrary, injected: Mapping[str, Codes]) -> dict[str, Tensor]:
    """Compare with each layer's output replaced, and give the golden codes."""
    network = written.network
    names = [written.golden_names[tap.layer] for tap in library.taps[:-1]]
    inputs = np.zeros((len(injected[names[0]]), network.layers[0].size), dtype=np.int64)
    golden = network.run(inputs, injected)
    replaced = np.concatenate([injected[name] for name in names], axis=1)
    assert_equal(written, library.run_values(inputs.astype(np.float64), replaced), golden)
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
