"""`fpgaae lint` as a user runs it, and as the first thing that `convert` does."""

from __future__ import annotations

import json
import logging
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Workspace, variational
from lint_models import encoder, quantizer
from support import CONFIGS, small_config

from fpgaae.errors import CheckFailed, InputError
from fpgaae.hls.lint.run import lint_target
from fpgaae.hls.project import EXPECTED_FILE, VECTORS_FOLDER
from fpgaae.pipeline import run as run_stage
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import RunOptions

Cli = Callable[..., subprocess.CompletedProcess[str]]
_NO_RUNS = Path("no-such-folder")


def _saved(folder: Path, **replaced: Any) -> Path:  # noqa: ANN401
    file = folder / "model.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras 2 advises against HDF5
        encoder(**replaced).save(file, save_format="h5")
    return file


@pytest.mark.slow
def test_a_config_is_linted_without_its_events(run_process: Cli, tmp_path: Path) -> None:
    done = run_process("lint", CONFIGS / "l1_vae.yaml", "--runs", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{CONFIGS / 'l1_vae.yaml'}: clean\n"


def test_errors_exit_with_1_and_name_layer_and_cure(run_cli: Cli, tmp_path: Path) -> None:
    file = small_config(
        tmp_path, n_events=4, quantization={"layers": {"latent": {"activations": {"bits": 4, "integer_bits": 4}}}}
    )
    done = run_cli("lint", file, "--runs", tmp_path / "runs")
    assert (done.returncode, done.stderr) == (1, "")
    for word in ("error", "no-fraction-bits", "latent_quantized", "integer bits"):
        assert word in done.stdout
    rows = json.loads(run_cli("lint", file, "--runs", tmp_path / "runs", "--json").stdout)
    (row,) = [row for row in rows if row["severity"] == "error"]
    assert row["subject"] == str(file)
    assert row["rule"] == "no-fraction-bits"
    assert row["layer"] == "latent_quantized"
    assert set(row) == {"subject", "rule", "severity", "layer", "found", "cause", "cure"}


@pytest.mark.usefixtures("tensorflow")
def test_a_model_is_judged_by_the_firmware_section_of_a_config(run_cli: Cli, tmp_path: Path) -> None:
    file = _saved(tmp_path)
    assert run_cli("lint", file, "--json").stdout == "[]\n"
    config = yaml.safe_load((CONFIGS / "l1_vae.yaml").read_text()) | {"extends": str(CONFIGS / "l1_vae.yaml")}
    config["firmware"] = {"strategy": "resource", "reuse_factor": 4}
    widths = {"slots": 1, "pt_bits": 9, "eta_bits": 8, "phi_bits": 8}
    for n_slots, code, rules in ((2, 0, set()), (3, 1, {"not-importable"})):  # a warning is no error; 9 inputs are
        config["data"] = {"hardware": {"objects": [{"name": f"kind{slot}", **widths} for slot in range(n_slots)]}}
        (tmp_path / "other.yaml").write_text(yaml.safe_dump(config))
        done = run_cli("lint", file, "--config", tmp_path / "other.yaml", "--json")
        assert done.returncode == code, done.stdout + done.stderr
        assert {row["rule"] for row in json.loads(done.stdout)} == {"reuse-factor-replaced"} | rules


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.h5", None, "is not there"),
        ("config.yaml", None, "no such file"),
        ("model.h5", "garbage", "holds no readable model"),
        ("model.pkl", "garbage", "neither a YAML config nor a model"),
        ("folder", "", "no HLS project"),
        ("config.yaml", "seed: {", "config.yaml"),
    ],
)
def test_what_can_not_be_linted_exits_with_2_and_one_sentence(
    run_cli: Cli, tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    target = tmp_path / name
    if name == "folder":
        target.mkdir()
    elif content is not None:
        target.write_text(content)
    done = run_cli("lint", target)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said.lower() in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_config_needs_no_second_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave --config out"):
        lint_target(CONFIGS / "l1_ae.yaml", tmp_path, CONFIGS / "l1_vae.yaml")


def test_findings_of_both_ends_of_auto_stand_once() -> None:
    (report,) = lint_target(CONFIGS / "l1_ae.yaml", _NO_RUNS)
    assert [finding.rule for finding in report.findings] == ["score-beyond-float32"]
    assert not report.has_errors


@pytest.fixture(scope="module")
def small(converted: Callable[..., Workspace]) -> Workspace:
    """A converted experiment of two dense layers; tests work on copies."""
    return converted(variational((6,), 3))


@pytest.mark.slow
def test_what_a_run_folder_holds_is_linted_too(small: Workspace, tmp_path: Path) -> None:
    workspace = small.copy(tmp_path / "copy")
    runs = workspace.folder / "runs"
    planned, trained, project = lint_target(workspace.experiment.config_file, runs)
    assert trained.subject.endswith("train/model.h5")
    assert {f.rule for f in planned.findings} == {"threshold-few-events"}, "of 825 events"
    assert (trained.findings, project.findings) == ((), ())
    (workspace.project / VECTORS_FOLDER / EXPECTED_FILE).unlink()
    reports = lint_target(workspace.experiment.config_file, runs)
    assert [finding.rule for finding in reports[2].findings] == ["golden-vectors-missing"]
    assert lint_target(workspace.project, runs)[0].findings == reports[2].findings
    assert any(report.has_errors for report in reports)


def test_a_large_share_of_objects_at_the_largest_pt_is_a_finding(tmp_path: Path) -> None:
    def found(file: Path) -> dict[str, str]:
        (report,) = lint_target(file, tmp_path / "runs")
        return {f.layer: f.found for f in report.findings if f.rule == "events-at-largest-code"}

    for lsb, kinds in ((0.5, set()), (0.1, {"electron", "muon"})):
        file = small_config(tmp_path, f"lsb{lsb}", data={"hardware": {"pt_lsb_gev": lsb}})
        assert found(file) == {}, "before there are events"
        result = run_stage(open_experiment(file, tmp_path / "runs"), "data", RunOptions()).result
        assert isinstance(result, DataResult)
        assert result.seen is not None
        seen = result.seen["background"]
        shares = {kind: seen.largest_pt[kind] / seen.objects[kind] for kind in kinds}
        assert found(file) == {kind: f"{share:.1%} of background" for kind, share in shares.items()}
        said = [text for text in result.warnings if text.startswith("background: ")]
        assert [any(f" {kind} objects " in text for text in said) for kind in kinds] == [True] * len(said)


def test_a_threshold_that_few_events_support_is_a_finding(tmp_path: Path) -> None:
    thresholds = [{"false_positive_rate": 0.1}, {"false_positive_rate": 1e-3}]
    file = small_config(tmp_path, "few", trigger={"thresholds": thresholds})
    run_stage(open_experiment(file, tmp_path / "runs"), "data", RunOptions())
    (report,) = lint_target(file, tmp_path / "runs")
    (found,) = [f for f in report.findings if f.rule == "threshold-few-events"]
    assert found.found.startswith("threshold 1: 1.")
    assert found.found.endswith("events of train")


@pytest.mark.slow
def test_convert_keeps_its_findings(small: Workspace) -> None:
    assert small.result("convert")["lint"] == []


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_convert_logs_what_is_no_error(small: Workspace, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = small.copy(tmp_path / "copy").experiment.config_file
    content = yaml.safe_load(file.read_text())
    content["firmware"] |= {"strategy": "resource", "reuse_factor": 5}
    file.write_text(yaml.safe_dump(content))
    from conftest import open_workspace  # noqa: PLC0415

    workspace = open_workspace(file.parent)
    with caplog.at_level(logging.WARNING):
        result = workspace.run("convert").result
    named = {(row.rule, row.layer) for row in result.lint}
    assert named == {("reuse-factor-replaced", layer) for layer in ("encoder_1", "mu")}
    logged = [record.getMessage() for record in caplog.records if "reuse-factor-replaced" in record.getMessage()]
    assert len(logged) == 2
    used = {entry.name: entry.reuse_factor for entry in result.layers if entry.kind == "dense"}
    for row in result.lint:
        assert row.found.endswith(f": {used[row.layer]} is used")


@pytest.mark.usefixtures("tensorflow")
def test_convert_stops_at_an_error_before_it_loads_the_model(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fpgaae.hls import convert_stage  # noqa: PLC0415

    workspace = small.copy(tmp_path / "copy")
    bad = _saved(tmp_path, mu_quantized=quantizer("mu_quantized", "quantized_bits(4,3,1,alpha=1)"))
    monkeypatch.setattr(convert_stage, "MODEL_FILE", str(bad))

    def refuse(_: str) -> None:
        pytest.fail("the model was loaded")

    monkeypatch.setattr(convert_stage, "load_quantized", refuse)
    with pytest.raises(CheckFailed) as caught:
        workspace.run("convert", force=True)
    said = str(caught.value)
    assert caught.value.exit_code == 1
    for part in ("model.h5: activation-symmetric in mu_quantized", "SAT_SYM", "set symmetric=0", "(and 1 more, see"):
        assert part in said
    assert "\n" not in said
