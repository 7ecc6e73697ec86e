"""The experiments that come with the package: `configs/` of a checkout, `fpgaae/configs/` of an installed package.

`extends: config:NAME` starts from one of them anywhere; a copy starts from those that it was written from in that way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from fpgaae.errors import InputError
from fpgaae.files import write_text

CONFIG_PREFIX = "config:"
_PACKAGE = Path(__file__).parent.parent
_STARTS_FROM = ("extends", "base")  # keys whose files lie beside the one that names them


class ShippedConfig(NamedTuple):
    """An experiment or a scan that comes with the package."""

    name: str  # as in `config:NAME`
    file: Path
    about: str  # the first sentence of its comment

    @property
    def is_scan(self) -> bool:
        """Whether it is a scan over an experiment."""
        return self.file.parent.name == "scan"


def shipped_folder() -> Path:
    """Give the folder of the files, which a checkout has beside the package and an installation inside."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def shipped_configs() -> tuple[ShippedConfig, ...]:
    """Give all of them, by name.

    Examples
    --------
    >>> next(config.about for config in fpgaae.list_configs() if config.name == "l1_ae")
    'The default experiment: a dense autoencoder on Level-1 trigger objects'
    """
    folder = shipped_folder()
    found = sorted(folder.rglob("*.yaml"), key=lambda file: (len(file.relative_to(folder).parts), str(file)))
    return tuple(ShippedConfig(_name(file), file, _about(file)) for file in found)


def find_shipped(name: str) -> ShippedConfig:
    """Give the one of a name, with or without its ending.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> fpgaae.find_config("l1_ae").is_scan
    False
    """
    wanted = name.removeprefix(CONFIG_PREFIX).removesuffix(".yaml")
    there = {config.name: config for config in shipped_configs()}
    if wanted not in there:
        raise InputError(f"there is no config `{wanted}`; there are {', '.join(there)}")
    return there[wanted]


def copy_shipped(name: str, to: str | Path = ".") -> Path:
    """Copy one of them, so that it runs where it then lies; give the new file.

    Parameters
    ----------
    to
        A folder, or the name of the file.

    Raises
    ------
    InputError
        If there is none of that name, or the file is there already.

    Examples
    --------
    >>> fpgaae.copy_config("l1_vae", "copies").read_text().splitlines()[1]
    'extends: config:l1_ae'
    """
    source, to = find_shipped(name).file, Path(to)
    target = to / source.name if to.is_dir() or to.suffix not in {".yaml", ".yml"} else to
    if target.exists():
        raise InputError(f"{target} is there already; remove it, or give another name to `--to`")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, _standing_alone(source))
    return target


def _name(file: Path) -> str:
    return file.relative_to(shipped_folder()).with_suffix("").as_posix()


def _about(file: Path) -> str:
    """Give the comment at the head of a file up to the end of its first sentence."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).partition(". ")[0].rstrip(".")


def _standing_alone(file: Path) -> str:
    """Give the text of a file with `config:NAME` in the place of every file that it starts from."""
    text = file.read_text(encoding="utf-8")
    for node in sorted(_named_files(yaml.compose(text, yaml.SafeLoader)), key=lambda node: -node.start_mark.index):
        if ":" in node.value:  # a preset
            continue
        name = _name((file.parent / node.value).resolve())
        text = f"{text[: node.start_mark.index]}{CONFIG_PREFIX}{name}{text[node.end_mark.index :]}"
    return text


def _named_files(root: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    for key, value in root.value if root is not None else ():
        if key.value in _STARTS_FROM:
            yield from value.value if isinstance(value, yaml.SequenceNode) else (value,)
