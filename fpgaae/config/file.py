"""Reading an experiment: its YAML file becomes a `Config`, or one sentence that names the key, the file and the line.

What an experiment may hold does not belong here: `config` says that.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError

from fpgaae.config.experiment import Config
from fpgaae.config.layers import LAYER_KINDS
from fpgaae.config.yaml_source import YamlSource, read_mapping, read_yaml
from fpgaae.errors import ConfigError
from fpgaae.section import Section, is_class_of

_SHOWN = 200  # characters of a wrong value


def load_config(file: Path, *, imported: bool = False) -> Config:
    """Read and validate an experiment; the layers of an imported model are not known here.

    Raises
    ------
    ConfigError
        With the key, the file and the line of the first thing that is wrong.
    """
    return validate_config(read_config(file), imported=imported)


def read_config(source: Path | Mapping[str, Any]) -> YamlSource:
    """Read the keys of an experiment from a file or from a mapping of the same content, not validated yet.

    Raises
    ------
    ConfigError
        If a file can't be read.
    """
    whole = frozenset({"files"})
    return read_yaml(source, whole) if isinstance(source, Path) else read_mapping(source, whole)


def validate_config(source: YamlSource, *, imported: bool = False) -> Config:
    """Validate an experiment that was read.

    Raises
    ------
    ConfigError
        With the key, the file and the line of the first thing that is wrong.
    """
    try:
        return Config.model_validate(source.content, context={"imported": imported})
    except ValidationError as error:
        raise ConfigError(first_error(error, source, Config)) from None


def first_error(error: ValidationError, source: YamlSource, model: type[Section]) -> str:
    """Say in one sentence what pydantic found: unknown keys first, since they explain missing ones.

    Parameters
    ----------
    model
        What the content was to be.
    """
    details = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    detail = details[0]
    path = [part for part in detail["loc"] if not _is_union_tag(part)]
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error" and ": " in message and message.split(": ")[0].count("."):
        key, message = message.split(": ", 1)
        path = [int(part) if part.isdigit() else part for part in key.split(".")]
    key = ".".join(str(part) for part in path) or "the config"
    where = source.position(path)
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key `{key}`{_suggestion(detail['loc'], model)}"
    if detail["type"] == "missing":
        return f"{where}: the key `{key}` is missing"
    given = detail["input"]
    shown = "" if isinstance(given, dict | Section) else f" (given: {_short(given)})"
    return f"{where}: `{key}`: {message[0].lower()}{message[1:]}{shown}"


def _short(given: Any) -> str:  # noqa: ANN401
    text = repr(given)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _is_union_tag(part: str | int) -> bool:
    """Tell whether pydantic put this into the path to name the branch of a union."""
    branches = ("literal[", "constrained-", "function-", "layer[", "entry[", "teacher[", "tuple[")
    return isinstance(part, str) and (part.startswith(branches) or part in {"int", "str"})


def _suggestion(path: tuple[int | str, ...], model: type[Section]) -> str:
    """Name the closest known key of the same section."""
    section: Any = model
    for part in path[:-1]:
        if part in LAYER_KINDS:
            section = LAYER_KINDS[str(part)]
        elif not _is_union_tag(part):
            section = _field_type(section, part)
        if section is None:
            return ""
    known = list(section.model_fields) if is_class_of(section, Section) else []
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; known keys are {', '.join(known)}" if known else ""


def _field_type(section: Any, part: str | int) -> Any:  # noqa: ANN401
    """Give the section behind a key, an index or a dictionary entry."""
    if is_class_of(section, Section):
        field = section.model_fields.get(str(part))
        section = field.annotation if field else None
    else:
        section = next((a for a in get_args(section)[::-1] if a is not Ellipsis), None)
    section = _plain(section)
    if get_origin(section) in {Union, UnionType}:
        kinds = map(_plain, get_args(section))
        section = next((kind for kind in kinds if is_class_of(kind, Section)), None)
    return section


def _plain(annotation: Any) -> Any:  # noqa: ANN401
    """Give a type without what is annotated to it."""
    return _plain(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation
