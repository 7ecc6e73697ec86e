"""The proof's number types against the vendor's and against the rules of UG1399, and a damaged type that is found."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from support import REPOSITORY

from fpgaae.prove import arithmetic
from fpgaae.prove.arithmetic import cast_codes
from fpgaae.prove.symbols import Cast

pytestmark = pytest.mark.slow  # with all its compilations
PROOF = REPOSITORY / "firmware" / "proof"
SOURCE = Path(__file__).with_name("number_types.cpp")
Q_MODES = (
    arithmetic.TRN, arithmetic.TRN_ZERO, arithmetic.RND, arithmetic.RND_ZERO, arithmetic.RND_INF,
    arithmetic.RND_MIN_INF, arithmetic.RND_CONV,
)  # fmt: skip
TARGETS = (
    *((5, 3, rounding, arithmetic.SAT) for rounding in Q_MODES),
    (5, 3, arithmetic.RND_CONV, arithmetic.SAT_ZERO), (5, 3, arithmetic.TRN, arithmetic.SAT_SYM),
    (5, 3, arithmetic.RND, arithmetic.WRAP), (14, 6, arithmetic.RND_ZERO, arithmetic.SAT),
    (3, 6, arithmetic.RND_CONV, arithmetic.WRAP),
)  # fmt: skip


def vendor_types() -> Path:
    """Give the folder of the vendor's types, as hls4ml ships them."""
    found = importlib.util.find_spec("hls4ml")
    if found is None or found.origin is None:
        pytest.skip("needs hls4ml")
    return Path(found.origin).parent / "templates" / "vivado" / "ap_types"


def compiled(types: Path, source: Path, folder: Path) -> Path:
    """Compile a source over some types and give its object."""
    target = folder / f"{source.stem}.o"
    command = ["g++", "-O0", "-std=c++17", "-w", "-fpermissive", f"-I{types}", "-c", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def printed(folder: Path, *objects: Path) -> list[str]:
    """Link a program and give what it prints."""
    program = folder / "program"
    subprocess.run(["g++", *map(str, objects), "-o", str(program)], check=True)
    return subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture(scope="module")
def vendor(compiler: None, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give what the vendor's types print."""
    folder = tmp_path_factory.mktemp("vendor")
    return printed(folder, compiled(vendor_types(), SOURCE, folder))


@pytest.fixture(scope="module")
def objects(compiler: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give the program over the types of the proof, by source."""
    folder = tmp_path_factory.mktemp("proof")
    sources = [SOURCE, *(PROOF / f"{name}.cpp" for name in ("symbolic", "paths", "quantize"))]
    return {source.stem: compiled(PROOF, source, folder) for source in sources}


def ug1399(rounding: int, value: int, drop: int) -> int:
    """Round a code as the guide describes each mode, in whole numbers of a step of 2**drop."""
    step = 1 << drop
    low = value // step
    if value % step == 0:
        return low
    high, twice = low + 1, 2 * (value - low * step)
    nearest = low if twice < step else high
    away, towards = (high, low) if value > 0 else (low, high)
    return {
        arithmetic.TRN: low,
        arithmetic.TRN_ZERO: towards,
        arithmetic.RND: high if twice == step else nearest,
        arithmetic.RND_ZERO: towards if twice == step else nearest,
        arithmetic.RND_INF: away if twice == step else nearest,
        arithmetic.RND_MIN_INF: low if twice == step else nearest,
        arithmetic.RND_CONV: low + low % 2 if twice == step else nearest,
    }[rounding]


def expected_cast(value: int, fraction: int, to: Cast) -> int:
    """Give the code of the guide for a code that is cast."""
    drop = fraction - to.fraction
    code = ug1399(to.rounding, value, drop) if drop > 0 else value << -drop
    low, high = (-(1 << to.width - 1), (1 << to.width - 1) - 1) if to.signed else (0, (1 << to.width) - 1)
    if to.overflow == arithmetic.SAT_SYM and to.signed:
        low += 1
    if low <= code <= high:
        return code
    if to.overflow == arithmetic.WRAP:
        return (code - low) % (1 << to.width) + low
    return 0 if to.overflow == arithmetic.SAT_ZERO else max(low, min(code, high))


def all_casts() -> list[tuple[int, int, Cast]]:
    """Give every cast in the order of the program."""
    found = []
    for value in (*range(-256, 256), *range(256)):
        for signed, (width, integer, rounding, overflow) in product((True, False), TARGETS):
            found.append((value, 5, Cast(width, integer, signed, rounding, overflow)))
    return found


def test_every_cast_of_the_vendor_and_of_the_proof_is_that_of_the_guide(vendor: list[str]) -> None:
    found = [int(line.split()[3]) for line in vendor if line.startswith("a")]
    casts = all_casts()
    assert len(found) == len(casts) == 768 * 2 * 12
    wrong = []
    for (value, fraction, to), code in zip(casts, found, strict=True):
        right = expected_cast(value, fraction, to)
        ours = int(cast_codes(np.array([value]), fraction, to)[0])
        if (code, ours) != (right % (1 << to.width), right):
            wrong.append((value, to, right, code, ours))
    assert not wrong, f"{len(wrong)}: {wrong[0]}"


def test_operations_of_the_proof_print_the_same_as_the_vendors(
    vendor: list[str], objects: dict[str, Path], tmp_path: Path
) -> None:
    ours = printed(tmp_path, *objects.values())
    wrong = [(a, b) for a, b in zip(vendor, ours, strict=True) if a != b]
    assert not wrong, f"{len(wrong)} lines, first {wrong[0]}"


DAMAGES = {
    "convergent rounding": ("quantize.cpp", "up = rest > half || (rest == half && (low & 1));", "up = rest >= half;"),
    "saturation": ("quantize.cpp", "return code < all.low ? all.low : all.high;", "return all.high;"),
    "growth of a sum": (
        "ap_fixed.h", "sum_i = larger(I + (S2 && !S), I2 + (S && !S2)) + 1",
        "sum_i = larger(I + (S2 && !S), I2 + (S && !S2))",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_type_is_found(
    vendor: list[str], objects: dict[str, Path], tmp_path: Path, damage: str
) -> None:  # fmt: skip
    file, right, damaged = DAMAGES[damage]
    types = Path(shutil.copytree(PROOF, tmp_path / "types"))
    text = (types / file).read_text()
    assert text.count(right) == 1
    (types / file).write_text(text.replace(right, damaged))
    source = types / file if file.endswith(".cpp") else SOURCE
    assert printed(tmp_path, *(objects | {source.stem: compiled(types, source, tmp_path)}).values()) != vendor


def test_a_rounding_mode_of_the_vendor_that_is_damaged_is_found(vendor: list[str], tmp_path: Path) -> None:
    types = Path(shutil.copytree(vendor_types(), tmp_path / "types"))
    text, right = (types / "ap_fixed_base.h").read_text(), "qb &= _AP_ROOT_op_get_bit(Base::V, 0) || r;"
    assert text.count(right) == 1
    (types / "ap_fixed_base.h").write_text(text.replace(right, "qb &= true;"))
    damaged = printed(tmp_path, compiled(types, SOURCE, tmp_path))
    wrong = {
        cast.rounding
        for (_, _, cast), own, right in zip(all_casts(), damaged, vendor, strict=False)
        if own != right and right.startswith("a")
    }
    assert wrong == {arithmetic.RND_CONV}
