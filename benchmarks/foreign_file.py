"""A model file of a benchmark, and how it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Saved(NamedTuple):
    """A model on disk."""

    model: Path
    shape: tuple[int, ...]  # of the events
    asked: Mapping[str, Any] = {}  # arguments of `fpgaae.import_model`
    config: Mapping[str, Any] = {}  # what differs from the usual config
    refusal: str | None = None  # what the sentence says, of a model that is to be refused
    least_db: float | None = None  # that every layer keeps
    unit: int = 4  # fraction bits of the inputs


ENCODER: Mapping[str, Any] = {"model": {"kind": "variational", "score": "mu_squared"}}
