"""An emulator whose weights are loaded: what its sources hold, check and take them with, and what its test loads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.network import IntegerNetwork
from fpgaae.hls.network_ports import WEIGHTS_FILE, weight_lines
from fpgaae.hls.project import WeightPort, fill_template

OTHER_WEIGHTS_FILE, OTHER_VECTORS_FILE = "other_weights.dat", "other_vectors.dat"  # of the test
_C_FILES = ("weights_file.h", "loading_test.c")
_RULES = """
loading_test: loading_test.c weights_file.h $(LIBRARY) @NAME@_emulator.h
	$(CC) -O1 $< -o $@ -L. -l@NAME@_emulator -Wl,-rpath,'$$ORIGIN'
"""
_TESTS = (
    f"\t./self_test {OTHER_VECTORS_FILE} {OTHER_WEIGHTS_FILE}\n\t./loading_test {WEIGHTS_FILE} {OTHER_WEIGHTS_FILE}\n"
)
# Which weights the events of the test are run with: those of a handle, where a file is given.
_IN_TEST = {
    "INCLUDE_WEIGHTS": '#include "weights_file.h"\n',
    "USED_WEIGHTS": "static @NAME@_weights *used; /* null: the trained ones */\n",
    "OF_USED": "used, ",
    "OPEN_USED": "    if (argc > 2 && !(used = open_used(argv[2])))\n        return 2;\n",
    "OPEN_USED_FUNCTION": """
