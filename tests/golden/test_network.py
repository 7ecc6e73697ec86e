"""The exact network against rational numbers, by hand, and at the extremes of every type."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpgaae.config.model import Score
from fpgaae.errors import InputError
from fpgaae.fixedpoint import FixedPointType, Overflow, Rounding, parse_type, requantize
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.rounding import Input, Quantize, Quantizer, Relu
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.scores.base import ScoreLayer, function_table, score_class, score_type
from fpgaae.golden.scores.mu_squared import MuSquared
from fpgaae.golden.scores.squared_error import SquaredError


def _type(width: int, integer: int, signed: bool = True) -> FixedPointType:
    return FixedPointType(width, integer, signed, Rounding.HALF_EVEN, Overflow.SATURATE)


def _input(size: int, of: FixedPointType) -> Input:
    return Input("inputs", (), size, of)


def _after(source: Layer, kind: type[Quantizer], of: FixedPointType, name: str) -> Quantizer:
    return kind.of(name, source, of)


def _score(name: str, kind: type[ScoreLayer], *inputs: Layer) -> ScoreLayer:
    return kind.of(name, inputs)


# ---- the same network in rational numbers, value by value ----


def _value(code: int, fraction: int) -> Fraction:
    return Fraction(int(code)) / Fraction(2) ** fraction


def _rounded(value: Fraction, to: FixedPointType) -> Fraction:
    code = round(value * Fraction(2) ** to.fraction)
    low = -(2 ** (to.width - 1)) if to.signed else 0
    high = 2 ** (to.width - 1) - 1 if to.signed else 2**to.width - 1
    return _value(max(low, min(high, code)), to.fraction)


def _reference(network: IntegerNetwork, codes: list[int]) -> dict[str, list[Fraction]]:
    values: dict[str, list[Fraction]] = {}
    for layer in network.layers:
        inputs = [values[name] for name in layer.inputs]
        if isinstance(layer, Input):
            values[layer.name] = [_value(code, layer.type.fraction) for code in codes]
        elif isinstance(layer, Dense):
            values[layer.name] = [
                sum(
                    (x * _value(layer.kernel[i, j], layer.kernel_type.fraction) for i, x in enumerate(inputs[0])),
                    start=_value(layer.bias[j], layer.bias_type.fraction),
                )
                for j in range(layer.size)
            ]
        elif isinstance(layer, Relu):
            values[layer.name] = [_rounded(max(x, Fraction(0)), layer.type) for x in inputs[0]]
        elif isinstance(layer, Quantize):
            values[layer.name] = [_rounded(x, layer.type) for x in inputs[0]]
        elif isinstance(layer, SquaredError):
            pairs = zip(inputs[0], inputs[1], strict=True)
            values[layer.name] = [sum(((a - b) ** 2 for a, b in pairs), start=Fraction(0))]
        else:
            assert isinstance(layer, MuSquared)
            values[layer.name] = [sum((x * x for x in inputs[0]), start=Fraction(0))]
    return values


def _assert_equal(network: IntegerNetwork, events: np.ndarray) -> None:
    """Compare every value of every layer, and make sure that it lies in the layer's type."""
    found = network.run(events)
    assert list(found) == [layer.name for layer in network.layers]
    for row, codes in enumerate(events.tolist()):
        for name, expected in _reference(network, codes).items():
            tensor, layer = found[name], network[name]
            assert tensor.codes.shape == (len(events), layer.size)
            assert tensor.codes.dtype == np.int64
            assert tensor.fraction == layer.type.fraction
            assert [_value(c, tensor.fraction) for c in tensor.codes[row]] == expected, name
            assert layer.type.min_code <= tensor.codes[row].min(), name
            assert tensor.codes[row].max() <= layer.type.max_code, name


@st.composite
def _types(draw: st.DrawFn, signed: bool | None = None, most: int = 8) -> FixedPointType:
    width = draw(st.integers(2, most))
    return _type(width, draw(st.integers(-2, width + 1)), draw(st.booleans()) if signed is None else signed)


def _codes(draw: st.DrawFn, of: FixedPointType, shape: tuple[int, ...]) -> np.ndarray:
    n = int(np.prod(shape))
    edges = st.sampled_from([of.min_code, of.max_code, 0])
    drawn = draw(st.lists(edges | st.integers(of.min_code, of.max_code), min_size=n, max_size=n))
    return np.array(drawn, dtype=np.int64).reshape(shape)


