"""The base of every part of a YAML file: unknown keys are refused, values can't be changed."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeGuard, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Lsb = Annotated[float, Field(ge=1e-9, le=1e9)]  # what a step of an integer stands for
Number = Annotated[float, Field(ge=-1e30, le=1e30)]  # float32 holds its square roots and sums

T = TypeVar("T")


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values can't be changed, true and false are no numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_is_a_number(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
        if _holds_boolean(value) and info.field_name in _fields_of_numbers(cls):
            raise ValueError("true and false are no numbers; write 1 or 0 where one is meant")
        return value


def is_class_of(kind: object, base: type[T]) -> TypeGuard[type[T]]:
    """Tell a class of this base; to Python 3.10 `dict[str, int]` is a type, too, but none that issubclass takes."""
    return isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, base)


def _holds_boolean(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_holds_boolean, value)))


@cache
def _fields_of_numbers(section: type[Section]) -> frozenset[str]:
    """Name the fields that may be numbers, and not true or false as well."""
    plain = {name: _plain_types(field.annotation) for name, field in section.model_fields.items()}
    return frozenset(name for name, types in plain.items() if types & {int, float} and not types & {bool, Any})


def _plain_types(annotation: Any) -> set[Any]:  # noqa: ANN401
    inner = get_args(annotation)
    return {annotation} if not inner else set().union(*map(_plain_types, inner))
