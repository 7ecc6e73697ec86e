"""Loaded thresholds are proven for every code of score and threshold, and each damage to the decision is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import WrittenNetwork, autoencoder, random_hardware
from test_prove_sources import sources_of, wrong

from fpgaae.config.experiment import Firmware
from fpgaae.golden.loaded_thresholds import with_loaded
from fpgaae.prove.build import prepare
from fpgaae.prove.refute import find_refutation
from fpgaae.prove.sources import SourceProof, Sources, prove_sources

pytestmark = pytest.mark.usefixtures("compiler")
_TRIGGER, _FRONT_END = "firmware/autoencoder_trigger.cpp", "firmware/fpgaae_front_end.h"
_DECIDE, _COMPARED = "    accept = fpgaae::decide<", "accept[i] = code > thresholds[i];"
_DAMAGES = {
    "at the threshold": (_FRONT_END, _COMPARED, "accept[i] = code >= thresholds[i];", "1 is added to the score"),
    "one code late": (_FRONT_END, _COMPARED, "accept[i] = code > thresholds[i] + 1;", "-1 is added to the score"),
    "another order": (
        _FRONT_END, _COMPARED, "accept[i] = code > thresholds[N - 1 - i];", "it compares the score with threshold 2",
    ),
    "one index": (_TRIGGER, _DECIDE, f"    thresholds[1] = thresholds[0];\n{_DECIDE}", "with threshold 0"),
    "held": (_TRIGGER, _DECIDE, f"    thresholds[0] = @TRAINED@;\n{_DECIDE}", "compares something else than the score"),
    "too narrow": (_TRIGGER, _DECIDE, f"    thresholds[1] = ap_uint<3>(thresholds[1]);\n{_DECIDE}", "something else"),
    "not compared": (_FRONT_END, _COMPARED, "accept[i] = 0;", "it is always 0"),
}  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile what all projects share."""
    return prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def sound(written: Callable[..., WrittenNetwork]) -> Sources:
    """A project whose thresholds are a port."""
    return sources_of(written(autoencoder((3,), 2), 6, Firmware(reloadable_thresholds=True)))


def _damaged(sound: Sources, folder: Path, damage: str) -> Sources:
    file, old, new, _ = _DAMAGES[damage]
    project = Path(shutil.copytree(sound.project, folder / "project"))
    text = (project / file).read_text()
    assert old in text
    new = new.replace("@TRAINED@", str(sound.trigger.thresholds[0]))
    (project / file).write_text(text.replace(old, new, 1))
    return replace(sound, project=project, edited=(file,))


def _proof(sources: Sources, folder: Path, prepared: Path) -> SourceProof:
    folder.mkdir()
    return prove_sources(sources, folder, prepared)


def test_any_threshold_is_proven(sound: Sources, prepared: Path, tmp_path: Path) -> None:
    proof = _proof(sound, tmp_path / "proof", prepared)
    assert not wrong(proof)
    assert proof.findings["accept"].how == "each comparison of any score with any threshold that is loaded"
    others = replace(sound, trigger=with_loaded(sound.trigger, sound.trigger.thresholds * 0 + 5))
    assert not wrong(_proof(others, tmp_path / "others", prepared)), "what is loaded now does not matter"


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_damaged_decision_is_not_proven(sound: Sources, prepared: Path, tmp_path: Path, damage: str) -> None:
    proof = _proof(_damaged(sound, tmp_path, damage), tmp_path / "proof", prepared)
    assert list(wrong(proof)) == ["accept"]
    assert _DAMAGES[damage][-1] in wrong(proof)["accept"]


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["at the threshold", "held"])
def test_an_event_shows_it(sound: Sources, prepared: Path, tmp_path: Path, damage: str) -> None:
    """Where the threshold is that which was trained, only other thresholds show that it is held."""
    sources = _damaged(sound, tmp_path, damage)
    proof = _proof(sources, tmp_path / "proof", prepared)
    pool = random_hardware(sources.trigger.features, 50)
    found = find_refutation(sources, proof, pool, 1, tmp_path)
    assert found is not None
    assert (found.layer, found.decision_differs, found.score_differs) == ("accept", True, False)
    assert bool(found.thresholds) is (damage == "held")
