"""Run folders: what is current, stale or edited is known, and nothing that ends a stage loses its last result."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from results import StandIn, stand_in
from support import merged, small_config

from fpgaae import __version__
from fpgaae.errors import CheckFailed, InputError
from fpgaae.files import lock, read_json, sha256, write_json
from fpgaae.runs import fingerprint as fingerprints
from fpgaae.runs import run as running
from fpgaae.runs.experiment import Experiment, open_experiment
from fpgaae.runs.fingerprint import fingerprint
from fpgaae.runs.folder import MANIFEST, edited_files, hash_tree
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.run import Outcome, RunOptions, StageRun, find_current, run_stage
from fpgaae.runs.stages import DISTILLATION, EMBEDDING, PROJECT_FOLDER, STAGES, STAGES_OF_METHOD, STAGES_OF_USES

HASHES = {"background": "1" * 64, "signal": "2" * 64}
FILE = f"{PROJECT_FOLDER}/file.txt"
UP_TO_CSIM = ("data", "reference", "train", "convert", "csim")


def _work(content: str = "first", stage: str = "data") -> Callable[[StageRun], StandIn]:
    def work(run: StageRun) -> StandIn:
        (run.folder / PROJECT_FOLDER).mkdir()
        (run.folder / PROJECT_FOLDER / "file.txt").write_text(content)
        return stand_in(stage)(passed=True, content=content)

    return work


def _never(run: StageRun) -> NoReturn:
    raise AssertionError(f"{run.folder} was made anew")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return open_experiment(small_config(tmp_path, n_events=8), tmp_path / "runs")


def _with(experiment: Experiment, **overrides: Any) -> Experiment:  # noqa: ANN401
    """Give the same run folder with some keys of its config replaced."""
    folder = experiment.config_file.parent
    return open_experiment(small_config(folder, **overrides), experiment.folder.parent)


def _run(
    experiment: Experiment, stage: str = "data", work: Callable[[StageRun], StandIn] | None = None, **options: bool
) -> Outcome[StandIn]:
    return run_stage(experiment, stand_in(stage), work or _work(stage=stage), HASHES, RunOptions(**options))


def _run_up_to(experiment: Experiment, last: str) -> None:
    for stage in UP_TO_CSIM[: UP_TO_CSIM.index(last) + 1]:
        _run(experiment, stage)


def _content(experiment: Experiment, stage: str = "data") -> str:
    return (experiment.stage_folder(stage) / PROJECT_FOLDER / "file.txt").read_text()


def _leftovers(experiment: Experiment) -> set[str]:
    return {path.name for path in experiment.folder.iterdir()} - set(STAGES) - {".lock", ".scratch"}


def _is_whole(experiment: Experiment, stage: str = "data") -> bool:
    return edited_files(experiment.stage_folder(stage)) == ()


def test_a_stage_is_run_once(experiment: Experiment) -> None:
    first = _run(experiment)
    assert (first.result.to_json(), first.was_current) == ({"passed": True, "content": "first"}, False)
    again = _run(experiment, work=_never)
    assert (again.result, again.was_current, again.edited) == (first.result, True, ())
    forced = _run(experiment, work=_work("second"), force=True)
    assert (forced.was_current, _content(experiment)) == (False, "second")


def test_the_manifest_says_what_the_result_was_made_from(experiment: Experiment) -> None:
    _run_up_to(experiment, "reference")
    folder = experiment.stage_folder("data")
    manifest = read_json(folder / MANIFEST)
    assert manifest["stage"] == "data"
    assert manifest["seed"] == 42
    assert manifest["config"]["data"]["files"]["signal"] == "signal.h5"
    assert manifest["inputs"] == {"events/background": "1" * 64, "events/signal": "2" * 64}
    assert manifest["outputs"] == {
        "data.json": sha256(folder / "data.json"), FILE: sha256(folder / PROJECT_FOLDER / "file.txt"),
    }  # fmt: skip
    assert manifest["versions"]["fpgaae"] == __version__
    assert {"numpy", "tensorflow", "hls4ml"} <= set(manifest["versions"])
    assert "git_commit" in manifest
    assert manifest["wall_time_s"] >= 0
    reference = read_json(experiment.stage_folder("reference") / MANIFEST)
    assert reference["inputs"] == {f"data/{name}": value for name, value in manifest["outputs"].items()}


def test_sha256_is_the_published_function(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")  # FIPS 180-4, example B.1
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {  # what each change makes stale
    "seed": ({"seed": 1}, {"data", "reference", "train", "convert", "csim"}),
    "split": ({"data": {"split": {"train": 0.5, "test": 0.45}}}, {"data", "reference", "train", "convert", "csim"}),
    "scaling": ({"data": {"scaling": {"offset": "zero"}}}, {"data", "reference", "train", "convert", "csim"}),
    "model": ({"model": {"latent": 4}}, {"reference", "train", "convert", "csim"}),
    "input-width": ({"quantization": {"inputs": {"bits": 11}}}, {"reference", "train", "convert", "csim"}),
    "float-training": ({"training": {"reference": {"epochs": 2}}}, {"reference", "train", "convert", "csim"}),
    "weight-width": ({"quantization": {"weights": {"bits": 6}}}, {"train", "convert", "csim"}),
    "pruning": ({"pruning": {"sparsity": 0.25}}, {"train", "convert", "csim"}),
    "training": ({"training": {"quantized": {"learning_rate": 0.1}}}, {"train", "convert", "csim"}),
    "clock": ({"firmware": {"clock_ns": 4}}, {"convert", "csim"}),
    "threshold": ({"trigger": {"thresholds": [{"false_positive_rate": 0.01}]}}, {"convert", "csim"}),
    "crossing-rate": ({"trigger": {"bunch_crossing_rate_khz": 30_000}}, {"convert", "csim"}),
    "chosen-on": ({"trigger": {"chosen_on": "validation"}}, {"convert", "csim"}),
    "confidence-level": ({"evaluation": {"confidence_level": 0.9}}, {"convert", "csim"}),
    "table-width": ({"quantization": {"score_table_fraction_bits": 6}}, {"train", "convert", "csim"}),
    "csim": ({"csim": {"random_events": 65}}, {"convert", "csim"}),
    "processes": ({"csim": {"processes": 1}}, set()),
    "evaluation": ({"evaluation": {"bootstrap_replicas": 30}}, set()),
    "nothing": ({}, set()),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("change", "stale"), CHANGES.values(), ids=CHANGES)
def test_a_change_makes_stale_what_depends_on_it_and_nothing_else(
    experiment: Experiment, change: dict[str, Any], stale: set[str]
) -> None:
    _run_up_to(experiment, "csim")
    changed = _with(experiment, **change)
    for stage in UP_TO_CSIM:
        outcome = _run(changed, stage, _work("first" if stage not in stale else "second"))
        assert outcome.was_current == (stage not in stale), stage
        assert _run(changed, stage, _never).was_current


_POST_TRAINING = {"training": {"quantized": {"mode": "post_training"}}, "pruning": {"end_epoch": 1}}


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"pruning": {"sparsity": 0.25}}, {"reference", "train"}),
        ({"quantization": {"layers": {"latent": {"sparsity": 0.1}}}}, {"reference", "train"}),
        ({"quantization": {"weights": {"bits": 6}}}, {"train"}),
        ({"training": {"quantized": {"epochs": 3}}}, set()),
        ({"training": {"quantized": {"mode": "quantization_aware"}}}, {"reference", "train"}),
    ],
)
def test_after_the_training_it_is_the_reference_that_is_pruned(
    experiment: Experiment, change: dict[str, Any], stale: set[str]
) -> None:
    one = _with(experiment, **_POST_TRAINING)
    other = _with(experiment, **merged(_POST_TRAINING, change))
    found = {name for name in ("data", "reference", "train") if _differs(one, other, name)}
    assert found == stale


def _differs(one: Experiment, other: Experiment, stage: str) -> bool:
    return fingerprint(one, stage, HASHES) != fingerprint(other, stage, HASHES)


def test_a_stage_may_lie_in_the_run_folder_of_another_experiment(experiment: Experiment) -> None:
    _run(experiment)
    user = replace(experiment, folder=experiment.folder.with_name("user"), shared={"data": experiment.folder})
    assert _run(user, "reference").was_current is False
    assert (user.folder / "reference" / MANIFEST).is_file()
    assert not (user.folder / "data").exists()
    assert find_current(user, stand_in("reference"), HASHES) is not None
    assert find_current(user, stand_in("train"), HASHES) is None
    _edit(experiment.stage_folder("data"))
    with pytest.raises(InputError, match="is not as the stage `data` wrote it"):
        _run(user, "reference", force=True)


def test_every_key_of_the_config_makes_some_stage_stale(experiment: Experiment) -> None:
    """A key that no stage's sections hold would be changed without effect."""
    specs = (*STAGES.values(), *STAGES_OF_METHOD.values(), *STAGES_OF_USES.values())
    sections = {section for spec in specs for section in spec.sections}
    sections |= {
        "csim.processes",
        "tools",
        DISTILLATION,
        EMBEDDING,
    }  # say how, not what; the last two are not in every config
    for key, value in experiment.config.model_dump().items():
        if key in sections:
            continue
        assert isinstance(value, dict), key
        for below in value:
            assert f"{key}.{below}" in sections, f"{key}.{below}"


