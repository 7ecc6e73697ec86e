"""Reading an experiment's YAML so that every key remembers the file and line it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from fpgaae.errors import ConfigError

EXTENDS = "extends"
PRESET_PREFIX = "preset:"
_PRESETS = Path(__file__).parent / "presets"


class Position(NamedTuple):
    """Where a key stands."""

    file: Path
    line: int

    def __str__(self) -> str:
        """Give `file, line N`."""
        return f"{self.file}, line {self.line}"


class YamlSource(NamedTuple):
    """The plain content of a YAML file and the position of each of its keys, by path."""

    content: dict[str, Any]
    positions: dict[tuple[str | int, ...], Position]

    def position(self, path: Sequence[str | int]) -> Position:
        """Give the position of a key, or of the nearest enclosing one."""
        for length in range(len(path), -1, -1):
            if (found := self.positions.get(tuple(path[:length]))) is not None:
                return found
        return Position(Path("config"), 1)


def read_yaml(file: Path, whole: frozenset[str] = frozenset()) -> YamlSource:
    """Read a YAML file; what a top-level `extends` names is read first and overridden.

    That is another file, relative to this one, `preset:NAME` of this package, or a list of these, each over the former.
    `null` takes an inherited mapping away, as in `layers: {mu: null}`.

    Parameters
    ----------
    whole
        Names of mappings that are replaced as a whole, where others are merged key by key.

    Raises
    ------
    ConfigError
        If a file is missing, is not YAML, has a key twice, is not a mapping, or extends itself.
    """
    return _read(file, (), whole)


def _read(file: Path, chain: tuple[Path, ...], whole: frozenset[str]) -> YamlSource:
    if file.resolve() in chain:
        raise ConfigError(f"{file} extends itself; remove its `{EXTENDS}` key")
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the config {file} can't be read: {error.strerror}; give the path of a YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the config {file} is not text; give the path of a YAML file") from None
    positions: dict[tuple[str | int, ...], Position] = {(): Position(file, 1)}
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        content = _construct(loader, root, (), file, positions) if root is not None else {}
        loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{file}, line {line} is not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConfigError(f"{file} is not valid YAML: an alias holds itself, or the nesting is too deep") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold `key: value` lines at its top level")
    base = content.pop(EXTENDS, None)
    if base is None:
        return YamlSource(content, positions)
    bases = base if isinstance(base, list) else [base]
    if not bases or not all(isinstance(name, str) for name in bases):
        raise ConfigError(f"{positions[(EXTENDS,)]}: `{EXTENDS}` must name one YAML file, or a list of them")
    below = YamlSource({}, {})
    for name in bases:
        parent = _read(_base_file(name, file, positions[(EXTENDS,)]), (*chain, file.resolve()), whole)
        below = YamlSource(_merge(below.content, parent.content, whole), below.positions | parent.positions)
    return YamlSource(_merge(below.content, content, whole), below.positions | positions)


def _base_file(name: str, file: Path, position: Position) -> Path:
    if not name.startswith(PRESET_PREFIX):
        return file.parent / name
    preset = name.removeprefix(PRESET_PREFIX)
    known = sorted(entry.stem for entry in _PRESETS.glob("*.yaml"))
    if preset not in known:
        raise ConfigError(f"{position}: there is no preset `{preset}`; there are {', '.join(known)}")
    return _PRESETS / f"{preset}.yaml"


def _construct(
    loader: yaml.SafeLoader,
    node: yaml.Node,
    path: tuple[str | int, ...],
    file: Path,
    positions: dict[tuple[str | int, ...], Position],
) -> Any:  # noqa: ANN401
    """Turn a node into plain values, noting where each key stands."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            positions[(*path, index)] = Position(file, item.start_mark.line + 1)
        return [_construct(loader, item, (*path, i), file, positions) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        try:
            return loader.construct_object(node)
        except ValueError as error:  # such as the date 2024-13-45
            line = node.start_mark.line + 1
            raise ConfigError(f"{file}, line {line} is not valid YAML: {error}; put text into quotes") from None
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        here = Position(file, key_node.start_mark.line + 1)
        if key in result:
            raise ConfigError(f"{here}: the key `{key}` stands twice; remove one")
        positions[(*path, key)] = here
        result[key] = _construct(loader, value_node, (*path, key), file, positions)
    return result


def _merge(base: Mapping[str, Any], override: Mapping[str, Any], whole: frozenset[str]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in override.items():
        below = merged.get(key)
        if value is None and isinstance(below, dict):  # takes away what was inherited
            del merged[key]
            continue
        if key not in whole and isinstance(value, dict) and isinstance(below, dict):
            value = _merge(below, value, whole)  # noqa: PLW2901
        merged[key] = value
    return merged
