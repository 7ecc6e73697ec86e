"""Records as JSON and back: frozen dataclasses and named tuples, nested in each other, in tuples and in mappings.

A field with a default is left out of the JSON while it has that value. What is read is checked key by key against the
types of the fields, and refused with the path of the first key that is wrong.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from fpgaae.errors import InputError
from fpgaae.files import Json, read_json

Record = TypeVar("Record")
_SCALARS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", NoneType: "null"}
_SHOWN = 40  # characters of a wrong value


class _Wrong(Exception):
    """What is wrong with a value, and at which path."""


class _Field(NamedTuple):
    name: str
    type: Any
    default: Any
    is_optional: bool


def as_json(record: Any) -> Json:  # noqa: ANN401
    """Give the JSON object of a record: its fields in their order."""
    content, kind = {}, record.__class__
    for field in _fields(kind):
        value = getattr(record, field.name)
        if not (field.is_optional and value == field.default):
            content[field.name] = plain(value)
    return content


def read_record(kind: type[Record], file: Path, cure: str) -> Record:
    """Read a JSON file as a record.

    Parameters
    ----------
    cure
        What to do where the file does not hold one, such as "run `fpgaae data CONFIG --force`".

    Raises
    ------
    InputError
        If the file is missing or damaged, or a key is missing, unknown or of another type.
    """
    return from_json(kind, read_json(file), f"{file}: ", cure)


def from_json(kind: type[Record], content: object, where: str, cure: str) -> Record:
    """Make a record of plain values.

    Parameters
    ----------
    where
        Stands in front of the path of a wrong key, such as "FILE: ".

    Raises
    ------
    InputError
        If a key is missing, unknown or of another type.
    """
    try:
        record: Record = _record(kind, content, "")
    except _Wrong as error:
        raise InputError(f"{where}{error}; {cure}") from None
    return record


@cache
def _fields(kind: Any) -> tuple[_Field, ...]:  # noqa: ANN401
    """Give the fields of a record class."""
    hints = get_type_hints(kind)
    if dataclasses.is_dataclass(kind):
        defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    else:
        defaults = {name: kind._field_defaults.get(name, dataclasses.MISSING) for name in kind._fields}
    return tuple(
        _Field(name, hints[name], default, default is not dataclasses.MISSING) for name, default in defaults.items()
    )


def _is_record(kind: Any) -> bool:  # noqa: ANN401
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"))


def plain(value: Any) -> Any:  # noqa: ANN401
    """Give records, mappings and tuples as JSON writes them."""
    if _is_record(type(value)):
        return as_json(value)
    if isinstance(value, Mapping):
        return {key: plain(own) for key, own in value.items()}
    if isinstance(value, tuple | list):
        return [plain(own) for own in value]
    return value


def _record(kind: Any, content: Any, path: str) -> Any:  # noqa: ANN401
    """Read an object; a class that stands for several forms says by its keys which one it is."""
    if not isinstance(content, dict):
        raise _Wrong(f"{path or 'the content'} is {_shown(content)}, not an object")
    if (form := getattr(kind, "form", None)) is not None:
        kind = form(content)
    fields = {field.name: field for field in _fields(kind)}
    for name in (name for name, field in fields.items() if name not in content and not field.is_optional):
        raise _Wrong(f"{_joined(path, name)} is missing")
    for name in (name for name in content if name not in fields):
        raise _Wrong(f"{_joined(path, name)} is unknown to this version")
    return kind(**{name: _value(fields[name].type, own, _joined(path, name)) for name, own in content.items()})


def _value(kind: Any, content: Any, path: str) -> Any:  # noqa: ANN401
    """Read a value of the type of a field."""
    if kind is Any:
        return content
    if kind in _SCALARS:
        if not _fits(kind, content):
            raise _Wrong(f"{path} is {_shown(content)}, not {_SCALARS[kind]}")
        return content
    if _is_record(kind):
        return _record(kind, content, path)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return _one_of(arguments, content, path)
    if origin is tuple:
        return tuple(_items(arguments, content, path))
    if origin is Mapping:
        if not isinstance(content, dict):
            raise _Wrong(f"{path} is {_shown(content)}, not an object")
        return {name: _value(arguments[1], own, _joined(path, name)) for name, own in content.items()}
    raise TypeError(f"a record can't hold {kind}")


def _one_of(kinds: tuple[Any, ...], content: Any, path: str) -> Any:  # noqa: ANN401
    """Read a value of one of several types, of which one at most is no plain value."""
    if any(kind in _SCALARS and _fits(kind, content) for kind in kinds):
        return content
    others = [kind for kind in kinds if kind not in _SCALARS]
    if not others:
        names = " or ".join(_SCALARS[kind] for kind in kinds)
        raise _Wrong(f"{path} is {_shown(content)}, not {names}")
    return _value(others[0], content, path)


def _items(kinds: tuple[Any, ...], content: Any, path: str) -> Iterator[Any]:  # noqa: ANN401
    if not isinstance(content, list):
        raise _Wrong(f"{path} is {_shown(content)}, not a list")
    if len(kinds) == 2 and kinds[1] is ...:
        kinds = (kinds[0],) * len(content)
    if len(kinds) != len(content):
        raise _Wrong(f"{path} has {len(content)} entries instead of {len(kinds)}")
    for index, (kind, own) in enumerate(zip(kinds, content, strict=True)):
        yield _value(kind, own, f"{path}[{index}]")


def _fits(kind: type[Any], content: Any) -> bool:  # noqa: ANN401
    """Tell whether a plain value is of a type; a whole number is a number, true and false are none."""
    if isinstance(content, bool):
        return kind is bool
    return isinstance(content, int | float if kind is float else kind)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(content: Any) -> str:  # noqa: ANN401
    if isinstance(content, dict | list):
        return "an object" if isinstance(content, dict) else "a list"
    text = json.dumps(content)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