def test_other_events_make_everything_stale(experiment: Experiment) -> None:
    before = {stage: fingerprint(experiment, stage, HASHES) for stage in STAGES}
    after = {stage: fingerprint(experiment, stage, HASHES | {"signal": "3" * 64}) for stage in STAGES}
    assert all(before[stage] != after[stage] for stage in STAGES)
    assert len(set(before.values())) == len(STAGES)


def test_a_comment_in_the_config_changes_nothing(experiment: Experiment) -> None:
    _run(experiment)
    file = experiment.config_file
    file.write_text("# a comment\n" + file.read_text())
    assert _run(open_experiment(file, experiment.folder.parent), work=_never).was_current


def _edit(folder: Path) -> None:
    (folder / FILE).write_text("by hand")


def _remove(folder: Path) -> None:
    (folder / FILE).unlink()


every_edit = pytest.mark.parametrize("edit", [_edit, _remove], ids=["edited", "removed"])


def test_a_check_that_fails_names_what_was_edited_before_it(experiment: Experiment) -> None:
    def fail(_: StageRun) -> StandIn:
        raise CheckFailed("the project does not compile")

    _run_up_to(experiment, "convert")
    with pytest.raises(CheckFailed, match=r"^the project does not compile$"):
        _run(experiment, "csim", fail)
    _edit(experiment.stage_folder("convert"))
    with pytest.raises(CheckFailed, match=rf"^after edits by hand of convert/{FILE}: the project does not compile$"):
        _run(experiment, "csim", fail)


