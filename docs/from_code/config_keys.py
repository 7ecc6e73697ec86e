"""The page of all keys of an experiment and of a scan, from the pydantic models that validate them."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from fpgaae.config.data import reader_module
from fpgaae.config.experiment import Config
from fpgaae.data import domains
from fpgaae.methods.base import MethodOptions
from fpgaae.methods.registry import method_class, method_kinds
from fpgaae.scan.plan import ScanConfig
from fpgaae.section import Section
from from_code.comments import cell, field_comments, paragraphs

_HEAD = """# Keys of a config

Every key of an experiment's YAML file, as it is validated; a key that is not here is refused, with its line. A key
without a default is required, but for those that a base of `extends` gives. `extends: FILE` (or a list of them,
`config:NAME`, `preset:NAME`) starts from other files, the later over the former; `null` in the place of a section takes
it away.

[An annotated example](../experiments.md) says how the sections belong together.
"""
_NAMES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}
Schema = Mapping[str, Any]


def config_page() -> str:
    """Give the page in Markdown."""
    parts = [_HEAD, *_sections(Config, "an experiment", set())]
    shared = set(MethodOptions.model_fields)
    parts.append(
        "## By kind of method\n\n`method` of a float method has these keys beside those of "
        f"{_link('MethodOptions')} ([what they are](../reference.md)).\n"
    )
    for kind in method_kinds():
        options = method_class(kind).options_class
        own = {key: value for key, value in options.model_json_schema()["properties"].items() if key not in shared}
        if own:
            parts.append(f"### `method: {{kind: {kind}}}`\n\n{_table(options, {'properties': own})}")
    parts.append("## By reader\n\n`data.options` of a `data.reader` ([what they read](../domains.md)).\n")
    for reader in _readers():
        options = reader_module(reader).READER.options
        parts.append(f"### `data: {{reader: {reader}}}`\n\n{_table(options, options.model_json_schema())}")
    parts += ["## A scan\n\nThe file of `fpgaae scan` ([how](../scan.md)).\n", *_sections(ScanConfig, "a scan", set())]
    return "\n".join(parts)


def _readers() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(domains.__path__))


def section_classes() -> dict[str, type[Section]]:
    """Give every class of a section by its name."""
    return {kind.__name__: kind for kind in _below(Section)}


def _below(kind: type[Section]) -> Iterator[type[Section]]:
    for own in kind.__subclasses__():
        yield own
        yield from _below(own)


def _sections(top: type[Section], title: str, seen: set[str]) -> Iterator[str]:
    """Give a part for each section, in the order in which they are named."""
    schema = top.model_json_schema()
    classes, definitions = section_classes(), schema.get("$defs", {})
    yield f"(key-{top.__name__.lower()})=\n## {title[0].upper() + title[1:]}\n\n{_table(top, schema)}"
    waiting = [(name, key) for key, value in schema["properties"].items() for name in _named(value)]
    while waiting:
        name, path = waiting.pop(0)
        definition = definitions[name]
        if name in seen or "properties" not in definition:
            continue
        seen.add(name)
        about = paragraphs(classes[name].__doc__)
        yield f"(key-{name.lower()})=\n### `{path}`\n\n{about}\n\n{_table(classes[name], definition)}"
        below = [(own, f"{path}.{key}") for key, value in definition["properties"].items() for own in _named(value)]
        waiting = below + waiting


def _named(schema: Any) -> Iterator[str]:  # noqa: ANN401
    """Name the definitions that a schema refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for key, value in schema.items():
            if key != "default":
                yield from _named(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _named(value)


def _table(kind: type[Section], schema: Schema) -> str:
    comments, required = field_comments(kind), set(kind.model_json_schema().get("required", ()))
    top = kind.model_json_schema()
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in schema["properties"].items():
        default = "required" if key in required else _default(value)
        said = cell(comments.get(key, "") or _about_section(value))
        rows.append(f"| `{key}` | {cell(_value(value, top.get('$defs', {})))} | {cell(default)} | {said} |")
    return "\n".join(rows) + "\n"


def _about_section(schema: Schema) -> str:
    """Give the first sentence of the section that a key holds."""
    classes = section_classes()
    kinds = [classes[name] for name in _named(schema) if name in classes]
    return paragraphs(kinds[0].__doc__).split(".\n")[0].split(". ")[0].rstrip(".") if len(kinds) == 1 else ""


def _default(schema: Schema) -> str:
    if "default" not in schema or ("$ref" in schema and isinstance(schema["default"], dict)):
        return "" if "$ref" not in schema else "its own"
    default = schema["default"]
    return "none" if default in ([], {}, [{}]) else f"`{json.dumps(default, ensure_ascii=False)}`".replace('"', "")


def _value(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """Say in words which values there are."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        known = definitions.get(name, {})
        return " or ".join(f"`{value}`" for value in known["enum"]) if "enum" in known else _link(name)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return ", or ".join(dict.fromkeys(_value(one, definitions) for one in schema[several]))
    if choices := schema.get("enum", [schema[key] for key in ("const",) if key in schema]):
        return " or ".join(f"`{value}`" for value in choices)
    if schema.get("type") == "array":
        return _list(schema, definitions)
    if schema.get("type") == "object":
        inner = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
        return f"by name: {_value(inner, definitions)}" if isinstance(inner, dict) and inner else "by name: any"
    return _scalar(schema)


def _list(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(_value(one, definitions) for one in schema['prefixItems'])}]"
    ends = [schema.get("minItems"), schema.get("maxItems")]
    length = {(False, False): "", (True, False): f" ({ends[0]} or more)"}.get(
        (ends[0] is not None, ends[1] is not None), f" ({ends[0] or 0} to {ends[1]})"
    )
    return f"list{length} of: {_value(schema.get('items', {}), definitions)}"


def _scalar(schema: Schema) -> str:
    name = _NAMES.get(schema.get("type", ""), "any")
    if "pattern" in schema:
        return f"{name} like `{schema['pattern']}`"
    low = _end(schema, "minimum", "exclusiveMinimum", "from", "above")
    high = _end(schema, "maximum", "exclusiveMaximum", "to", "below")
    return " ".join(part for part in (name, low, high) if part)


def _end(schema: Schema, closed: str, open_: str, of_closed: str, of_open: str) -> str:
    if closed in schema:
        return f"{of_closed} {_number(schema[closed])}"
    return f"{of_open} {_number(schema[open_])}" if open_ in schema else ""


def _number(value: float) -> str:
    size = abs(int(value))
    if size >= 2**16 and size == value and size.bit_count() == 1:
        return f"2^{size.bit_length() - 1}"
    if size >= 2**16 and -value == size and size.bit_count() == 1:
        return f"-2^{size.bit_length() - 1}"
    return f"{value:,.0f}" if 1000 <= size == abs(value) < 1e6 else f"{value:g}"


def _link(name: str) -> str:
    return f"[{name}](#key-{name.lower()})"
