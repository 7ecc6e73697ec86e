"""Mutants at the edges of a trigger block: every incident is made, at the port or layer that it says."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import word_objects
from compiled_block import make_block
from support import trigger_objects

from fpgaae.hls.boundary_mutants import BOUNDARY_KINDS, Incident
from fpgaae.hls.mutant import Mutant, make_mutants
from fpgaae.hls.project_sources import Array

LAYERS = ("features", "encoder", "score", "accept")
WORDS = (word_objects.HARDWARE, word_objects.word_features())
_WEIGHTS = "#ifdef X\nw_t w2[4] = {\n#else\ncsim::Table<w_t, 4> w2 = {\n#endif\n0.5, 1.0, -0.5, 0.25};\n"
AT_THE_INPUTS = {
    Incident.SCALED_PORT, Incident.TRUNCATED_PT, Incident.RECENTRED_PHI, Incident.OTHER_TURN, Incident.EMPTY_SLOT,
    Incident.OBJECT_ORDER,
}  # fmt: skip


def _sources(folder: Path, objects: Any, pack: int | None = None) -> Any:  # noqa: ANN401
    (folder / "firmware" / "weights").mkdir(parents=True)
    make_block(objects, [100, 7], pack=pack).write(folder)
    file = "firmware/weights/w2.h"
    (folder / file).write_text(_WEIGHTS)
    return SimpleNamespace(
        project=folder,
        layers=LAYERS,
        trigger="firmware/autoencoder_trigger.cpp",
        arrays=(Array("w2", "encoder", file, "w_t", (0.5, 1.0, -0.5, 0.25)),),
        text=lambda name: (folder / name).read_text(),
    )


def _calls(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if "fpgaae::scale<" in line]


def _changed(sources: Any, mutant: Mutant) -> dict[int, tuple[str, str]]:  # noqa: ANN401
    before, after = (_calls(text) for text in (sources.text(sources.trigger), mutant.edits[sources.trigger]))
    assert len(before) == len(after) == len(WORDS[1])
    return {i: pair for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]}


@pytest.mark.parametrize("pack", [None, 3], ids=["parallel", "stream"])
def test_every_incident_is_made_where_it_says(tmp_path: Path, pack: int | None) -> None:
    sources = _sources(tmp_path, WORDS, pack)
    made = make_mutants(sources, BOUNDARY_KINDS, 60, seed=1)
    assert not made.not_made
    assert {mutant.damage for mutant in made.mutants} == set(Incident)
    names = [feature.hardware.name for feature in WORDS[1].features]
    for mutant in made.mutants:
        assert all(text != sources.text(file) for file, text in mutant.edits.items()), mutant.description
        if mutant.damage in AT_THE_INPUTS:
            assert mutant.layer == "features"
            said = re.findall(r"(\w+)(?:\[\d\])?\.(pt|eta|phi)|(\w+)\[\d\] and", mutant.description.split(": ")[1])
            of = said[0][0] or said[0][2]
            assert {names[i].split("_")[0] for i in _changed(sources, mutant)} == {of}, mutant.description
        else:
            where = {Incident.OTHER_BUILD: "encoder", Incident.NEXT_THRESHOLD: "accept"}
            assert mutant.layer == where.get(mutant.damage, "score")


def test_the_damage_is_the_one_that_is_named(tmp_path: Path) -> None:
    sources = _sources(tmp_path, WORDS)
    of = {kind.damage: kind.make for kind in BOUNDARY_KINDS}
    rng = np.random.default_rng(1)

    def pairs(incident: Incident) -> list[tuple[str, str]]:
        made = [of[incident](sources, rng) for _ in range(20)]
        return [pair for mutant in made if mutant is not None for pair in _changed(sources, mutant).values()]

    assert all("phi_code<" in old and "phi_code<" not in new for old, new in pairs(Incident.RECENTRED_PHI))
    assert all("].pt" in old and ") = 0; return code; }(" in new for old, new in pairs(Incident.TRUNCATED_PT))
    assert all(old.split("(")[1:] == new.split("(")[1:] for old, new in pairs(Incident.SCALED_PORT))
    shifts = [[int(re.findall(r"scale<(-?\d+)>", text)[0]) for text in pair] for pair in pairs(Incident.SCALED_PORT)]
    assert {new - old for old, new in shifts} == {-1, 1}
    assert all(old.count("is_empty<") == new.count("is_empty<") for old, new in pairs(Incident.EMPTY_SLOT))
    slots = [[set(re.findall(r"muon\[(\d)\]", text)) for text in pair] for pair in pairs(Incident.OBJECT_ORDER)]
    assert all(old | new == {"0", "1"} and old != new for old, new in slots), "only the muons are two"


def test_what_a_project_of_integers_lacks_is_named(tmp_path: Path) -> None:
    plain = trigger_objects(9)
    made = make_mutants(_sources(tmp_path, (plain.hardware, plain.features)), BOUNDARY_KINDS, 20, seed=1)
    assert {lacking.damage: lacking.reason for lacking in made.not_made} == {
        "phi centred outside": "no phi is declared as a word",
        "steps of another turn": "no phi is declared as a word",
        "empty slot or overflow not told": "no pT is declared as a word",
        "order of objects": "no kind of object has two slots",
    }