@every_edit
def test_an_edited_result_is_named_and_not_used(experiment: Experiment, edit: Callable[[Path], None]) -> None:
    _run(experiment)
    folder = experiment.stage_folder("data")
    edit(folder)
    assert edited_files(folder) == (FILE,)
    for stage in ("data", "reference"):
        with pytest.raises(InputError) as caught:
            _run(experiment, stage, _never)
        assert str(caught.value).startswith(f"{folder}/{FILE} is not as the stage `data` wrote it; run `fpgaae data")
        assert "--force" in str(caught.value)
        assert "\n" not in str(caught.value)
    _run(experiment, force=True)
    assert _run(experiment, "reference").result.content == "first"


def test_several_edits_are_counted(experiment: Experiment) -> None:
    _run(experiment)
    _edit(experiment.stage_folder("data"))
    (experiment.stage_folder("data") / "data.json").unlink()
    with pytest.raises(InputError, match=r"data/data\.json is not as the stage `data` wrote it \(and 1 more\)"):
        _run(experiment, "reference", _never)


def test_files_that_a_tool_added_do_not_count(experiment: Experiment) -> None:
    _run_up_to(experiment, "csim")
    for stage in ("data", "convert"):
        (experiment.stage_folder(stage) / PROJECT_FOLDER / "solution.log").write_text("by a synthesis tool")
        assert _is_whole(experiment, stage)
    for stage in UP_TO_CSIM:
        assert _run(experiment, stage, _never).was_current


