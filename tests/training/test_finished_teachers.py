"""Finished float methods as teachers: which scores are learned, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Workspace, open_workspace
from numpy.typing import NDArray
from support import merged, small_config

from fpgaae.data.inputs import Split, open_split
from fpgaae.data.readers import event_hashes
from fpgaae.errors import ConfigError, InputError
from fpgaae.runs.experiment import MEMBERS_FILE
from fpgaae.runs.fingerprint import fingerprint
from fpgaae.runs.results.reference import FinishedTeacher, MethodReference
from fpgaae.runs.run import RunOptions, StageRun, run_stage

pytestmark = pytest.mark.usefixtures("tensorflow")

_DENSE: dict[str, Any] = {"method": {"kind": "dense"}, "ensemble": {"seeds": 2}}
_RESULT: dict[str, Any] = {
    "method": "dense", "backend": "", "device": "", "n_devices": 1, "loop": "", "precision": "float32",
    "events_per_second": 1.0, "epochs": 1, "val_loss": 1.0, "scores": {}, "baselines": {}, "members": (),
}  # fmt: skip


def _finish(workspace: Workspace, scale: float = 1.0) -> None:
    """Stand for a training: give every member the weights that it begins with, times a scale."""
    from fpgaae.methods.registry import method_class  # noqa: PLC0415
    from fpgaae.models.method_networks import build_networks, initial_values, save_members  # noqa: PLC0415
    from fpgaae.models.method_setting import input_moments, setting_of  # noqa: PLC0415

    def work(run: StageRun) -> MethodReference:
        config, split = run.config, open_split(run, "train")
        assert config.method is not None
        x = split.clipped(split.inputs(split.codes(0)))
        made = method_class(config.method.kind)(config.method, setting_of(config, split.features, input_moments(x)))
        values = []
        for member in config.ensemble.members(config.seed):
            networks = build_networks(made, member.seed)
            values.append([scale * value for value in initial_values(networks)])
        save_members(run.folder, networks, tuple(values))
        return MethodReference(**_RESULT)

    workspace.run("data")
    hashes = event_hashes(workspace.experiment.config, workspace.experiment.config_file)
    run_stage(workspace.experiment, MethodReference, work, hashes, RunOptions(force=True))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a finished method of two members."""
    folder = tmp_path_factory.mktemp("teachers")
    small_config(folder, "dense", n_events=600, **_DENSE)
    _finish(open_workspace(folder, "dense"))
    return folder


def _student(folder: Path, teacher: Any, **overrides: Any) -> Workspace:  # noqa: ANN401
    config = {
        "model": {"kind": "student", "encoder": [6], "latent": 1, "decoder": [], "score": "regression"},
        "distillation": {"teacher": teacher, "target": "rate", "outliers": {"share": 0.5, "sets": 2}},
    }
    small_config(folder, "student", n_events=600, **merged(config, overrides))
    workspace = open_workspace(folder, "student")
    workspace.run("data")
    return workspace


def _taken(workspace: Workspace, folder: Path) -> tuple[StageRun, Split, tuple[FinishedTeacher, ...]]:
    from fpgaae.training.finished_teachers import take_teachers  # noqa: PLC0415

    run = StageRun(workspace.experiment, folder, folder, {})
    split = open_split(run, "train")
    return run, split, take_teachers(run, split)


def _scores(run: StageRun, split: Split) -> NDArray[np.float64]:
    from fpgaae.models.teacher import open_teacher  # noqa: PLC0415

    return open_teacher(run.folder, run.config, split)(split.codes(0))


def _by_hand(folder: Path, split: Split, member: int) -> NDArray[np.float64]:
    """Give the sum of the squared differences between inputs and reconstruction, layer by layer."""
    x = split.clipped(split.inputs(split.codes(0)))
    with np.load(folder / "runs" / "dense" / "reference" / MEMBERS_FILE) as saved:
        y = x
        for name in ("encoder/encoder_1", "encoder/latent", "decoder/decoder_1", "decoder/reconstruction"):
            y = y @ saved[f"{name}/kernel"][member] + saved[f"{name}/bias"][member]
            y = y if name.endswith(("latent", "reconstruction")) else np.maximum(y, 0)
    return np.asarray(((x - y).astype(np.float64) ** 2).sum(axis=1))


@pytest.mark.parametrize(("member", "expected"), [("mean", (0, 1)), (1, (1,))])
def test_the_score_is_that_of_the_members(
    member: str | int, expected: tuple[int, ...], finished: Path, tmp_path: Path
) -> None:
    teacher = {"weights_of": str(finished / "dense.yaml"), "member": member}
    run, split, taken = _taken(_student(finished, teacher), tmp_path)
    assert [(one.score, one.members, one.seeds) for one in taken] == [
        ("reconstruction", expected, tuple(42 + i for i in expected))
    ]
    assert taken[0].weights == len(expected) * (57 * 8 + 8 + 8 * 3 + 3 + 3 * 8 + 8 + 8 * 57 + 57)
    by_hand = np.mean([_by_hand(finished, split, i) for i in expected], axis=0)
    scores = _scores(run, split)
    np.testing.assert_allclose(scores / scores.mean(), by_hand / by_hand.mean(), rtol=1e-3)