@st.composite
def networks(draw: st.DrawFn) -> tuple[IntegerNetwork, np.ndarray]:
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    inputs = _input(sizes[0], draw(_types(signed=True)))
    layers = [inputs]
    is_autoencoder = draw(st.booleans())
    if is_autoencoder:
        sizes.append(sizes[0])
    for index, size in enumerate(sizes[1:], 1):
        kernel_type, bias_type = draw(_types(signed=True, most=6)), draw(_types(signed=True, most=6))
        kernel = _codes(draw, kernel_type, (layers[-1].size, size)), kernel_type
        layers.append(Dense.of(f"dense_{index}", layers[-1], kernel, (_codes(draw, bias_type, (size,)), bias_type)))
        kind = draw(st.sampled_from([Relu, Quantize]))
        of = draw(_types(signed=kind is Quantize))
        layers.append(_after(layers[-1], kind, of, f"{kind.kind}_{index}"))
    if is_autoencoder:
        layers.append(_score("score", SquaredError, inputs, layers[-1]))
    else:
        layers.append(_score("score", MuSquared, layers[-1]))
    return IntegerNetwork(tuple(layers)), _codes(draw, inputs.type, (3, sizes[0]))


@pytest.mark.slow
@given(networks())
@settings(max_examples=150, deadline=None)
def test_every_layer_is_the_rational_result(drawn: tuple[IntegerNetwork, np.ndarray]) -> None:
    _assert_equal(*drawn)


@given(networks())
@settings(max_examples=30, deadline=None)
def test_a_saved_network_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[IntegerNetwork, np.ndarray]
) -> None:
    network, events = drawn
    file = tmp_path_factory.mktemp("network") / "golden.npz"
    network.save(file)
    loaded = IntegerNetwork.load(file)
    for mine, theirs in zip(network.layers, loaded.layers, strict=True):
        assert type(mine) is type(theirs)
        assert (mine.name, mine.kind, mine.inputs, mine.size, mine.types) == (
            theirs.name, theirs.kind, theirs.inputs, theirs.size, theirs.types,
        )  # fmt: skip
        assert mine.entry() == theirs.entry()
        assert mine.arrays().keys() == theirs.arrays().keys()
        assert all(np.array_equal(codes, theirs.arrays()[name]) for name, codes in mine.arrays().items())
    found, again = network.run(events), loaded.run(events)
    assert all(np.array_equal(found[name].codes, again[name].codes) for name in found)


# ---- a network that is worked by hand ----

HALVES, QUARTERS = _type(4, 3), _type(4, 2)
INPUT = _input(2, HALVES)  # -4 .. 3.5 in halves
DENSE = Dense.of(
    "latent",
    INPUT,
    (np.array([[1, -2], [3, 4]]), QUARTERS),  # [[0.25, -0.5], [0.75, 1]]
    (np.array([2, -1]), QUARTERS),  # 0.5, -0.25
)
RELU = _after(DENSE, Relu, _type(3, 2, signed=False), "latent_relu")  # 0 .. 3.5 in halves
BACK = Dense.of("reconstruction", RELU, (np.array([[4, 0], [0, -4]]), QUARTERS), (np.array([0, 2]), QUARTERS))
OUTPUT = _after(BACK, Quantize, HALVES, "output")
BY_HAND = IntegerNetwork((INPUT, DENSE, RELU, BACK, OUTPUT, _score("score", SquaredError, INPUT, OUTPUT)))


def test_a_network_by_hand() -> None:
    """x = (1.5, -0.5): 0.25*1.5 - 0.75*0.5 + 0.5 = 0.5; -0.5*1.5 - 0.5 - 0.25 = -1.5; and so on."""
    found = BY_HAND.run(np.array([[3, -1], [7, 7], [-8, 6]]))
    values = {name: (tensor.codes * 2.0**-tensor.fraction).tolist() for name, tensor in found.items()}
    assert values["inputs"] == [[1.5, -0.5], [3.5, 3.5], [-4.0, 3.0]]
    assert values["latent"] == [[0.5, -1.5], [4.0, 1.5], [1.75, 4.75]]
    assert values["latent_relu"] == [[0.5, 0.0], [3.5, 1.5], [2.0, 3.5]]  # 1.75 is a tie: to the even 2.0
    assert values["reconstruction"] == [[0.5, 0.5], [3.5, -1.0], [2.0, -3.0]]
    assert values["output"] == [[0.5, 0.5], [3.5, -1.0], [2.0, -3.0]]
    assert values["score"] == [[1 + 1], [0 + 20.25], [36 + 36]]


