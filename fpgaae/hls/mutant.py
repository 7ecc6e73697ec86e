"""Mutants of any target: one edit of a source each, such as a slip of the hand or a broken generator would make.

A target (HLS, RTL, emulator) supplies its kinds of damage and the check that must catch them; which places are chosen,
and that a kind which a project has no place for is named, is the same for all.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatch
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from fpgaae.errors import InputError
from fpgaae.files import lock
from fpgaae.fixedpoint import FixedPointType
from fpgaae.processes import programs_limited
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.results.mutants import NotMade

_TRIES = 40  # in a row without a new mutant, until a kind counts as used up
_SHOWN = 70  # characters of a changed text


@dataclass(frozen=True)
class Mutant:
    """An edit of a project, by file relative to it, and what it damages."""

    damage: Enum
    layer: str  # the first layer that it can change; of a target that checks no layers, the file
    description: str
    edits: Mapping[str, str] = field(repr=False)  # file -> its damaged text
    name: str = ""  # of the type, array or feature that is damaged
    new_type: FixedPointType | None = None
    proof: str | None = None  # why it computes the same, where it does


class Sources(Protocol):
    """The text files of a written project."""

    @property
    def project(self) -> Path:
        """Its folder."""

    def files(self) -> Sequence[str]:
        """Name the files that may be damaged, relative to the folder, in a fixed order."""

    def text(self, file: str) -> str:
        """Read a source."""

    def is_used(self, file: str, place: int) -> bool:
        """Tell whether what stands at a place of a file is built into the project."""


S = TypeVar("S")
S_sources = TypeVar("S_sources", bound=Sources)
Maker = Callable[[S, np.random.Generator], "Mutant | None"]


@dataclass(frozen=True)
class Kind(Generic[S]):
    """A kind of damage: how a mutant of it is made at a place that is drawn, and what a project without one lacks."""

    damage: Enum
    make: Maker[S]
    lacks: str


class Made(NamedTuple):
    """The mutants, and the kinds of which there is none."""

    mutants: list[Mutant]
    not_made: tuple[NotMade, ...]


def make_mutants(sources: S, kinds: Sequence[Kind[S]], n: int, seed: int) -> Made:
    """Make n different mutants, the kinds of damage in turn, as far as the project has what they damage.

    Raises
    ------
    InputError
        If the project does not have so many different places.
    """
    rng = np.random.default_rng(seed)
    used_up: set[int] = set()
    mutants: list[Mutant] = []
    seen: set[str] = set()
    counts = [0] * len(kinds)
    while len(mutants) < n:
        if len(used_up) == len(kinds):
            raise InputError(f"the project has only {len(mutants)} different places to damage; ask for fewer mutants")
        for index, kind in enumerate(kinds):
            if index in used_up or len(mutants) == n:
                continue
            mutant = _new_mutant(kind, sources, rng, seen)
            if mutant is None:
                used_up.add(index)
                continue
            seen.add(mutant.description)
            counts[index] += 1
            mutants.append(mutant)
    return Made(mutants, tuple(_not_made(kinds, counts, used_up)))


def _not_made(kinds: Sequence[Kind[S]], counts: Sequence[int], used_up: set[int]) -> Iterator[NotMade]:
    """Name the kinds of damage of which there is no mutant."""
    made = {kind.damage for kind, count in zip(kinds, counts, strict=True) if count}
    for damage in dict.fromkeys(kind.damage for kind in kinds if kind.damage not in made):
        own = [index for index, kind in enumerate(kinds) if kind.damage is damage]
        lacks = "; ".join(dict.fromkeys(kinds[index].lacks for index in own))
        reason = lacks if used_up.issuperset(own) else "its turn has not come; ask for more mutants"
        yield NotMade(damage=str(damage.value), reason=reason)


def _new_mutant(kind: Kind[S], sources: S, rng: np.random.Generator, seen: set[str]) -> Mutant | None:
    for _ in range(_TRIES):
        mutant = kind.make(sources, rng)
        if mutant is not None and mutant.description not in seen:
            return mutant
    return None


def pick(rng: np.random.Generator, choices: Sequence[object]) -> int:
    """Draw the index of a choice."""
    return int(rng.integers(len(choices)))


class Slip(NamedTuple):
    """What is written in another way: a pattern in some files, and what may take the place of a match."""

    files: str  # a pattern of names, such as `firmware/*.h`
    pattern: str
    replacements: tuple[str, ...]  # templates of `re.Match.expand`
    proof: str | None = None  # why it computes the same, where it does


class _Place(NamedTuple):
    file: str
    text: str
    match: re.Match[str]
    replacement: str
    proof: str | None


def slips(
    damage: Enum,
    lacks: str,
    *given: Slip,
    layer: Callable[[S_sources, str], str] = lambda _, file: file,
    applies: Callable[[S_sources], bool] = lambda _: True,
) -> Kind[S_sources]:
    """Make a kind of damage out of slips of the hand; each slip is as likely as the other, wherever it finds places.

    Parameters
    ----------
    layer
        Gives the first layer that the damage of a file can change.
    applies
        Tells whether a project has what is damaged.
    """

    def make(sources: S_sources, rng: np.random.Generator) -> Mutant | None:
        if not applies(sources):
            return None
        for index in rng.permutation(len(given)).tolist():
            if places := list(_places(sources, given[index])):
                place = places[pick(rng, places)]
                return replaced(damage, layer(sources, place.file), place)
        return None

    return Kind(damage, make, lacks)


def _places(sources: Sources, slip: Slip) -> Iterator[_Place]:
    for file in sources.files():
        if fnmatch(file, slip.files):
            text = sources.text(file)
            for match in re.finditer(slip.pattern, text, re.MULTILINE):
                if not sources.is_used(file, match.start()):
                    continue
                for template in slip.replacements:
                    replacement = match.expand(template)
                    if replacement != match[0]:
                        yield _Place(file, text, match, replacement, slip.proof)


def replaced(damage: Enum, layer: str, place: _Place) -> Mutant:
    """Give the mutant with a match replaced."""
    match, line = place.match, place.text.count("\n", 0, place.match.start()) + 1
    edited = place.text[: match.start()] + place.replacement + place.text[match.end() :]
    old, new = _difference(match[0], place.replacement)
    what = f"{place.file}, line {line}: `{old}` becomes `{new}`"
    return Mutant(damage, layer, what, {place.file: edited}, proof=place.proof)


def _difference(old: str, new: str) -> tuple[str, str]:
    """Give two texts in a line each, without what they have in common before and behind, but for a few words."""
    old, new = (" ".join(text.split()) for text in (old, new))
    first = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(first - _SHOWN // 2, 0)
    return tuple(f"{'...' * bool(start)}{text[start : start + _SHOWN]}" for text in (old, new))  # type: ignore[return-value]


@contextmanager
def damaged_copies(experiment: Experiment) -> Iterator[Path]:
    """Give a folder for the damaged copies of an experiment, which no other process works on meanwhile.

    The programs that judge them have the limit of the config.
    """
    with (
        lock(experiment.folder),
        programs_limited(experiment.config.tools.limit_s),
        tempfile.TemporaryDirectory(dir=experiment.folder, prefix=".mutants-") as folder,
    ):
        yield Path(folder)