def test_only_the_project_may_be_edited(experiment: Experiment) -> None:
    """The golden network and the events are no sources: a check that compared with edited ones would prove nothing."""
    _run_up_to(experiment, "csim")
    result = experiment.result_path("convert")
    result.write_text(result.read_text().replace("first", "other"))
    for stage in ("csim", "convert"):
        with pytest.raises(InputError, match=r"convert\.json is not as the stage `convert` wrote it"):
            _run(experiment, stage, _never, keep_edited=True)
    _run(experiment, "convert", force=True)
    (experiment.stage_folder("data") / FILE).write_text("by hand")
    with pytest.raises(InputError, match=r"data/project/file\.txt is not as the stage `data` wrote it"):
        _run(experiment, "csim", _never)


def test_an_edited_stage_can_be_kept(experiment: Experiment) -> None:
    _run_up_to(experiment, "convert")
    _edit(experiment.stage_folder("convert"))
    kept = _run(experiment, "convert", _never, keep_edited=True)
    assert (kept.was_current, kept.edited) == (True, (FILE,))
    assert _content(experiment, "convert") == "by hand"


@every_edit
def test_a_check_goes_on_with_edited_files_and_names_them(experiment: Experiment, edit: Callable[[Path], None]) -> None:
    _run_up_to(experiment, "csim")
    edit(experiment.stage_folder("convert"))
    seen: list[tuple[str, ...]] = []

    def work(run: StageRun) -> StandIn:
        seen.append(run.edited)
        return stand_in("csim")(passed=True, content=None)

    assert not _run(experiment, "csim", work).was_current  # a passed check of other files is not a proof of these
    assert seen == [(f"convert/{FILE}",)]
    assert _run(experiment, "csim", _never).was_current  # the same edited files need not be compared again


def test_a_check_is_repeated_until_it_passes(experiment: Experiment) -> None:
    _run_up_to(experiment, "convert")
    for _ in range(2):
        outcome = _run(experiment, "csim", lambda run: stand_in("csim")(passed=False, content=None))
        assert (outcome.was_current, outcome.result.passed) == (False, False)
    with pytest.raises(InputError, match=r"csim\.json says that the check did not pass; run `fpgaae csim"):
        _run(experiment, "evaluate", _never)
    _run(experiment, "csim")
    assert _run(experiment, "csim", _never).was_current
    assert not _run(experiment, "evaluate").was_current


@pytest.mark.parametrize("stage", [stage for stage in STAGES if STAGES[stage].upstream])
def test_a_missing_stage_is_named_with_the_command_that_makes_it(experiment: Experiment, stage: str) -> None:
    with pytest.raises(InputError) as caught:
        _run(experiment, stage, _never)
    first = STAGES[stage].upstream[0]
    assert str(caught.value) == (
        f"{experiment.stage_folder(first)} has no finished result; "
        f"run `fpgaae run {experiment.config_file} --to {stage}`, which makes what is missing"
    )


def test_a_stale_upstream_stage_is_named(experiment: Experiment) -> None:
    _run_up_to(experiment, "convert")
    changed = _with(experiment, model={"latent": 5})
    with pytest.raises(
        InputError,
        match=r"reference was made from another config, other events or other files than .*; run `fpgaae "
        r"run .* --to train`",
    ):
        _run(changed, "train", _never)
    with pytest.raises(InputError, match="train was made from another config"):
        _run(changed, "convert", _never)


def test_a_passed_check_of_an_earlier_project_is_stale(experiment: Experiment) -> None:
    """Else `evaluate` would take the scores of another firmware for those of this one."""
    _run_up_to(experiment, "csim")
    changed = _with(experiment, firmware={"clock_ns": 4})
    _run(changed, "convert", _work("second"))
    with pytest.raises(
        InputError,
        match=r"csim was made from another config, other events or other files than .*; run `fpgaae "
        r"run .* --to evaluate`",
    ):
        _run(changed, "evaluate", _never)
    _run(changed, "csim")
    assert not _run(changed, "evaluate").was_current
    _edit(experiment.stage_folder("convert"))
    with pytest.raises(InputError, match="csim was made from another config"):
        _run(changed, "evaluate", _never)


def test_upstream_files_and_results_are_given_to_the_work(experiment: Experiment) -> None:
    _run(experiment)

    def work(run: StageRun) -> StandIn:
        assert run.upstream("data") == experiment.stage_folder("data")
        assert run.result(stand_in("data")).to_json() == {"passed": True, "content": "first"}
        assert (run.config, run.edited) == (experiment.config, ())
        assert dict(run.data_hashes) == HASHES
        return stand_in("reference")(passed=True, content=None)

    _run(experiment, "reference", work)


