"""How values and bytes are changed, from a generator's numbers alone."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

CANARY = "canary"  # the file that code in an input would make
_EVIL: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 64, 1024, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, -1e308, 1e-320,
    float("inf"), float("-inf"), float("nan"), "", " ", "a", "A", "auto", "null", "1", "-1", "1e5", "a" * 5000,
    "x\ny", "\u202e", "é", "名", "a b", "[bold]", "a/b", "../../etc/passwd", "/dev/zero", "/dev/full", "~", "%s%n",
    "{0}", "$HOME", f"$(touch {CANARY})", f"; touch {CANARY};", f"]; exec touch {CANARY}; [",
    f"__import__('os').system('touch {CANARY}')", f"!!python/object/apply:os.system ['touch {CANARY}']", "int",
    "class", "always", "entity", "main", "toy:x:5", "x.h5", [], {}, [[]], [{}], {"a": 1}, {"": 1}, [1, 2, 3],
    [1] * 300, ["a", "a"], {"a": {"b": {"c": {}}}},
)  # fmt: skip
_BYTES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\n", b"\xff\xff\xff\xff", b"\x00" * 8, b"\xff" * 8, b"\xff\xff\xff\x7f")


def mutate_tree(rng: np.random.Generator, content: Any) -> Any:  # noqa: ANN401
    """Change one place of nested mappings and lists; what was given is left."""
    root = [copy.deepcopy(content)]
    places = [(root, 0), *_places(root[0])]
    holder, key = places[rng.integers(len(places)) if len(places) > 1 else 0]
    if holder is root and rng.random() < 0.95 and len(places) > 1:
        holder, key = places[rng.integers(1, len(places))]
    value = holder[key]
    kind = rng.integers(7)
    if kind <= 2:
        holder[key] = copy.deepcopy(_EVIL[rng.integers(len(_EVIL))])
    elif kind == 3 and holder is not root:
        del holder[key]
    elif kind == 4 and isinstance(holder, dict):
        holder[_renamed(rng, str(key))] = holder.pop(key)
    elif kind == 5:
        other_holder, other_key = places[rng.integers(len(places))]
        holder[key] = copy.deepcopy(other_holder[other_key])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        holder[key] = value * float(rng.choice([-1, 0.1, 1000, 1e9])) + float(rng.choice([0, 1, 0.5]))
    else:
        holder[key] = [value, value] if rng.random() < 0.5 else {"of": value}
    return root[0]


def _places(content: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401
    keys = content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    return [place for key in keys for place in ((content, key), *_places(content[key]))]


def _renamed(rng: np.random.Generator, key: str) -> str:
    at = int(rng.integers(len(key) + 1))
    return f"{key[:at]}{'xX_-. é'[rng.integers(7)]}{key[at + int(rng.integers(2)) :]}"


def mutate_bytes(rng: np.random.Generator, content: bytes, tokens: Sequence[bytes] = _BYTES) -> bytes:
    """Flip, cut, repeat and insert bytes in some places."""
    changed = bytearray(content)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4, 16]))):
        at = int(rng.integers(len(changed) + 1))
        length = min(int(2 ** rng.uniform(0, 10)), len(changed) - at)
        kind = rng.integers(6)
        token = tokens[int(rng.integers(len(tokens)))]
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            changed[at:at] = token
        elif kind == 2:
            changed[at : at + len(token)] = token
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[at : at + length]
        elif rng.random() < 0.3:
            del changed[at:]
    return bytes(changed)