def test_the_types_of_a_network_by_hand() -> None:
    # Sums in eighths: 0.25*x - .. lies in -4*1 .. 3.5*1 + 0.5, and -0.5*x + y - 0.25 in -6 .. 5.25.
    assert str(DENSE.type) == "ap_fixed<7,4>"
    # x - x' lies in -7.5 .. 7.5; two squares make at most 112.5 = 450 quarters.
    assert str(BY_HAND.score.type) == "ap_ufixed<9,7>"
    assert BY_HAND.input_type == HALVES


@pytest.mark.parametrize(
    ("a", "b", "n", "expected"),
    [
        ("ap_fixed<2,2>", "ap_fixed<2,2>", 1, "ap_ufixed<4,4>"),  # 3**2 = 9
        ("ap_fixed<2,2>", "ap_ufixed<2,2>", 1, "ap_ufixed<5,5>"),  # (-2 - 3)**2 = 25
        ("ap_ufixed<2,2>", "ap_ufixed<2,2>", 3, "ap_ufixed<5,5>"),  # 3 * 3**2 = 27
        ("ap_ufixed<2,0>", "ap_ufixed<2,2>", 1, "ap_ufixed<8,4>"),  # 12 quarters, squared 144 sixteenths
    ],
)
def test_squared_error_types_by_hand(a: str, b: str, n: int, expected: str) -> None:
    types = parse_type(a), parse_type(b)
    for score in (Score.SQUARED_ERROR, Score.MASKED_SQUARED_ERROR):
        assert str(score_type(score, types, n)) == str(score_type(score, types[::-1], n)) == expected


@pytest.mark.parametrize(
    ("a", "n", "expected"),
    [
        ("ap_fixed<3,3>", 1, "ap_ufixed<5,5>"),
        ("ap_fixed<3,1>", 4, "ap_ufixed<7,3>"),
        ("ap_ufixed<2,2>", 7, "ap_ufixed<6,6>"),
    ],
)
def test_squared_types_by_hand(a: str, n: int, expected: str) -> None:
    assert str(score_type(Score.MU_SQUARED, [parse_type(a)], n)) == expected


# ---- derived types hold every sum, and no bit more ----