static @NAME@_weights *open_used(const char *path) {
    @NAME@_weights *made = @NAME@_open_weights();
    int64_t *codes = read_weights_file(path);
    if (!made || !codes || @NAME@_load_weights(made, codes))
        return NULL;
    free(codes);
    return made;
}
""",
    "CLOSE_USED": "    @NAME@_close_weights(used);\n",
}
_IN_SOURCE = {
    "WITH": "_with",
    "HANDLE": "const @NAME@_weights *weights, ",
    "GIVEN": "weights, ",
    "WEIGHTS": ", const Weights &weights",
    "OF_WEIGHTS": ", weights",
    "CHOSEN": ", chosen(weights)",
    "MORE_HEADERS": "#include <algorithm>\n#include <new>\n",
    "LOADING_TARGET": " loading_test",
}
_OF_FILES = (
    "LOADED_WEIGHTS",
    "HANDLE_TYPE",
    "LOADING",
    "LOADING_H",
    "LOADING_RULES",
    "LOADING_TESTS",
)


class LoadedLayer(NamedTuple):
    """A layer whose weights are loaded, as the C++ has it."""

    layer: Weighted
    name: str  # of its codes
    number: str  # C++ type of its weights and sums
    up_kernel: int  # bits by which a sum is finer than a weight
    up_bias: int

    def array(self, port: WeightPort) -> str:
        """Name what holds the codes of a port."""
        return f"{self.name}_{'bias' if port.is_bias else 'weight'}"


def ports_of_layers(network: IntegerNetwork) -> tuple[WeightPort, ...]:
    """Give a port for each kernel and bias in graph order, where no project says what they are."""
    return tuple(
        WeightPort(
            f"{layer.name}_{'bias' if is_bias else 'weight'}", layer.name, is_bias, int(codes.size), "",
            of, is_memory=False, filters_first=False,
        )
        for layer in network.weighted
        for is_bias, codes, of in (
            (False, layer.kernel, layer.kernel_type), (True, layer.bias, layer.bias_type),
        )
    )  # fmt: skip


def no_loading() -> dict[str, str]:
    """Give what the templates leave open for weights that are loaded, for an emulator that has none."""
    return dict.fromkeys((*_IN_TEST, *_IN_SOURCE, *_OF_FILES), "")


def loading_values(name: str, loaded: Sequence[LoadedLayer], ports: Sequence[WeightPort]) -> dict[str, str]:
    """Give the same for weights that are loaded through some ports."""
    layers = {of.layer.name: of for of in loaded}
    arrays = [layers[port.layer].array(port) for port in ports]
    numbers = [layers[port.layer].number for port in ports]
    pairs, low = [], 0
    for port, array in zip(ports, arrays, strict=True):
        pairs.append((array, low))
        low += port.size
    numbered = list(enumerate(pairs))
    values = {
        "NAME": name,
        "GUARD": name.upper(),
        "N_WEIGHT_PORTS": str(len(ports)),
        "WEIGHT_POINTERS": _lines(f"const {of} *{array};" for of, array in zip(numbers, arrays, strict=True)),
        "WEIGHT_ARRAYS": ", ".join(arrays),
        "WEIGHT_LIMITS": _lines(_limits(port, layers[port.layer]) for port in ports),
        "WEIGHT_PORTS": _lines(_entries(ports, layers)),
        "HELD": _lines(f"{of} {array}[{port.size}];" for of, array, port in zip(numbers, arrays, ports, strict=True)),
        "HELD_ARRAYS": ", ".join(f"weights->{array}" for array in arrays),
        "COPY_WEIGHTS": _lines(
            (
                f"std::copy({array}, {array} + {port.size}, weights->{array});"
                for port, array in zip(ports, arrays, strict=True)
            ),
            8,
        ),
        "LOAD_WEIGHTS": _lines(
            f"load(weight_ports[{i}], codes + {at}, weights->{array});" for i, (array, at) in numbered
        ),
        "READ_WEIGHTS": _lines(f"read(weight_ports[{i}], of.{array}, codes + {at});" for i, (array, at) in numbered),
    }
    texts = {**_IN_TEST, **_IN_SOURCE, "LOADING_RULES": _RULES, "LOADING_TESTS": _TESTS}
    made = {key: text.replace("@NAME@", name) for key, text in texts.items()}
    files = {
        "LOADED_WEIGHTS": "loaded.cpp", "HANDLE_TYPE": "handle.cpp", "LOADING": "loading.cpp",
        "LOADING_H": "loading.h",
    }  # fmt: skip
    return {**made, **{key: fill_template(f"emulator/{file}", values) for key, file in files.items()}}


def write_loading_test(
    folder: Path, values: Mapping[str, str], ports: Sequence[WeightPort], networks: Sequence[IntegerNetwork]
) -> None:
    """Write what the test loads: the weights of two networks, the trained one first, and its sources."""
    for file, network in zip((WEIGHTS_FILE, OTHER_WEIGHTS_FILE), networks, strict=True):
        (folder / file).write_text(weight_lines(ports, network), encoding="utf-8")
    for file in _C_FILES:
        (folder / file).write_text(fill_template(f"emulator/{file}", values), encoding="utf-8")


def _lines(lines: Iterable[str], spaces: int = 4) -> str:
    return "".join(f"{' ' * spaces}{line}\n" for line in lines)


def _limits(port: WeightPort, of: LoadedLayer) -> str:
    """Write the smallest and the largest code and the step of each output."""
    types, n = (of.layer.bias_types if port.is_bias else of.layer.kernel_types), len(of.layer.bias)
    rows = zip(*(ends.tolist() for ends in types.ends(n)), strict=True)
    steps = [1 << (types.fraction - types.channel(i).fraction) for i in range(n)]
    return " ".join(f"{{{low}, {high}, {step}}}," for (low, high), step in zip(rows, steps, strict=True))


def _entries(ports: Sequence[WeightPort], layers: Mapping[str, LoadedLayer]) -> list[str]:
    entries, first = [], 0
    for port in ports:
        of = layers[port.layer]
        n_outputs, up = len(of.layer.bias), of.up_bias if port.is_bias else of.up_kernel
        flags = "true" if port.is_bias else "false", "true" if port.filters_first else "false"
        entries.append(
            f'{{"{port.name}", "{port.layer}", {flags[0]}, {port.size}, {n_outputs}, {flags[1]}, {up}, '
            f"weight_limits + {first}}},"
        )
        first += n_outputs
    return entries
