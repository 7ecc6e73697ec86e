"""The front end of the RTL from the raw words on: the traced logic and the Verilated design against golden codes."""

from __future__ import annotations

from pathlib import Path

import networks
import numpy as np
import pytest
import word_objects
from designs import write_design

from fpgaae.config.data import Hardware
from fpgaae.config.model import Score
from fpgaae.golden.cell_events import cell_events
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.word_stimulus import word_events
from fpgaae.rtl.templates import firmware_rtl
from fpgaae.rtl.trace import trace_layers, trace_trigger
from fpgaae.rtl.verilator import RtlSimulation, compile_rtl, compile_runtime

FEATURES = word_objects.word_features()


@pytest.fixture(scope="module")
def trigger() -> GoldenTrigger:
    return GoldenTrigger(FEATURES, networks.random_network(Score.SQUARED_ERROR, FEATURES))


def test_every_word_gives_the_golden_input_code(trigger: GoldenTrigger) -> None:
    words = word_objects.one_word_at_a_time(FEATURES)
    logic = trace_layers(trigger, [trigger.network.layers[0].name])
    found = logic.predict(words.astype(np.float64), n_threads=1).astype(np.int64)
    np.testing.assert_array_equal(found, trigger.input_codes(words))


def test_thresholds_that_follow_sums_of_words_equal_the_golden_decisions() -> None:
    trigger = networks.followed(FEATURES, word_objects.SUMS)
    words = np.concatenate([word_events(FEATURES, 2000, np.random.default_rng(3)), cell_events(trigger)])
    golden = trigger.score_and_decisions(words)
    found = trace_trigger(trigger).logic.predict(words.astype(np.float64), n_threads=1)
    np.testing.assert_array_equal(found, golden)
    assert len(np.unique(trigger.cells(words))) > 6
    assert 0 < golden[:, 1:].mean() < 1


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_the_design_takes_the_words_as_they_arrive(tmp_path: Path) -> None:
    networks.need("verilator")
    objects = Hardware.model_validate({"objects": [word_objects.OBJECTS[0], word_objects.OBJECTS[2]]})
    features = word_objects.word_features(objects)
    network = networks.random_network(Score.SQUARED_ERROR, features)
    (tmp_path / "project").mkdir()
    written = write_design(network, features, tmp_path / "project")
    assert [str(of) for of in written.design.inputs[3:]] == ["ap_ufixed<11,11>", "ap_ufixed<7,7>", "ap_fixed<6,6>"]
    driver = firmware_rtl("rtl_driver.cpp")
    runtime = compile_runtime(tmp_path / "runtime")
    library = compile_rtl(written.project, driver, tmp_path / "build", tmp_path / "simulation.so", runtime)
    words = word_events(features, 3000, np.random.default_rng(2))
    with RtlSimulation(library, written.project) as simulation:
        found = simulation.stream(words).codes
    np.testing.assert_array_equal(found, GoldenTrigger(features, network).score_and_decisions(words))