def _all_events(layer: Layer) -> np.ndarray:
    return np.array(list(product(range(layer.type.min_code, layer.type.max_code + 1), repeat=layer.size)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("signed", [True, False])
def test_derived_types_hold_every_event_exhaustively(seed: int, signed: bool) -> None:
    rng = np.random.default_rng(seed)
    inputs = _input(3, _type(3, 2, signed))
    kernel_type, bias_type = _type(4, int(rng.integers(-2, 4))), _type(5, int(rng.integers(-2, 6)))
    dense = Dense.of("dense", inputs, (rng.integers(-8, 8, (3, 2)), kernel_type), (rng.integers(-16, 16, 2), bias_type))
    narrow = _after(dense, Quantize, _type(4, dense.type.integer), "narrow")
    back = Dense.of("back", narrow, (rng.integers(-8, 8, (2, 3)), kernel_type), (rng.integers(-16, 16, 3), bias_type))
    layers = (
        inputs, dense, narrow, back, _score("mu2", MuSquared, narrow),
        _score("error", SquaredError, inputs, back),
    )  # fmt: skip
    network = IntegerNetwork(layers)
    found = network.run(_all_events(inputs))
    for layer in layers:
        codes = found[layer.name].codes
        assert layer.type.min_code <= codes.min() <= codes.max() <= layer.type.max_code, layer.name
    exact = found["dense"].codes
    low, high = min(int(exact.min()), 0), max(int(exact.max()), 0)
    half = dense.type._replace(width=dense.type.width - 1)
    assert low < half.min_code or high > half.max_code  # the dense type is the narrowest that holds its sums


def test_wide_sums_leave_float64_for_int64() -> None:
    """Products beyond 2**53 are summed in integers: the last bit is kept."""
    inputs = _input(2, _type(28, 28))
    weight = _type(28, 28)
    dense = Dense.of("dense", inputs, (np.array([[2**27 - 1], [2**27 - 1]]), weight), (np.array([1]), weight))
    network = IntegerNetwork((inputs, dense))
    _assert_equal(network, np.array([[2**27 - 1, 2**27 - 1], [-(2**27), 2**27 - 1], [2**27 - 1, 0]]))
    assert (2**27 - 1) ** 2 * 2 + 1 > 2**53
    _assert_equal(IntegerNetwork((inputs, _score("s", MuSquared, inputs))), np.array([[-(2**27), 2**27 - 1]]))


@pytest.mark.parametrize(("bits", "holds"), [(8, True), (11, True), (12, True), (13, False), (20, False)])
def test_float32_holds_says_where_single_precision_may_round(bits: int, holds: bool) -> None:
    """One product of a b-bit input and a b-bit weight needs 2 b - 2 bits (the extremes multiply to 2**(2b - 2))."""
    inputs = _input(1, _type(bits + 1, 1))
    dense = Dense.of("dense", inputs, (np.array([[-(2**bits)]]), _type(bits + 1, 1)), (np.array([0]), _type(2, 1)))
    out = _after(dense, Quantize, _type(6, 2), "out")
    found = IntegerNetwork((inputs, dense, out)).float32_holds()
    assert found == {"inputs": True, "dense": holds, "out": holds}  # what is made from a rounded value is doubtful too


def test_float32_holds_counts_partial_sums_and_not_only_the_result() -> None:
    """2**25 - 2**25 + 1 is 1, but a float32 may lose the 1 on the way."""
    inputs = _input(3, _type(2, 2))
    kernel = (np.array([[2**24], [-(2**24)], [1]]), _type(27, 27))
    dense = Dense.of("dense", inputs, kernel, (np.array([0]), _type(2, 2)))
    assert IntegerNetwork((inputs, dense)).float32_holds()["dense"] is False


def test_where_float32_holds_it_gives_the_exact_codes() -> None:
    rng = np.random.default_rng(3)
    inputs = _input(6, _type(8, 3))
    kernel, bias = (rng.integers(-128, 128, (6, 4)), _type(8, 1)), (rng.integers(-128, 128, 4), _type(8, 1))
    network = IntegerNetwork((inputs, Dense.of("dense", inputs, kernel, bias)))
    assert all(network.float32_holds().values())
    codes = rng.integers(-128, 128, (500, 6))
    x = (codes * inputs.type.lsb).astype(np.float32)
    single = x @ (kernel[0] * kernel[1].lsb).astype(np.float32) + (bias[0] * bias[1].lsb).astype(np.float32)
    found = network.run(codes)["dense"]
    assert np.array_equal(single.astype(np.float64), found.codes * 2.0**-found.fraction)


def test_layers_round_and_saturate_by_their_type() -> None:
    inputs = _input(1, _type(8, 4))
    for kind, of in product((Relu, Quantize), (_type(4, 2), parse_type("ap_fixed<4,2>"))):
        network = IntegerNetwork((inputs, _after(inputs, kind, of, "out")))
        codes = _all_events(inputs)
        kept = np.maximum(codes, 0) if kind is Relu else codes
        assert np.array_equal(network.run(codes)["out"].codes, requantize(kept, inputs.type.fraction, of))


# ---- decisions, tables and codes that stand in for a layer's output ----


def test_an_event_is_accepted_above_a_threshold_and_not_at_it() -> None:
    network = BY_HAND.with_thresholds(np.array([8, 7, 0, 81, 288]))
    assert network.score.name == "score"
    found = network.run(np.array([[3, -1], [7, 7], [-8, 6]]))
    assert found["score"].codes.tolist() == [[8], [81], [288]]
    assert found["accept"].codes.tolist() == [[0, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]
    assert (network["accept"].type.width, network["accept"].size, found["accept"].fraction) == (1, 5, 0)


def test_injected_codes_are_what_the_layers_behind_get_and_not_what_is_recorded() -> None:
    network = BY_HAND.with_thresholds(np.array([8]))
    events = np.array([[3, -1], [7, 7]])
    usual = network.run(events)
    latent, score = np.array([[1, 5], [7, 0]]), np.array([[9], [8]])
    found = network.run(events, {"latent": latent, "score": score})
    for name in ("inputs", "latent"):
        assert np.array_equal(found[name].codes, usual[name].codes), name
    # 1 eighth and 5 eighths in halves: 0 (a quarter of an LSB), 1; 7 eighths: 2 (a tie at 1.75 is none: 1.75 -> 2)
    assert found["latent_relu"].codes.tolist() == [[0, 1], [2, 0]]
    assert found["accept"].codes.tolist() == [[1], [0]]
    assert found["score"].codes.tolist() != score.tolist()


def test_a_saved_network_keeps_its_thresholds_and_tables(tmp_path: Path) -> None:
    argument = _type(5, 3)
    mu, log_variance = _input(2, _type(5, 3)), Input("v", (), 2, argument)
    table = function_table(Score.KL_DIVERGENCE, argument, 4)
    score = score_class(Score.KL_DIVERGENCE).of("score", [mu, log_variance], table)
    assert score.type == score_type(Score.KL_DIVERGENCE, [mu.type, argument], 2, table.type)
    network = IntegerNetwork((mu, log_variance, score)).with_thresholds(np.array([3, 2**score.type.width - 1]))
    network.save(tmp_path / "golden.npz")
    loaded = IntegerNetwork.load(tmp_path / "golden.npz")
    assert np.array_equal(loaded["score"].table.codes, table.codes)
    assert loaded["score"].table.type == table.type
    assert np.array_equal(loaded["accept"].thresholds, network["accept"].thresholds)
    assert loaded["accept"].threshold_type == score.type
    assert [layer.arrays() for layer in loaded.layers[:2]] == [{}, {}]


@pytest.mark.parametrize("missing", ["accept/table", "latent/kernel", "latent/bias"])
def test_a_network_without_an_array_of_a_layer_is_refused(tmp_path: Path, missing: str) -> None:
    """Decisions without thresholds, as sums without weights, can't be made: the file is damaged."""
    file = tmp_path / "golden.npz"
    BY_HAND.with_thresholds(np.array([8])).save(file)
    with np.load(file) as content:
        left = {name: content[name] for name in content if name != missing}
    np.savez_compressed(file, **left)
    with pytest.raises(InputError, match=r"golden\.npz is not a readable golden network .*; run the stage `convert`"):
        IntegerNetwork.load(file)


@pytest.mark.parametrize(("old", "new"), [("quantize", "round_off"), ("accept", 3)], ids=["unknown", "number"])
def test_a_network_with_a_layer_of_an_unknown_kind_is_refused(tmp_path: Path, old: str, new: Any) -> None:  # noqa: ANN401
    file = tmp_path / "golden.npz"
    BY_HAND.with_thresholds(np.array([8])).save(file)
    with np.load(file) as content:
        arrays = {name: content[name] for name in content}
    entries = json.loads(str(arrays["layers"]))
    for entry in entries:
        entry["kind"] = new if entry["kind"] == old else entry["kind"]
    np.savez_compressed(file, **{**arrays, "layers": np.array(json.dumps(entries))})
    with pytest.raises(InputError, match=f"not a readable golden network .*{new}.* is no kind of layer"):
        IntegerNetwork.load(file)


def test_no_events_give_no_codes() -> None:
    found = BY_HAND.run(np.zeros((0, 2), dtype=np.int64))
    assert {name: tensor.codes.shape for name, tensor in found.items()}["score"] == (0, 1)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut", "other-npz"])
def test_a_damaged_golden_network_is_one_sentence(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "golden.npz"
    BY_HAND.save(file)
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "other-npz":
        np.savez(file, kernel=np.ones(3))
    else:
        file.write_bytes({"empty": b"", "text": b"no network", "cut": whole[: len(whole) // 2]}[damage])
    with pytest.raises(
        InputError, match=r"golden\.npz is not a readable golden network .*; run the stage `convert`"
    ) as caught:
        IntegerNetwork.load(file)
    assert "\n" not in str(caught.value)


def test_layers_are_found_by_name() -> None:
    assert BY_HAND["latent"] is DENSE
    with pytest.raises(KeyError):
        BY_HAND["nothing"]


# ---- bounds of partial sums ----


def test_partial_sums_reach_their_bounds_and_pass_them_nowhere() -> None:
    """Every sum of some of a unit's terms, by trying all of them at both ends of each input."""
    rng = np.random.default_rng(5)
    for signed in (True, False):
        source = _input(4, _type(4, 2, signed))
        kernel = rng.integers(-8, 8, size=(4, 3)), _type(4, 1)
        layer = Dense.of("latent", source, kernel, (rng.integers(-8, 8, size=3), _type(4, 2)))
        offset = layer.bias << (layer.type.fraction - layer.bias_type.fraction)
        ends = (source.type.min_code, source.type.max_code)
        sums = [
            (np.array(with_bias) * offset + (np.array(x) * np.array(taken)) @ layer.kernel)
            for x in product(ends, repeat=4)
            for taken in product((0, 1), repeat=4)
            for with_bias in (0, 1)
        ]
        assert layer.partial_sums([source]) == (int(np.min(sums)), int(np.max(sums)))
