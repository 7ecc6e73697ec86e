"""The JSON in which Keras writes a model, piece by piece: names, classes, calls, and the order of the layers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

_PACKAGES = frozenset({"keras", "tf_keras", "tensorflow", "tensorflow_model_optimization", "qkeras", "fpgaae"})
_CONSTANT = "_CONSTANT_VALUE"  # stands in Keras 2 for a first argument that is no tensor

Spec = Any  # a part of the JSON in a file that anybody wrote


def own_name(spec: Spec) -> str:
    """Give the name of a layer."""
    return str(spec.get("name") or spec["config"]["name"])


def printable(name: str) -> str:
    """Give a name without characters that no screen shows."""
    return "".join(character if character.isprintable() else "_" for character in name)


def shown(value: Spec) -> str:
    """Give a name out of a file so that it can stand in a sentence."""
    return re.sub(r"[^\w.:>-]", "_", str(value))[:60]


def kind_of(spec: Spec) -> str:
    """Give the class of a layer; that of somebody else with its package, so that no known one is meant."""
    *package, kind = str(spec["class_name"]).split(">")
    *registered, _ = str(spec.get("registered_name") or "").split(">")
    module = str(spec.get("module") or "keras").split(".")[0]
    foreign = [name for name in (*package, *registered, module) if name not in _PACKAGES]
    return f"{shown(foreign[0])}>{shown(kind)}" if foreign else shown(kind)


def tuples(value: Spec) -> Any:  # noqa: ANN401
    """Give lists as tuples, which can't be changed."""
    return tuple(tuples(entry) for entry in value) if isinstance(value, list) else value


def weight_paths(layers: Sequence[Any], path: str) -> list[str]:
    """Give the path of each layer's weights in a `.keras` file: by class, counted in the order of the layers."""
    counts: dict[str, int] = {}
    found = []
    for spec in layers:
        kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", spec["class_name"]))
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()
        count = counts.get(snake, 0)
        counts[snake] = count + 1
        found.append(f"{path}layers/{snake}_{count}/" if count else f"{path}layers/{snake}/")
    return found


def ends(entries: Spec) -> tuple[tuple[str, int], ...]:
    """Read `[["a", 0, 0], ...]`, a dict of such, or, as Keras 3 writes a single input or output, `["a", 0, 0]`."""
    return tuple(sources_of(entries))


def sources_of(call: Spec) -> Iterator[tuple[str, int]]:
    """Give the layers that a call reads, and which output: Keras 2 writes lists, Keras 3 tensors with a history.

    What a dict holds is counted in the order of its keys, as both do.
    """
    if isinstance(call, list) and len(call) in {3, 4} and isinstance(call[0], str) and isinstance(call[1], int):
        if call[0] != _CONSTANT:
            yield call[0], int(call[2])
        yield from sources_of(call[3]) if len(call) == 4 else ()
    elif isinstance(call, Mapping):
        history = call["config"]["keras_history"] if call.get("class_name") == "__keras_tensor__" else None
        if history:
            yield str(history[0]), int(history[2])
        else:
            for _, value in sorted(call.items()):
                yield from sources_of(value)
    elif isinstance(call, list | tuple):
        for value in call:
            yield from sources_of(value)


def training_of(spec: Spec) -> bool | None:
    """Tell whether a layer is called as in training, None where its calls do not say it."""
    said = [value for call in spec.get("inbound_nodes") or [] for value in _said_of_training(call)]
    return any(said) if said else None


def _said_of_training(call: Spec) -> Iterator[bool]:
    options = [call.get("kwargs")] if isinstance(call, Mapping) else []
    entries = call.values() if isinstance(call, Mapping) else call
    for named in (*options, *(entry[3] for entry in entries if isinstance(entry, list) and len(entry) == 4)):
        if isinstance(named, Mapping) and named.get("training") is not None:
            yield bool(named["training"])


def in_graph_order(layers: Sequence[Spec]) -> Iterator[tuple[Spec, tuple[tuple[str, int], ...]]]:
    """Sort layers so that each comes after those that it reads in its first call, and give these."""
    by_name = {own_name(spec): spec for spec in layers}
    read = {name: tuple(sources_of((spec.get("inbound_nodes") or [[]])[0])) for name, spec in by_name.items()}
    position = {name: index for index, name in enumerate(by_name)}
    for name, sources in read.items():
        if unknown := {source for source, _ in sources} - by_name.keys():
            raise ValueError(f"the layer {shown(name)} reads {shown(min(unknown))}, which is not there")
    order: Sequence[str] = list(by_name)
    if any(position[source] >= position[name] for name in order for source, _ in read[name]):
        try:
            order = tuple(TopologicalSorter({n: [s for s, _ in read[n]] for n in by_name}).static_order())
        except CycleError:
            raise ValueError("its layers read each other in a circle") from None
    return ((by_name[name], read[name]) for name in order)
