"""The stored weights of what is left of a model, where Keras looks for them once other layers are gone (NumPy only).

Files that count layers name a group by the class of a layer and how many of it stand before; `.h5` files say of a
nested model which weights it has. Shares no code with the way from a file to the firmware.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

Names = tuple[str, ...]  # of the models that a layer stands in, the outermost first, and its own


def keep_counted(stored: Path, full: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    """Move the weights in a file that counts layers to where they are counted when some are gone.

    Parameters
    ----------
    full, kept
        The JSON of the whole model, and of what is left of it.
    """
    places = {(): "/", **dict(_places(full, "", ()))}  # the model itself, of which Keras 2 wants the group, too
    rest = stored.with_name(f"kept_{stored.name}")
    with h5py.File(stored, "r") as old, h5py.File(rest, "w") as new:
        for names, place in ((), ""), *_places(kept, "", ()):
            group = old.get(places[names], {})
            for part in group.keys() - {"layers"}:  # those of a nested model are moved one by one
                old.copy(group[part], new, f"{place}/{part}")
    rest.replace(stored)


def keep_named(stored: Path, full: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
    """Take the weights of layers that are gone off the list of the nested model that they stood in.

    Parameters
    ----------
    full, kept
        As those of `keep_counted`.
    """
    gone = {names for names, _ in _places(full, "", ())} - {names for names, _ in _places(kept, "", ())}
    with h5py.File(stored, "a") as file:
        groups = file.get("model_weights", file)
        for name in {names[0] for names in gone if len(names) > 1} & groups.keys():
            ends = tuple(f"/{names[-1]}/" for names in gone if names[0] == name)
            listed = [text.decode() if isinstance(text, bytes) else str(text)
                      for text in groups[name].attrs.get("weight_names", ())]  # fmt: skip
            left = [text for text in listed if not f"/{text.rpartition('/')[0]}/".endswith(ends)]
            groups[name].attrs["weight_names"] = [text.encode() for text in left]


def _places(spec: Mapping[str, Any], path: str, within: Names) -> Iterator[tuple[Names, str]]:
    """Give the group of every layer and nested model."""
    counts: dict[str, int] = {}
    config = spec["config"]
    for layer in config if isinstance(config, list) else config["layers"]:
        names = (*within, str(layer.get("name") or layer["config"]["name"]))
        kind = _snake_case(str(layer["class_name"]).split(">")[-1])
        n = counts[kind] = counts.get(kind, -1) + 1
        place = f"{path}/layers/{kind}{f'_{n}' if n else ''}"
        yield names, place
        if isinstance(layer["config"], Mapping) and "layers" in layer["config"]:
            yield from _places(layer, place, names)


def _snake_case(name: str) -> str:
    """Write a name as Keras does: two capitals or more in a row are one word."""
    apart = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", apart).lower()