def test_several_scores_count_alike(finished: Path, tmp_path: Path) -> None:
    one = {"weights_of": str(finished / "dense.yaml"), "member": 0}
    run, split, taken = _taken(_student(finished, {"scores": [one, {**one, "member": 1}]}), tmp_path)
    members = [_by_hand(finished, split, i) for i in range(2)]
    low, middle, high = np.quantile(members, (0.16, 0.5, 0.84), axis=1)
    standardized = [
        2 * (own - centre) / (above - below)
        for own, below, centre, above in zip(members, low, middle, high, strict=True)
    ]
    expected = np.mean(standardized, axis=0)
    np.testing.assert_allclose(_scores(run, split), expected, atol=2e-3 * np.abs(expected).max())
    assert all(one.unit > 0 for one in taken)


def test_a_teacher_that_is_trained_anew_makes_its_student_stale(finished: Path) -> None:
    teacher = {"weights_of": str(finished / "dense.yaml")}
    before = fingerprint(_student(finished, teacher).experiment, "reference", {})
    assert fingerprint(_student(finished, teacher).experiment, "reference", {}) == before
    _finish(open_workspace(finished, "dense"), scale=0.5)
    assert fingerprint(_student(finished, teacher).experiment, "reference", {}) != before


@pytest.mark.parametrize(
    ("teacher", "overrides", "sentence"),
    [
        ({"weights_of": "none.yaml"}, {}, "names none.yaml, which is no file; give a path"),
        ({"weights_of": "{folder}/student.yaml"}, {}, "student.yaml, which has no `method`; name one of"),
        ({"weights_of": "{folder}/cwola.yaml"}, {}, "the method cwola, which has signals mixed into its training"),
        ({"weights_of": "{folder}/unfinished.yaml"}, {}, "run `fpgaae run .*unfinished.yaml --to reference`"),
        ({"weights_of": "{folder}/dense.yaml", "score": "kl"}, {}, "the score kl; the method dense has reconstruction"),
        ({"weights_of": "{folder}/dense.yaml", "member": 2}, {}, "names member 2 of .*which has 2, counted from 0"),
        ({"weights_of": "{folder}/dense.yaml"}, {"data": {"scaling": {"shift": 3}}}, "has another scaling than"),
        (
            {"weights_of": "{folder}/dense.yaml"},
            {"data": {"split": {"train": 0.5, "validation": 0.1}, "scaling": {"offset": 3, "shift": 3}}},
            "has another scaling than",
        ),
        ({"weights_of": "{folder}/fixed.yaml"}, {"data": {"scaling": {"offset": 3, "shift": 3}}, "seed": 7},
         "was trained on other events than"),
        ({"weights_of": "{folder}/broken.yaml"}, {}, "is not finite for 301 of 301 events; train it anew"),
    ],
    ids=["file", "method", "signals", "unfinished", "score", "member", "scaling", "both", "events", "finite"],
)  # fmt: skip
def test_a_teacher_that_does_not_fit_is_one_sentence(
    teacher: dict[str, Any], overrides: dict[str, Any], sentence: str, finished: Path, tmp_path: Path
) -> None:
    named = {**teacher, "weights_of": teacher["weights_of"].format(folder=finished)}
    kind = Path(named["weights_of"]).stem
    if kind in {"cwola", "unfinished", "broken", "fixed"}:
        scaling = {"data": {"scaling": {"offset": 3, "shift": 3}}} if kind == "fixed" else {}
        method = {"method": {"kind": "cwola" if kind == "cwola" else "dense"}}
        small_config(finished, kind, n_events=600, **method, **scaling)
        if kind in {"broken", "fixed"}:
            _finish(open_workspace(finished, kind), scale=float("nan") if kind == "broken" else 1.0)
    workspace = _student(finished, named, **overrides)
    with pytest.raises(InputError, match=sentence):
        _scores(*_taken(workspace, tmp_path)[:2])


def test_a_stale_teacher_is_one_sentence(finished: Path, tmp_path: Path) -> None:
    small_config(finished, "stale", n_events=600, method={"kind": "dense"})
    _finish(open_workspace(finished, "stale"))
    small_config(finished, "stale", n_events=600, method={"kind": "dense"}, model={"latent": 2})
    workspace = _student(finished, {"weights_of": str(finished / "stale.yaml")})
    with pytest.raises(InputError, match=r"another config.*run `fpgaae run .*stale.yaml --to reference`"):
        _taken(workspace, tmp_path)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"teacher": {"weights_of": "a.yaml"}, "fit": {"epochs": 1}}, "`distillation.fit`: a finished method is not"),
        ({"teacher": {"weights_of": "a.yaml", "member": -1}}, "`distillation.teacher.scores.0.member`"),
        ({"teacher": {"scores": []}}, "`distillation.teacher.scores`"),
        ({"teacher": {"weights_of": "a.yaml", "marks": 1}}, "unknown key `distillation.teacher.scores.0.marks`"),
        ({"teacher": {"encoder": [4], "latent": 1, "decoder": [4], "score": "squared_error"}}, "`distillation.fit`"),
    ],
    ids=["fit", "member", "none", "unknown", "no_fit"],
)
def test_a_config_that_can_not_be_is_one_sentence(section: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    student = {"kind": "student", "encoder": [6], "latent": 1, "decoder": [], "score": "regression"}
    small_config(tmp_path, "student", n_events=600, model=student, distillation=section)
    with pytest.raises(ConfigError, match=sentence):
        open_workspace(tmp_path, "student")
