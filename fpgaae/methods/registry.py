"""From the `kind` of a method to its class: every file of `fpgaae/methods/kinds` is one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import partial
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from fpgaae.methods import kinds
from fpgaae.methods.base import Method, MethodOptions
from fpgaae.methods.ensemble import LEARNING_RATE, Ensemble
from fpgaae.section import is_class_of

METHOD_KEY, EMBEDDING_KEY = "method", "training.embedding"  # where a method stands in a config


def method_kinds() -> tuple[str, ...]:
    """Name every method that there is."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(kinds.__path__)))


def method_class(kind: str, key: str = METHOD_KEY) -> type[Method]:
    """Give the class of a method: the one that its file defines.

    Parameters
    ----------
    key
        Where the method stands in the config.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if kind not in method_kinds():
        raise ValueError(f"{key}.kind: no method is called `{kind}`; the methods are {', '.join(method_kinds())}")
    module = importlib.import_module(f"{kinds.__name__}.{kind}")
    classes = (found for found in vars(module).values() if is_class_of(found, Method))  # type: ignore[type-abstract]
    return next(found for found in classes if found.__module__ == module.__name__)


def _validated(section: str, value: object) -> object:
    """Validate the section by the options of its own method, with the key in front of what is wrong."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return value  # the base class says what is missing
    options = method_class(value["kind"], section).options_class
    for key in value:
        if key not in options.model_fields:
            raise ValueError(
                f"{section}.{key}: unknown key of the method {value['kind']}; known keys are "
                f"{', '.join(options.model_fields)}"
            )
    try:
        return options.model_validate(value)
    except ValidationError as error:
        detail = error.errors()[0]
        key = ".".join(map(str, (section, *detail["loc"])))
        message = detail["msg"].removeprefix("Value error, ")
        raise ValueError(f"{key}: {message[0].lower()}{message[1:]} (given: {detail['input']!r})") from None


MethodSection = Annotated[SerializeAsAny[MethodOptions], BeforeValidator(partial(_validated, METHOD_KEY))]
EmbeddingSection = Annotated[SerializeAsAny[MethodOptions], BeforeValidator(partial(_validated, EMBEDDING_KEY))]


def has_closed_form(kind: str) -> bool:
    """Tell whether a method has its weights without a training."""
    return method_class(kind).solve is not Method.solve


class Shapes(NamedTuple):
    """The sizes of a config's network that a method depends on."""

    n_features: int
    latent: int
    embedding: int | None = None  # width of what stands in front of its encoder


def check_method(options: MethodOptions, ensemble: Ensemble, shapes: Shapes, key: str = METHOD_KEY) -> None:
    """Refuse what only the whole config shows to be wrong.

    Parameters
    ----------
    key
        Where the method stands in the config.

    Raises
    ------
    ValueError
        With the key in front.
    """
    found = method_class(options.kind)
    if found.embeds != (shapes.embedding is not None):
        needed = "needs one, as in {encoder: [64, 32], width: 8}" if found.embeds else "has none; set it to null"
        raise ValueError(f"model.embedding: the method {options.kind} {needed}")
    n_inputs = shapes.n_features if shapes.embedding is None else shapes.embedding
    if shapes.latent > n_inputs and not found.over_complete:
        raise ValueError(
            f"model.latent: {shapes.latent} latents are more than the {n_inputs} inputs, so that the method "
            f"{options.kind} would learn the identity; give fewer, or use the method sparse or denoising"
        )
    known = score_names(found)
    for score in options.scores:
        if score not in known:
            raise ValueError(
                f"{key}.scores: the method {options.kind} has no score `{score}`; it has {', '.join(known)}"
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
