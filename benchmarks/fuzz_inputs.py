"""Inputs as nobody should send them: mutated configs, YAML, event files and models, each from a generator's numbers.

A maker writes files into a folder and gives the arguments of the command that reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import yaml

from benchmarks.fuzz_events import EVENT_FORMATS, event_config, event_file
from benchmarks.fuzz_models import model_file
from benchmarks.fuzz_mutations import CANARY, mutate_bytes, mutate_tree
from fpgaae.config.file import read_config
from fpgaae.config.shipped import shipped_configs

Maker = Callable[[np.random.Generator, Path], list[str]]
_YAML_TOKENS = (
    "&a ", "*a", "<<: *a", "!!int ", "!!bool ", "!!binary ", "!!timestamp ", "!!set ", "!!omap ", "!!float ", "? ",
    "- ", "|\n", ">\n", "%YAML 9\n", "---\n", "...\n", "\t", "{", "[", "}", "]", "\x00", "\ufeff", "\u2028",
    "extends: ", "/dev/zero", "preset:", "config:l1_ae", "1e999", "0x", ".nan", "-.inf", "1_0", "1:60:60",
    "2024-13-45", "~", "''", f"!!python/object/apply:os.system ['touch {CANARY}']", "!!python/name:os.system", "'",
    '"', "#", ": ", "\n  ",
)  # fmt: skip


@cache
def _configs() -> tuple[str, ...]:
    """Give the content of the configs of the package, as YAML."""
    contents = (read_config(entry.file).content for entry in shipped_configs() if not entry.is_scan)
    return tuple(yaml.safe_dump(content, sort_keys=False) for content in contents)


def make_config(rng: np.random.Generator, folder: Path) -> list[str]:
    """Change values, keys and sections of a config."""
    content = yaml.safe_load(_configs()[rng.integers(len(_configs()))])
    for _ in range(rng.integers(1, 4)):
        content = mutate_tree(rng, content)
    return _linted(folder, yaml.dump(content, sort_keys=False, allow_unicode=True, Dumper=yaml.SafeDumper).encode())


def make_yaml(rng: np.random.Generator, folder: Path) -> list[str]:
    """Change the text of a config, or write a bomb."""
    if rng.random() < 0.1:
        return _linted(folder, _bomb(rng))
    content = _configs()[rng.integers(len(_configs()))].encode()
    return _linted(folder, mutate_bytes(rng, content, [token.encode() for token in _YAML_TOKENS]))


def _bomb(rng: np.random.Generator) -> bytes:
    """Write few bytes that stand for many: aliases of aliases, depth, long numbers and keys."""
    n = int(rng.integers(2, 40))
    kind = rng.integers(5)
    if kind == 0:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, n)]
        return "\n".join(lines).encode()
    if kind == 1:
        return b"a: " + b"[" * (int(10 ** int(rng.integers(1, 6))))
    if kind == 2:
        return b"seed: " + b"9" * (int(10 ** int(rng.integers(1, 6))))
    if kind == 3:
        return b"".join(b"%skey%d:\n" % (b" " * i, i) for i in range(n * 20))
    return b"a: &a\n  b: *a\n" + b"x" * (int(2 ** int(rng.integers(1, 21)))) + b": 1\n"


def _linted(folder: Path, content: bytes) -> list[str]:
    (folder / "config.yaml").write_bytes(content)
    return ["lint", "config.yaml", "--runs", "runs"]


def make_events(rng: np.random.Generator, folder: Path) -> list[str]:
    """Change the bytes or the content of an event file, of each format in turn."""
    return _read(EVENT_FORMATS[rng.integers(len(EVENT_FORMATS))], rng, folder, is_changed=True)


def _read(form: str, rng: np.random.Generator, folder: Path, *, is_changed: bool) -> list[str]:
    (folder / "config.yaml").write_text(event_config(form), encoding="utf-8")
    event_file(form, rng, folder, is_changed=is_changed)
    return ["data", "config.yaml", "--runs", "runs", "--json"]


SOUND: dict[str, Maker] = {form: partial(_read, form, is_changed=False) for form in EVENT_FORMATS}


def make_model(rng: np.random.Generator, folder: Path) -> list[str]:
    """Change the architecture, the weights or the bytes of a model file."""
    return ["lint", model_file(rng, folder).name, "--json"]


KINDS: dict[str, Maker] = {"configs": make_config, "yaml": make_yaml, "events": make_events, "models": make_model}
