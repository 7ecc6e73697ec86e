"""What the value of a Keras setting may look like: predicates on plain values that anybody may have written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fpgaae.errors import InputError
from fpgaae.fixedpoint import parse_type

Form = Callable[[Any], bool]


def entries(value: Any) -> list[Any]:  # noqa: ANN401
    """Give the entries of nested lists, or the one value."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [entry for part in value for entry in entries(part)]
    return [value]


def one_of(*values: Any) -> Form:  # noqa: ANN401
    """Allow some values, also where each dimension has its own; a policy stands for the type that it names."""

    def allows(value: Any) -> bool:  # noqa: ANN401
        if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping):
            value = value["config"].get("name", value)
        found = entries(value)
        return bool(found) and all(any(entry == allowed for allowed in values) for entry in found)

    return allows


def is_plain(value: Any) -> bool:  # noqa: ANN401
    """Allow a number, a text, and lists of them."""
    return all(entry is None or isinstance(entry, bool | int | float | str) for entry in entries(value))


def _is_whole(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int) and not isinstance(value, bool)


def is_count(value: Any) -> bool:  # noqa: ANN401
    """Allow a positive whole number."""
    return _is_whole(value) and value > 0


def is_window(value: Any) -> bool:  # noqa: ANN401
    """Allow a positive whole number, or one for each dimension."""
    found = entries(value)
    return bool(found) and all(is_count(entry) for entry in found)


def is_extent(value: Any) -> bool:  # noqa: ANN401
    """Allow whole numbers from zero on, or pairs of them."""
    found = entries(value)
    return bool(found) and all(_is_whole(entry) and entry >= 0 for entry in found)


def is_offset(value: Any) -> bool:  # noqa: ANN401
    """Allow whole numbers of either sign."""
    found = entries(value)
    return bool(found) and all(_is_whole(entry) for entry in found)


def is_single_axis(value: Any) -> bool:  # noqa: ANN401
    """Allow one axis, also in a list."""
    found = entries(value)
    return len(found) == 1 and _is_whole(found[0])


def is_switch(value: Any) -> bool:  # noqa: ANN401
    """Allow yes or no."""
    return isinstance(value, bool) or value in (0, 1)


def is_shape(value: Any) -> bool:  # noqa: ANN401
    """Allow the extents of an event, of which one may be left open as -1."""
    found = entries(value)
    return bool(found) and all(is_count(entry) or (_is_whole(entry) and entry == -1) for entry in found)


def is_magnitude(value: Any) -> bool:  # noqa: ANN401
    """Allow a finite number that is not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def is_numbers(value: Any) -> bool:  # noqa: ANN401
    """Allow a finite number, or lists of them, or none at all."""
    return value is None or all(
        isinstance(entry, int | float) and not isinstance(entry, bool) and math.isfinite(entry)
        for entry in entries(value)
    )


def is_magnitudes(value: Any) -> bool:  # noqa: ANN401
    """Allow a number that is not negative, or lists of them, or none at all."""
    return value is None or all(is_magnitude(entry) for entry in entries(value))


def has_no_axis(value: Any) -> bool:  # noqa: ANN401
    """Allow that there is no axis: None, which Keras saves as an empty list."""
    return value is None or (isinstance(value, list | tuple) and not value)


def is_type(value: Any) -> bool:  # noqa: ANN401
    """Allow the name of a fixed-point type."""
    try:
        return isinstance(value, str) and bool(parse_type(value))
    except InputError:
        return False
