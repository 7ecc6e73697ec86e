"""An experiment with several seeds: what is run again, what is measured, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from examples import examples_of, run_examples
from rich.console import Console
from scans import FakeTrainings, fake_trainings
from support import small_config

from fpgaae.cli.tables import repeat_table
from fpgaae.config.file import load_config
from fpgaae.errors import CheckFailed, InputError
from fpgaae.runs.record import read_record
from fpgaae.runs.results.repeat import RepeatResult
from fpgaae.scan.repeat import RepeatOptions, run_repeat


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> FakeTrainings:
    return fake_trainings(monkeypatch)


def _repeat(folder: Path, n_seeds: int = 3, **options: Any) -> RepeatResult:  # noqa: ANN401
    return run_repeat(folder / "small.yaml", folder / "runs", RepeatOptions(n_seeds, **options))


def test_seeds_have_a_mean_and_a_spread(tmp_path: Path, trainings: FakeTrainings) -> None:
    """The made-up area is 0.9 - 0.4 / 8 + 0.001 of a seed, with replicas that spread by 0.01, alike for all seeds."""
    small_config(tmp_path)
    result = _repeat(tmp_path)
    assert result.seeds == (42, 43, 44)
    assert trainings.run == ["seed_42", "seed_43", "seed_44"]
    area = result.signals["signal"].auc
    np.testing.assert_allclose(area.by_seed, [0.892, 0.893, 0.894])
    assert (area.mean, area.spread) == (pytest.approx(0.893), pytest.approx(0.001))
    assert area.standard_error == pytest.approx(np.hypot(0.01, 0.001 / np.sqrt(3)), rel=0.3)
    assert result.signals["signal"].tpr["1e-03"].mean == pytest.approx(0.0893)
    assert result.signals["other"].auc.mean == pytest.approx(0.793)
    assert (result.costs["lut"].mean, result.costs["lut"].spread) == (8000, 0)
    assert result.costs["lut"].standard_error is None
    file = tmp_path / "runs" / "repeat" / "small" / "repeat.json"
    assert read_record(RepeatResult, file, "") == result


def test_one_seed_has_no_spread(tmp_path: Path, trainings: FakeTrainings) -> None:
    del trainings
    small_config(tmp_path)
    area = _repeat(tmp_path, 1).signals["signal"].auc
    assert area.spread is None
    assert area.standard_error == pytest.approx(0.01, rel=0.3)


def test_seeds_share_the_split_of_the_base(tmp_path: Path, trainings: FakeTrainings) -> None:
    del trainings
    small_config(tmp_path)
    _repeat(tmp_path, 2)
    configs = [load_config(tmp_path / "runs" / "repeat" / "small" / f"seed_{seed}.yaml") for seed in (42, 43)]
    assert [config.seed for config in configs] == [42, 43]
    assert [config.split_seed for config in configs] == [42, 42]


def test_what_is_finished_is_not_run_again(tmp_path: Path, trainings: FakeTrainings) -> None:
    small_config(tmp_path)
    trainings.failing = {"seed_43"}
    with pytest.raises(CheckFailed, match="the loss is not finite"):
        _repeat(tmp_path)
    assert trainings.run == ["seed_42"]
    trainings.failing = set()
    resumed = _repeat(tmp_path)
    assert trainings.run == ["seed_42", "seed_43", "seed_44"]
    assert _repeat(tmp_path) == resumed
    run_examples(examples_of("repeat"), tmp_path)
    assert _repeat(tmp_path, 2).signals["signal"].auc.by_seed == resumed.signals["signal"].auc.by_seed[:2]
    assert len(trainings.run) == 3


def test_another_share_of_the_events_is_measured_anew(tmp_path: Path, trainings: FakeTrainings) -> None:
    small_config(tmp_path)
    assert _repeat(tmp_path, 1).judged_on == "test"
    assert _repeat(tmp_path, 1, judged_on="validation").judged_on == "validation"
    assert trainings.run == ["seed_42", "seed_42"]


def test_the_table_names_every_figure(tmp_path: Path, trainings: FakeTrainings) -> None:
    del trainings
    small_config(tmp_path)
    result = _repeat(tmp_path, 2)
    console = Console(width=120, file=io.StringIO())
    with console.capture() as shown:
        console.print(repeat_table(result, 1e-3))
    text = shown.get()
    areas = next(line for line in text.splitlines() if line.startswith("signal, AUC, %"))
    assert areas.split()[3:5] == ["89.25", "0.07"]
    assert areas.split()[6:] == ["89.20", "89.30"]
    assert "LUT, estimated" in text
    assert "scored: the test split" in text


@pytest.mark.parametrize(
    ("config", "options", "sentence"),
    [
        ({"method": {"kind": "dense"}}, {}, r"the method dense, which has no firmware to repeat.*ensemble"),
        ({"firmware": {"reloadable_weights": True}}, {}, "set firmware.reloadable_weights to false"),
        ({}, {"stage": "trains"}, "there is no stage trains; there are data"),
        ({}, {"judged_on": "train"}, "there is no split train to judge by; there are validation and test"),
        ({}, {"false_positive_rate": 0.3}, "no efficiency is measured at --rate 0.3; there are 1e-01"),
    ],
    ids=["method", "reloadable", "stage", "split", "rate"],
)
def test_what_can_not_be_repeated_is_one_sentence(
    config: dict[str, Any], options: dict[str, Any], sentence: str, tmp_path: Path, trainings: FakeTrainings
) -> None:
    small_config(tmp_path, **config)
    with pytest.raises(InputError, match=sentence):
        _repeat(tmp_path, **options)
    assert not trainings.run


def test_an_experiment_without_a_signal_is_refused_before_any_seed_is_trained(
    tmp_path: Path, trainings: FakeTrainings
) -> None:
    file = small_config(tmp_path)
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    del content["data"]["files"]["signal"]
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"names no signal in `data\.files`; add one to measure the seeds by"):
        _repeat(tmp_path)
    assert not trainings.run
