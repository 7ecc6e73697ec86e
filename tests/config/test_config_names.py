"""Names and numbers of a config that would reach generated sources, or that mean nothing, are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support import small_config

from fpgaae.config.file import load_config
from fpgaae.config.hardware import ArrayWidth, Hardware, ObjectWidths
from fpgaae.errors import ConfigError, InputError
from fpgaae.names import KEYWORDS
from fpgaae.runs.experiment import experiment_name

_WIDTHS = {"slots": 1, "pt_bits": 12, "eta_bits": 0, "phi_bits": 8}


def _objects(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, **_WIDTHS} for name in names]


@pytest.mark.parametrize(
    "name",
    [
        'met; system("touch canary"); //', "", "Met", "1met", "met jet", "met\n", "m\u00e9t", "met__jet", "met_",
        "class", "module", "signal", "proc", "std", "restrict", "features", "score", "a" * 32,
    ],
)  # fmt: skip
def test_a_name_that_no_generated_source_can_hold_is_refused(name: str) -> None:
    for make in (
        lambda: ObjectWidths(name=name, **_WIDTHS),
        lambda: ArrayWidth(name=name, shape=(4,), bits=8),
    ):
        with pytest.raises(ValidationError, match="name"):
            make()


def test_the_names_of_the_shipped_experiments_are_taken() -> None:
    names = {"met", "electron", "muon", "jet", "egamma", "tau", "cell", "level", "pixel", "region", "spin"}
    assert not names & KEYWORDS
    assert {"class", "wire", "entity", "proc"} <= KEYWORDS  # a word of each language


@pytest.mark.parametrize("names", [("met", "met"), ("met", "met_object")], ids=["twice", "type-of-another"])
def test_two_inputs_of_one_name_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match=rf"objects\.1\.name: `{names[1]}` stands for two things"):
        Hardware.model_validate({"objects": _objects(*names)})


def test_objects_have_no_more_integers_than_an_event_may_have() -> None:
    many = [{**entry, "slots": 64} for entry in _objects(*(f"kind{index}" for index in range(22)))]
    with pytest.raises(ValidationError, match="1408 slots have more than the 4096 integers"):
        Hardware.model_validate({"objects": many})


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        pytest.param({"firmware": {"part": "[exec touch canary]"}}, "`firmware.part`", id="part-is-tcl"),
        pytest.param({"firmware": {"part": "xc7; exit"}}, "`firmware.part`", id="part-of-two-words"),
        pytest.param({"firmware": {"project_name": "module"}}, "a word of C++, Verilog, VHDL or Tcl", id="project"),
        pytest.param({"firmware": {"project_name": "jet"}}, "an input of `data.hardware` is called jet", id="clash"),
        pytest.param({"firmware": {"clock_ns": 1e-300}}, "`firmware.clock_ns`", id="clock"),
        pytest.param({"firmware": {"clock_ns": True}}, "true and false are no numbers", id="clock-true"),
        pytest.param({"firmware": {"reuse_factor": 2**40}}, "`firmware.reuse_factor`", id="reuse"),
        pytest.param({"seed": True}, "`seed`: true and false are no numbers", id="seed-true"),
        pytest.param({"model": {"encoder": [True]}}, "true and false are no numbers", id="units-true"),
        pytest.param({"training": {"reference": {"epochs": 10**9}}}, "`training.reference.epochs`", id="epochs"),
        pytest.param({"training": {"reference": {"learning_rate": 1e9}}}, "learning_rate", id="learning-rate"),
        pytest.param({"data": {"hardware": {"pt_lsb_gev": 1e300}}}, "`data.hardware.pt_lsb_gev`", id="lsb"),
        pytest.param({"quantization": {"inputs": {"bits": True}}}, "true and false are no numbers", id="bits-true"),
    ],
)
def test_what_means_nothing_is_named_with_its_key(tmp_path: Path, overrides: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(small_config(tmp_path, n_events=10, **overrides))
    assert words in str(caught.value)
    assert ", line " in str(caught.value)


def test_a_long_value_is_cut_in_the_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(small_config(tmp_path, n_events=10, firmware={"part": "x" * 10_000}))
    assert len(str(caught.value)) < 600 + len(str(tmp_path))


@pytest.mark.parametrize("name", ["a\nb.yaml", ".hidden.yaml"])
def test_what_can_be_no_experiment_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="can't be an experiment's name"):
        experiment_name(Path(name))
    assert experiment_name(Path("[red] \u00e9.yaml")) == "[red] \u00e9"
