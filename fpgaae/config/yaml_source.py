"""Reading an experiment's YAML so that every key remembers the file and line it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from fpgaae.config.shipped import CONFIG_PREFIX, find_shipped
from fpgaae.errors import ConfigError, InputError
from fpgaae.limits import YAML_BYTES, YAML_DEPTH, YAML_FILES, YAML_NODES, YAML_NUMBER, in_mebibytes

EXTENDS = "extends"
PRESET_PREFIX = "preset:"
_PRESETS = Path(__file__).parent / "presets"
_GIVEN = Path("the given config")


class Position(NamedTuple):
    """Where a key stands."""

    file: Path
    line: int | None  # None: in no file

    def __str__(self) -> str:
        """Give `file, line N`."""
        return f"{self.file}" if self.line is None else f"{self.file}, line {self.line}"


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

    That is another file, relative to this one, `preset:NAME` or `config:NAME` of this package, or a list of these, each
    over the former. `null` takes an inherited mapping away, as in `layers: {mu: null}`.

    Parameters
    ----------
    whole
        Names of mappings that are replaced as a whole, where others are merged key by key.

    Raises
    ------
    ConfigError
        If a file is missing, too large, is not YAML, has a key twice, is not a mapping, or extends itself.
    """
    return _read(file, (), whole, _Used())


@dataclass
class _Used:
    """What a config with everything that it extends has used of the limits."""

    files: int = 0
    nodes: int = 0


def _read(file: Path, chain: tuple[Path, ...], whole: frozenset[str], used: _Used) -> YamlSource:
    if file.resolve() in chain:
        raise ConfigError(f"{file} extends itself; remove its `{EXTENDS}` key")
    used.files += 1
    if used.files > YAML_FILES:
        raise ConfigError(f"{chain[0]} extends more than {YAML_FILES} files; put some of them together")
    text = _text(file)
    positions: dict[tuple[str | int, ...], Position] = {(): Position(file, 1)}
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        content = _Builder(loader, file, positions, used).build(root, ()) if root is not None else {}
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
    return _with_bases(YamlSource(content, positions), file, chain, whole, used)


def read_mapping(content: Mapping[str, Any], whole: frozenset[str] = frozenset()) -> YamlSource:
    """Take the content of such a file from a mapping; the files that `extends` names are relative to this folder.

    Raises
    ------
    ConfigError
        As `read_yaml`.
    """
    positions = dict.fromkeys(_paths(content, ()), Position(_GIVEN, None))
    return _with_bases(YamlSource({**content}, positions), _GIVEN, (), whole, _Used())


def _paths(content: object, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Give the path of every key and entry."""
    yield path
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _paths(value, (*path, key))
    elif isinstance(content, list | tuple):
        for index, value in enumerate(content):
            yield from _paths(value, (*path, index))


def _with_bases(
    source: YamlSource, file: Path, chain: tuple[Path, ...], whole: frozenset[str], used: _Used
) -> YamlSource:
    content, positions = source
    base = content.pop(EXTENDS, None)
    if base is None:
        return source
    bases = base if isinstance(base, list) else [base]
    position = source.position((EXTENDS,))
    if not bases or not all(isinstance(name, str) for name in bases):
        raise ConfigError(f"{position}: `{EXTENDS}` must name one YAML file, or a list of them")
    below = YamlSource({}, {})
    for name in bases:
        parent = _read(named_file(name, file, position), (*chain, file.resolve()), whole, used)
        below = YamlSource(_merge(below.content, parent.content, whole), below.positions | parent.positions)
    return YamlSource(_merge(below.content, content, whole), below.positions | positions)


def _text(file: Path) -> str:
    """Read a config, but no device or pipe, which may have no end."""
    try:
        if file.exists() and not file.is_file():
            raise ConfigError(f"the config {file} can't be read: it is no regular file; give the path of a YAML file")
        if file.stat().st_size > YAML_BYTES:
            raise ConfigError(f"the config {file} has more than {in_mebibytes(YAML_BYTES)}; give a YAML file")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the config {file} can't be read: {error.strerror}; give the path of a YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the config {file} is not text; give the path of a YAML file") from None


def named_file(name: str, file: Path, position: Position) -> Path:
    """Give the file that another one names at a position: `preset:NAME`, `config:NAME`, or a path from that file on.

    Raises
    ------
    ConfigError
        If the package has no preset or config of that name.
    """
    if name.startswith(CONFIG_PREFIX):
        try:
            return find_shipped(name).file
        except InputError as error:
            raise ConfigError(f"{position}: {error}") from None
    if not name.startswith(PRESET_PREFIX):
        return file.parent / name
    preset = name.removeprefix(PRESET_PREFIX)
    known = sorted(entry.stem for entry in _PRESETS.glob("*.yaml"))
    if preset not in known:
        raise ConfigError(f"{position}: there is no preset `{preset}`; there are {', '.join(known)}")
    return _PRESETS / f"{preset}.yaml"


class _Builder(NamedTuple):
    """Turns the nodes of a file into plain values, noting where each key stands."""

    loader: yaml.SafeLoader
    file: Path
    positions: dict[tuple[str | int, ...], Position]
    used: _Used

    def build(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401
        """Give the value of a node; an alias is built anew wherever it stands, and counted."""
        self.used.nodes += 1
        if self.used.nodes > YAML_NODES:
            raise ConfigError(
                f"{self._here(node)}: the config has more than {YAML_NODES:,} values, aliases written out; shorten it"
            )
        if len(path) > YAML_DEPTH:
            raise ConfigError(
                f"{self._here(node)} is not valid YAML: an alias holds itself, or there are more than {YAML_DEPTH} "
                "levels; write it flat"
            )
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.positions[(*path, index)] = self._here(item)
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            here = self._here(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(f"{here}: a list or a mapping can't be a key; write `key: value`")
            key = self._checked(key_node)
            if key in result:
                raise ConfigError(f"{here}: the key `{key}` stands twice; remove one")
            self.positions[(*path, key)] = here
            result[key] = self.build(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.Node) -> Any:  # noqa: ANN401
        text, kind = self._checked(node), str(node.tag).rpartition(":")[2]
        if kind != "str" and len(text) > YAML_NUMBER:
            raise ConfigError(f"{self._here(node)}: `{text[:20]}...` is too long for a value of the kind {kind}")
        try:
            return self.loader.construct_object(node)
        except ValueError as error:  # such as the date 2024-13-45
            reason = str(error)
        except (KeyError, IndexError, TypeError, AttributeError, ArithmeticError):  # how PyYAML fails at `!!bool abc`
            reason = f"`{text}` is no value of the kind {kind}"
        raise ConfigError(
            f"{self.file}, line {self._here(node).line} is not valid YAML: {reason}; put text into quotes"
        )

    def _checked(self, node: yaml.Node) -> str:
        """Give the text of a node, without what no file name and no output can hold."""
        text = str(node.value)
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
            raise ConfigError(f"{self._here(node)}: {ascii(text)[:60]} holds a character that is no text; remove it")
        return text

    def _here(self, node: yaml.Node) -> Position:
        return Position(self.file, node.start_mark.line + 1)


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
