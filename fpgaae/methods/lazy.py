"""Keras 3, imported when it is first used: so that the options of a method and its networks stand in one file.

A config is validated by every command, and most of them never need Keras.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from fpgaae.errors import InputError
from fpgaae.optional import require


class _LazyModule:
    """Stands for a module until one of its attributes is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401
        return getattr(importlib.import_module(self._name), attribute)


keras: Any = _LazyModule("keras")
ops: Any = _LazyModule("keras.ops")


def input_gradient(function: Callable[[Any], Any], x: Any) -> Any:  # noqa: ANN401
    """Give the gradient of a scalar function of tensors by autodiff, which JAX alone has as a function.

    Raises
    ------
    InputError
        If Keras has another backend.
    """
    jax = require("jax", "methods that need the gradient of their inputs train on it only")
    if keras.backend.backend() != "jax":
        raise InputError(
            f"this method needs the gradient of its inputs, which the backend {keras.backend.backend()} of Keras gives "
            "to no function; set KERAS_BACKEND=jax"
        )
    return jax.grad(function)(x)
