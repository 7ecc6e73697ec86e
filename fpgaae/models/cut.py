"""A part of a described model: up to a layer that is named, or up to the bottleneck (NumPy only)."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from fpgaae.errors import InputError
from fpgaae.models.description import LayerDescription, NetworkDescription
from fpgaae.models.keras_layers import Role
from fpgaae.models.shapes import shapes_of_layers
from fpgaae.runs.choices import ImportChoices

_MOST_NAMED = 12


def chosen_part(network: NetworkDescription, asked: ImportChoices) -> NetworkDescription:
    """Give the part of a network that is asked for; what none of its outputs needs is left out.

    Raises
    ------
    InputError
        If there is no such part; what can be chosen is named.
    """
    if asked.encoder and asked.outputs:
        raise InputError("`--encoder` and `--output` both say where the model is cut; leave one of them out")
    if asked.outputs:
        return cut_behind(network, asked.outputs)
    needed = _without_dead_ends(network)
    return cut_at_bottleneck(needed) if asked.encoder else needed


def _without_dead_ends(network: NetworkDescription) -> NetworkDescription:
    """Leave out layers that no output needs, as the log sigma^2 of a nested encoder of which only the mean is read."""
    if not network.outputs:
        return network
    needed = {layer.name for layer in up_to(network, network.outputs).layers}
    layers = (layer for layer in network.layers if layer.name in needed or layer.role is Role.INPUT)
    return NetworkDescription(tuple(layers), network.outputs)


def cut_behind(network: NetworkDescription, names: tuple[str, ...]) -> NetworkDescription:
    """Give the part of a network that some of its layers need, which are then its outputs.

    Parameters
    ----------
    names
        Of layers, or of nested models with one output.

    Raises
    ------
    InputError
        If there is no such layer; what can be chosen is named.
    """
    known = {layer.of_file: layer.name for layer in network.layers if layer.of_file is not None}
    known |= {layer.name: layer.name for layer in network.layers}
    for name in names:
        if name not in known or network[known[name]].role is Role.INPUT:
            raise InputError(
                f"the model has no layer {name} to cut behind; `--output` takes {listed(choices(network))}"
            )
    if len(set(names)) < len(names):
        raise InputError(f"`--output` names {names[-1]} twice; give one layer, or those of mu and of log sigma^2")
    return up_to(network, tuple(known[name] for name in names))


def cut_at_bottleneck(network: NetworkDescription) -> NetworkDescription:
    """Give the part of an autoencoder up to the last of its narrowest layers.

    Raises
    ------
    InputError
        If it has none, or several that are no chain; what can be chosen is named.
    """
    sizes = {name: prod(shape) for name, shape in shapes_of_layers(network).items() if shape}
    inner = {
        layer.name: sizes[layer.name]
        for layer in network.layers
        if layer.role is not Role.INPUT and layer.name in sizes and layer.name not in network.outputs
    }
    ends = [sizes[name] for name in (network.layers[0].name, *network.outputs) if name in sizes]
    narrowest = min(inner.values(), default=0)
    if not inner or narrowest >= min(ends):
        raise InputError(
            "the model has no layer that is narrower than its input and its output, behind which `--encoder` could "
            f"cut; choose with `--output` from {listed(choices(network))}"
        )
    at = [name for name, size in inner.items() if size == narrowest]
    last = [name for name in at if not any(reader.name in at for reader in network.readers(name))]
    if len(last) > 1:
        raise InputError(
            f"the model has several layers of {narrowest} values that could be its bottleneck; choose one with "
            f"`--output` from {listed(last)}"
        )
    return up_to(network, (last[0],))


def choices(network: NetworkDescription) -> tuple[str, ...]:
    """Give the layers that a network can be cut behind: its outputs and what it computes on the way to them."""
    if len(network.outputs) > 1:
        return tuple(dict.fromkeys(network.outputs))
    return tuple(layer.name for layer in network.layers if layer.has_weights or layer.name in network.outputs)


def refuse_several_outputs(network: NetworkDescription) -> None:
    """Refuse a network with more outputs than one, or than two: mu and log sigma^2 for the scores that need both.

    Raises
    ------
    InputError
        With the names that can be chosen.
    """
    if len(network.outputs) not in {1, 2}:
        raise InputError(
            f"the model has {len(network.outputs)} outputs; choose one with `--output` from "
            f"{listed(choices(network))}, or two, that of mu and that of log sigma^2, for a score that needs both"
        )


def cuts_before(network: NetworkDescription, layer: LayerDescription) -> tuple[str, ...]:
    """Give the layers that one reads, if the network in front of each could be imported without it."""
    parts = {name: up_to(network, (name,)) for name in layer.inputs}
    refused = {Role.UNKNOWN, Role.MERGE}
    return tuple(
        name
        for name, part in parts.items()
        if network[name].role is not Role.INPUT and not any(one.role in refused for one in part.layers)
    )


def up_to(network: NetworkDescription, outputs: tuple[str, ...]) -> NetworkDescription:
    """Give the layers that some layers need, which are then the outputs."""
    needed: set[str] = set()
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += network[name].inputs
    return NetworkDescription(tuple(layer for layer in network.layers if layer.name in needed), outputs)


def listed(names: Iterable[str]) -> str:
    """Give names as they stand in a sentence, the first of many."""
    found = list(names)
    more = f" (and {len(found) - _MOST_NAMED} more)" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more