class _Stop(BaseException):
    """As KeyboardInterrupt: nothing catches it."""


FAILURES = {
    "defect": ValueError("a defect"),
    "bad-input": InputError("bad"),
    "disk-full": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "interrupted": KeyboardInterrupt(),
    "anything": _Stop(),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("had_result", [True, False], ids=["second-run", "first-run"])
def test_a_failure_in_the_work_leaves_the_last_result_whole(
    experiment: Experiment, failure: BaseException, had_result: bool
) -> None:
    if had_result:
        _run(experiment)

    def work(run: StageRun) -> StandIn:
        (run.folder / "half.txt").write_text("half")
        raise failure

    with pytest.raises(type(failure)):
        _run(experiment, work=work, force=True)
    assert experiment.stage_folder("data").exists() == had_result
    if had_result:
        assert _is_whole(experiment)
        assert _run(experiment, work=_never).result.content == "first"
    assert _run(experiment, work=_work("next"), force=True).result.content == "next"
    assert not (experiment.stage_folder("data") / "half.txt").exists()
    assert _leftovers(experiment) == set()


def test_a_full_disk_while_the_manifest_is_written(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(experiment)
    real = Path.write_text

    def full(self: Path, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401
        if MANIFEST in self.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            _run(experiment, work=_work("second"), force=True)
    assert _is_whole(experiment)
    assert _content(experiment) == "first"


def test_not_finite_numbers_never_reach_a_result_file(experiment: Experiment) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        _run(experiment, work=lambda run: stand_in("data")(passed=True, content=float("nan")))
    assert not experiment.stage_folder("data").exists()


@pytest.mark.parametrize("when", ["after-the-first", "before-the-first"])
def test_a_kill_between_the_two_renames_is_mended(experiment: Experiment, when: str) -> None:
    """`_replace_folder` moves the old result away, then the new one in its place; a kill in between loses neither."""
    _run(experiment)
    folder = experiment.stage_folder("data")
    shutil.copytree(folder, folder.with_name(".data.partial"))
    if when == "after-the-first":
        folder.rename(folder.with_name(".data.old"))
    assert _run(experiment, work=_never).result.content == "first"
    assert _run(experiment, "reference").result.content == "first"
    _run(experiment, work=_work("second"), force=True)
    assert _leftovers(experiment) == set()


def test_a_kill_between_the_renames_is_mended_for_the_stages_behind_too(experiment: Experiment) -> None:
    _run(experiment)
    folder = experiment.stage_folder("data")
    folder.rename(folder.with_name(".data.old"))
    assert _run(experiment, "reference").result.content == "first"
    assert _is_whole(experiment)


def test_a_kill_behind_the_renames_leaves_the_new_result(experiment: Experiment) -> None:
    _run(experiment, work=_work("second"))
    folder = experiment.stage_folder("data")
    shutil.copytree(folder, folder.with_name(".data.old"))
    (folder.with_name(".data.old") / PROJECT_FOLDER / "file.txt").write_text("first")
    assert _run(experiment, work=_never).result.content == "second"


def test_scratch_is_kept_after_a_failure_and_removed_after_success(experiment: Experiment) -> None:
    def stop(run: StageRun) -> StandIn:
        (run.scratch / "checkpoint").write_text("epoch 3")
        raise _Stop

    with pytest.raises(_Stop):
        _run(experiment, work=stop)
    kept: list[str] = []

    def go_on(run: StageRun) -> StandIn:
        kept.append((run.scratch / "checkpoint").read_text())
        return stand_in("data")(passed=True, content=None)

    _run(experiment, work=go_on)
    assert kept == ["epoch 3"]
    assert list((experiment.folder / ".scratch").iterdir()) == []


def test_scratch_of_another_config_is_not_used(experiment: Experiment) -> None:
    def stop(run: StageRun) -> StandIn:
        (run.scratch / "checkpoint").write_text("epoch 3")
        raise _Stop

    with pytest.raises(_Stop):
        _run(experiment, work=stop)

    def start(run: StageRun) -> StandIn:
        assert list(run.scratch.iterdir()) == []
        return stand_in("data")(passed=True, content=None)

    _run(_with(experiment, seed=1), work=start)
    assert list((experiment.folder / ".scratch").iterdir()) == []


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"outputs": '], ids=["empty", "open", "list", "cut"])
def test_a_damaged_manifest_is_one_sentence(experiment: Experiment, content: str) -> None:
    _run(experiment)
    (experiment.stage_folder("data") / MANIFEST).write_text(content)
    for stage in ("data", "reference"):
        with pytest.raises(InputError, match=r"manifest\.json .*; run the stage `data` with --force") as caught:
            _run(experiment, stage, _never)
        assert "\n" not in str(caught.value)
    _run(experiment, force=True)
    assert _is_whole(experiment)


def test_a_manifest_that_lacks_its_hashes_is_one_sentence(experiment: Experiment) -> None:
    _run(experiment)
    manifest = experiment.stage_folder("data") / MANIFEST
    content = read_json(manifest)
    del content["outputs"]
    write_json(manifest, content)
    with pytest.raises(InputError, match="run the stage `data` with --force"):
        _run(experiment, work=_never)


def test_a_manifest_that_was_edited_is_named(experiment: Experiment) -> None:
    _run(experiment)
    manifest = experiment.stage_folder("data") / MANIFEST
    text = manifest.read_text()
    for key in ("seed", "wall_time_s", "git_commit"):
        changed = json.loads(text)
        manifest.write_text(json.dumps({**changed, key: "another"}))
        for stage in ("data", "reference"):
            with pytest.raises(InputError, match=r"manifest\.json is not as the stage `data` wrote it; run the stage"):
                _run(experiment, stage, _never)
    unsealed = json.loads(text)
    assert unsealed.pop("seal")
    manifest.write_text(json.dumps(unsealed))  # as earlier versions wrote it
    assert _run(experiment, work=_never).was_current


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_json(file, {"a": [1, 2.5, None]})
    with pytest.raises(TypeError):
        write_json(file, {"a": object()})
    assert read_json(file) == {"a": [1, 2.5, None]}
    with pytest.raises(InputError, match="is missing; run the stage"):
        read_json(tmp_path / "b.json")


# ---- several processes ----

STAGE_PROGRAM = """
    import sys, time
    from pathlib import Path
    from fpgaae.runs.experiment import open_experiment
    from fpgaae.runs.results.data import DataResult
    from fpgaae.runs.run import RunOptions, run_stage

    def work(run):
        (run.folder / "half.txt").write_text("half")
        (run.scratch / "checkpoint").write_text("epoch 3")
        print("working", flush=True)
        time.sleep(60)

    experiment = open_experiment(Path(sys.argv[1]), Path(sys.argv[2]))
    run_stage(experiment, DataResult, work, {"background": "1" * 64, "signal": "2" * 64}, RunOptions(force=True))
"""


@contextmanager
def _other_process(experiment: Experiment) -> Iterator[subprocess.Popen[str]]:
    """Have another process in the middle of the stage `data`."""
    command = [
        sys.executable, "-c", textwrap.dedent(STAGE_PROGRAM), experiment.config_file, experiment.folder.parent,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "working\n"
            yield process
        finally:
            process.kill()
            process.wait(timeout=10)


def test_a_second_process_is_refused_and_a_killed_one_frees_the_folder(experiment: Experiment) -> None:
    _run(experiment)
    with _other_process(experiment) as process:
        for stage in ("data", "reference"):
            with pytest.raises(InputError) as caught:
                _run(experiment, stage, _never)
            assert str(caught.value) == (
                f"another fpgaae process (process {process.pid}) is working on {experiment.folder}; wait for it to end"
            )
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=10) == -signal.SIGKILL
        assert _is_whole(experiment)
        assert _content(experiment) == "first"
        assert _run(experiment, work=_never).was_current
    kept: list[str] = []

    def go_on(run: StageRun) -> StandIn:
        kept.append((run.scratch / "checkpoint").read_text())
        return stand_in("data")(passed=True, content=None)

    _run(experiment, work=go_on, force=True)
    assert kept == ["epoch 3"]
    assert _leftovers(experiment) == set()
    assert not (experiment.stage_folder("data") / "half.txt").exists()


def test_another_experiment_is_not_locked(experiment: Experiment, tmp_path: Path) -> None:
    other = open_experiment(small_config(tmp_path, "other"), experiment.folder.parent)
    with lock(experiment.folder):
        _run(other)
        with pytest.raises(InputError, match="is working on"), lock(experiment.folder):
            pass
    with lock(experiment.folder):
        pass


KILLED_ANYWHERE = """
    import sys
    from pathlib import Path
    from fpgaae.runs.experiment import open_experiment
    from fpgaae.runs.results.data import DataResult
    from fpgaae.runs.run import RunOptions, run_stage

    experiment = open_experiment(Path(sys.argv[1]), Path(sys.argv[2]))
    for i in range(1_000_000):
        def work(run):
            for part in range(20):
                (run.folder / f"{part}.txt").write_text(str(i) * 1000)
            return DataResult(events={str(i): {"test": i}}, feature_types=(), files={})

        run_stage(experiment, DataResult, work, {"background": "1" * 64, "signal": "2" * 64}, RunOptions(force=True))
        if i == 0:
            print("ready", flush=True)  # there is a result that a kill must leave whole
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_result(experiment: Experiment) -> None:
    """SIGKILL at random moments of an endless rewriting: what is found afterwards is one finished result."""
    command = [
        sys.executable, "-c", textwrap.dedent(KILLED_ANYWHERE), experiment.config_file, experiment.folder.parent,
    ]  # fmt: skip
    results = set()
    for attempt in range(12):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.3 + 0.037 * attempt)
            process.kill()
            process.wait(timeout=10)
        (found,) = run_stage(experiment, DataResult, _never, HASHES, RunOptions()).result.events
        parts = {path.read_text() for path in experiment.stage_folder("data").glob("*.txt")}
        assert parts == {found * 1000}
        assert _is_whole(experiment)
        results.add(found)
    assert len(results) > 1


def test_hash_tree_sees_everything_but_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("x", "a/y", "a/b/manifest.json", MANIFEST, ".hidden"):
        (tmp_path / name).write_text(json.dumps(name))
    assert set(hash_tree(tmp_path)) == {"x", "a/y", "a/b/manifest.json", ".hidden"}


@pytest.mark.parametrize("name", ["project/file.txt", "project/report.rpt"], ids=["edited", "added"])
def test_a_stale_project_that_was_worked_in_is_not_replaced(experiment: Experiment, name: str) -> None:
    _run_up_to(experiment, "convert")
    (experiment.stage_folder("convert") / name).write_text("by hand")
    changed = _with(experiment, firmware={"clock_ns": 4})
    for keep_edited in (False, True):
        with pytest.raises(InputError, match="would be lost"):
            _run(changed, "convert", _never, keep_edited=keep_edited)
    assert (experiment.stage_folder("convert") / name).read_text() == "by hand"
    _run(changed, "convert", _work("second"), force=True)
    assert _content(experiment, "convert") == "second"


def test_an_added_source_is_an_edit_and_makes_the_check_run_again(experiment: Experiment) -> None:
    _run_up_to(experiment, "csim")
    firmware = experiment.stage_folder("convert") / PROJECT_FOLDER / "firmware"
    firmware.mkdir()
    (firmware / "notes.txt").write_text("not compiled")
    assert _run(experiment, "csim", _never).was_current
    (firmware / "ap_fixed.h").write_text("#error shadows the real one")
    outcome = _run(experiment, "csim")
    assert outcome.edited == ("convert/project/firmware/ap_fixed.h",)
    assert not outcome.was_current


def test_another_hand_written_source_makes_convert_stale(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run_up_to(experiment, "convert")
    real = fingerprints.hash_tree
    monkeypatch.setattr(fingerprints, "hash_tree", lambda folder: real(folder) | {"hls/fpgaae_scores.h": "0" * 64})
    before = fingerprint(experiment, "convert", HASHES)
    monkeypatch.setattr(fingerprints, "hash_tree", real)
    assert fingerprint(experiment, "convert", HASHES) != before


def test_a_stage_does_not_start_on_a_full_disk(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(OSError, match="MiB are free") as caught:
        _run(experiment, "data", _never)
    assert caught.value.errno == errno.ENOSPC
