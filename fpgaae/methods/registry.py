"""From the `kind` of a method to its class: every file of `fpgaae/methods/kinds` is one."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from fpgaae.methods import kinds
from fpgaae.methods.base import Method, MethodOptions
from fpgaae.methods.ensemble import LEARNING_RATE, Ensemble
from fpgaae.section import is_class_of


def method_kinds() -> tuple[str, ...]:
    """Name every method that there is."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(kinds.__path__)))


def method_class(kind: str) -> type[Method]:
    """Give the class of a method: the one that its file defines.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if kind not in method_kinds():
        raise ValueError(f"method.kind: no method is called `{kind}`; the methods are {', '.join(method_kinds())}")
    module = importlib.import_module(f"{kinds.__name__}.{kind}")
    classes = (found for found in vars(module).values() if is_class_of(found, Method))  # type: ignore[type-abstract]
    return next(found for found in classes if found.__module__ == module.__name__)


def _validated(value: object) -> object:
    """Validate the section by the options of its own method, with the key in front of what is wrong."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return value  # the base class says what is missing
    options = method_class(value["kind"]).options_class
    for key in value:
        if key not in options.model_fields:
            raise ValueError(
                f"method.{key}: unknown key of the method {value['kind']}; known keys are "
                f"{', '.join(options.model_fields)}"
            )
    try:
        return options.model_validate(value)
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(map(str, ("method", *detail["loc"])))
        message = detail["msg"].removeprefix("Value error, ")
        raise ValueError(f"{key}: {message[0].lower()}{message[1:]} (given: {detail['input']!r})") from None


MethodSection = Annotated[SerializeAsAny[MethodOptions], BeforeValidator(_validated)]


def check_method(options: MethodOptions, ensemble: Ensemble, latent: int, n_features: int) -> None:
    """Refuse what only the whole config shows to be wrong.

    Raises
    ------
    ValueError
        With the key in front.
    """
    found = method_class(options.kind)
    if latent > n_features and not found.over_complete:
        raise ValueError(
            f"model.latent: {latent} latents are more than the {n_features} inputs, so that the method {options.kind} "
            "would learn the identity; give fewer, or use the method sparse or denoising"
        )
    known = score_names(found)
    for score in options.scores:
        if score not in known:
            raise ValueError(
                f"method.scores: the method {options.kind} has no score `{score}`; it has {', '.join(known)}"
            )
    variable = (LEARNING_RATE, *options.knobs)
    for point in ensemble.points:
        for name in point:
            if name not in variable:
                raise ValueError(
                    f"ensemble.points: the method {options.kind} has no number `{name}` to vary; it has "
                    f"{', '.join(variable)}"
                )


def score_names(method: type[Method]) -> tuple[str, ...]:
    """Name the scores of a method, which do not depend on its options or networks."""
    unbound: Any = method.__new__(method)
    return tuple(unbound.scores())
