"""From its name to the class of a layer or score: the modules of `golden/layers` and `golden/scores` define them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import TypeVar

from fpgaae.golden import layers, scores
from fpgaae.golden.layers.base import KINDS, Layer

_Entry = TypeVar("_Entry")


@cache
def layer_classes() -> Mapping[str, type[Layer]]:
    """Give the class of every kind of layer by its name, scores among them."""
    for package in (layers, scores):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(KINDS)


def layer_class(kind: str) -> type[Layer]:
    """Give the class of a kind of layer.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if kind not in layer_classes():
        raise ValueError(f"{kind!r} is no kind of layer")
    return layer_classes()[kind]


def entry_of(table: Mapping[type, _Entry], kind: type[Layer]) -> _Entry | None:
    """Give what a table by class has for a kind: its own entry, or that of the class it is an instance of."""
    return next((table[base] for base in kind.__mro__ if base in table), None)
