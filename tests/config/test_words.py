"""What a config may say of words, files and conditions: what can't be is named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from support import CONFIGS

from fpgaae.config.data import Data, Hardware
from fpgaae.config.experiment import Config
from fpgaae.config.file import load_config
from fpgaae.config.selection import Condition, parse_condition
from fpgaae.data.layout import hardware_features, is_pt_of_object
from fpgaae.errors import ConfigError

PRESETS = ("adc2021", "cms_l1", "cmsl1t_parquet", "nanoaod")


def _load(folder: Path, content: dict[str, Any], *bases: str) -> Config:
    file = folder / "e.yaml"
    content = {"extends": [str(CONFIGS / "l1_ae.yaml"), *bases]} | content
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_config(file)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_completes_an_experiment(tmp_path: Path, preset: str) -> None:
    config = _load(tmp_path, {"data": {"files": {"background": "b.parquet"}}}, f"preset:{preset}")
    assert Config.model_validate(config.model_dump()) == config
    assert Config.model_validate(config.model_dump(mode="json")) == config


def test_the_public_set_has_the_slots_and_rates_of_its_protocol() -> None:
    config = load_config(CONFIGS / "cms_l1.yaml")
    assert {kind.name: kind.slots for kind in config.data.hardware.objects} == {
        "met": 1, "muon": 4, "jet": 10, "egamma": 12, "tau": 12,
    }  # fmt: skip
    muon = config.data.hardware.objects[1]
    assert (config.data.hardware.steps_of(muon), muon.pt_bits, muon.eta_bits, muon.phi_bits) == (576, 9, 9, 10)
    assert config.trigger.false_positive_rates[0] == pytest.approx(0.25 / 28_608.8064)
    assert config.trigger.false_positive_rates[0] == pytest.approx(8.7e-6, rel=0.01)
    assert config.data.label("ato4l") == "A -> 4 l"
    assert config.data.label("background") == "background"


def test_the_words_of_the_global_trigger_are_sums_and_objects(tmp_path: Path) -> None:
    config = _load(tmp_path, {"data": {"files": {"background": "b.parquet"}}}, "preset:cms_l1")
    kinds = config.data.hardware.objects
    assert [(kind.name, kind.pt_bits, kind.eta_bits, kind.phi_bits) for kind in kinds] == [
        ("met", 12, 0, 8), ("et", 12, 0, 0), ("ht", 12, 0, 0), ("mht", 12, 0, 8), ("muon", 9, 9, 10), ("jet", 11, 8, 8),
        ("egamma", 9, 8, 8), ("tau", 9, 8, 8),
    ]  # fmt: skip
    objects = [feature.name for feature in hardware_features(config.data.hardware) if is_pt_of_object(feature)]
    assert {name.split("_")[0] for name in objects} == {"muon", "jet", "egamma", "tau"}


def test_todays_declaration_is_none_of_words() -> None:
    hardware = load_config(CONFIGS / "l1_ae.yaml").data.hardware
    assert hardware.kinds_with_words == ()
    again = Hardware.model_validate(hardware.model_dump())
    assert again == hardware


MUON = {"name": "muon", "slots": 2, "pt": {"bits": 9}, "eta": {"bits": 9}, "phi": {"bits": 10, "steps": 576}}


@pytest.mark.parametrize(
    ("muon", "words"),
    [
        ({"phi": {"bits": 9, "steps": 576}}, "`data.hardware`: 9 phi_bits of muon can't hold 576 phi_steps"),
        ({"pt": {"bits": 9, "none": 512}}, "none 512 is no word of 9 bits (0 to 511)"),
        ({"pt": {"bits": 9, "overflow": 512}}, "overflow 512 is no word of 9 bits (0 to 511)"),
        ({"pt": {"bits": 9, "code_offset": -1}}, "code_offset -1 is no word of 9 bits"),
        ({"pt_bits": 8}, "pt_bits: the word `pt` says the bits; leave this out"),
        ({"phi": {"bits": 10, "step": 576}}, "unknown key `data.hardware.objects.0.phi.step`; did you mean `steps`?"),
        ({"pt": {"bits": 17}}, "`data.hardware.objects.0.pt.bits`: input should be less than or equal to 16"),
        ({"saturated": "yes"}, "`data.hardware.objects.0.saturated`: input should be 'keep', 'zero' or 'drop'"),
    ],
    ids=["steps", "none", "overflow", "offset", "twice", "unknown", "wide", "saturated"],
)
def test_words_that_can_not_be_are_refused(tmp_path: Path, muon: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, {"data": {"hardware": {"objects": [MUON | muon]}}})
    assert words in str(caught.value)
    assert "e.yaml, line" in str(caught.value)


def test_the_pt_of_all_objects_has_one_lsb(tmp_path: Path) -> None:
    jet = {"name": "jet", "slots": 1, "pt": {"bits": 11, "lsb_gev": 1.0}}
    with pytest.raises(ConfigError, match="the pT of all objects must have one LSB, since they are added up"):
        _load(tmp_path, {"data": {"hardware": {"objects": [MUON, jet]}}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("order >= 0", Condition("order", ">=", 0)),
        ("nPV<60.5", Condition("nPV", "<", 60.5)),
        ("a.b == 'x y'", Condition("a.b", "==", "x y")),
        ('full/era != "B"', Condition("full/era", "!=", "B")),
        ("L1bit == False", Condition("L1bit", "==", 0)),
        ("x > -1e3", Condition("x", ">", -1000.0)),
    ],
)
def test_a_condition_is_column_operator_value(text: str, expected: Condition) -> None:
    assert parse_condition(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "x >", "> 3", "x = 3", "x > y", "x > 1 and y < 2", "x > nan", "x > 1e999", "x >> 3", "f(x) > 'a",
             "x == __import__('os')"],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no condition|is no value"):
        parse_condition(text)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"files": "a.h5", "train": "b.h5"}, "give either `files`, or those of splits"),
        ({"label": "x"}, "give either `files`, or those of splits"),
        ({"trian": "a.h5"}, "unknown key `data.files.background.trian`; did you mean `train`?"),
        (5, "`data.files.background`"),
        ([], "`data.files.background`"),
    ],
    ids=["both", "none", "unknown", "number", "empty"],
)
def test_files_that_can_not_be_are_refused(tmp_path: Path, files: Any, words: str) -> None:  # noqa: ANN401
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, {"data": {"files": {"background": files}}})
    assert words in str(caught.value)


def test_a_wrong_condition_or_split_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`data\.where\.1`: `b ~ 2` is no condition"):
        _load(tmp_path, {"data": {"where": ["a > 1", "b ~ 2"]}})
    with pytest.raises(ConfigError, match=r"there is no split tests; there are train, validation and test"):
        _load(tmp_path, {"data": {"split": {"column": "s", "names": {"tests": ["t"]}}}})


def test_groups_are_columns() -> None:
    data = load_config(CONFIGS / "l1_ae.yaml").data
    for group, columns in ((None, ()), ("run", ("run",)), (["run", "lumi"], ("run", "lumi"))):
        assert Data.model_validate(data.model_dump() | {"group": group}).group_columns == columns


def test_labels_are_those_of_figures_and_each_its_own(tmp_path: Path) -> None:
    files = {"background": "a.h5", "s$x$": "b.h5", "h": {"files": "c.h5", "label": r"$h \to aa$"}}
    data = _load(tmp_path, {"data": {"files": files}}).data
    assert [data.label(process) for process in files] == ["background", r"s\$x\$", r"$h \to aa$"]
    files["i"] = {"files": "d.h5", "label": "background"}
    with pytest.raises(ConfigError, match=r"`data\.files`: two processes have one label"):
        _load(tmp_path, {"data": {"files": files}})


def test_an_overflow_is_not_the_word_of_no_object(tmp_path: Path) -> None:
    objects = [{"name": "jet", "slots": 1, "pt": {"bits": 9, "none": 7, "overflow": 7}}]
    with pytest.raises(ConfigError, match="none: 7 is `overflow`, too; an overflow and no object need two words"):
        _load(tmp_path, {"data": {"files": {"background": "b.h5"}, "hardware": {"objects": objects}}})
