"""The shipped configs, and short forms of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import h5py
import yaml

from benchmarks.measure import CONFIGS
from fpgaae.config.data import TOY_PREFIX
from fpgaae.config.file import read_config
from fpgaae.data.cms_shards import ZERO_BIAS, ShardSettings, write_shards
from fpgaae.data.readers import SAMPLE_PREFIX

CMS = "cms_l1"  # on shards that a user downloads; made-up ones of that schema stand in for them
_CMS_SHARDS = 20
# Their events are files that a user downloads.
_WITHOUT_EVENTS = frozenset({"mnist", "fashion_mnist"})
_SAMPLE = Path(str(resources.files("fpgaae.data") / "sample"))
_EPOCHS = 2
_BACKGROUND_EVENTS, _SIGNAL_EVENTS = 20_000, 2_000
_MANY = frozenset({"background", "others", "normal", "digits", "spins"})  # processes that are trained on


def shipped_configs(names: Sequence[str] = ()) -> Iterator[Path]:
    """Give the files of the shipped configs, or of those of some names; a student comes behind its teacher."""
    files = (*sorted(CONFIGS.glob("*.yaml")), *sorted((CONFIGS / "reference").glob("*.yaml")))
    for file in sorted(files, key=lambda file: finished_teacher(read_config(file).content) is not None):
        if file.stem not in _WITHOUT_EVENTS and (not names or file.stem in names):
            yield file


def made_up_shards(folder: Path, n_events: int) -> dict[str, str]:
    """Write shards of the public CMS set's schema, a tenth as many of a signal; give the `data.files` of `cms_l1`."""
    made = ShardSettings(n_events, n_events // 10, -(-n_events // _CMS_SHARDS), ("ato4l",), menu_bits=4)
    folders = {sample: str(files[0].parent) for sample, files in write_shards(folder, made).items()}
    return {"background": folders[ZERO_BIAS], "ato4l": folders["ato4l"], "leptoquark": folders["single_neutrino"]}


def finished_teacher(content: Mapping[str, Any]) -> str | None:
    """Name the config of the method that is run before a student of it."""
    teacher = (content.get("distillation") or {}).get("teacher") or {}
    return teacher.get("weights_of")


def shortened(file: Path, folder: Path) -> Path:
    """Write a config that extends a shipped one with few events and a short training, under the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    content = read_config(file).content
    changes: dict[str, Any] = {
        "extends": str(file.resolve()),
        "training": {"reference": {"epochs": _EPOCHS}, "quantized": {"epochs": _EPOCHS}},
        "evaluation": {"bootstrap_replicas": 20, "ablation_events": 2000},
        "pruning": {"begin_epoch": 0, "end_epoch": 1},
        "csim": {"random_events": 2000},
        "data": {"files": _few_events(file, content, folder)},
    }
    if teacher := finished_teacher(content):
        changes["distillation"] = {"teacher": {"weights_of": str((folder / f"{Path(teacher).name}.yaml").resolve())}}
    elif content.get("distillation"):
        changes["distillation"] = {"fit": {"epochs": _EPOCHS}}
    if "ensemble" in content:
        changes["ensemble"] = {"seeds": 2}
    target = folder / file.name
    target.write_text(yaml.safe_dump(changes), encoding="utf-8")
    return target


def _few_events(file: Path, content: Mapping[str, Any], folder: Path) -> dict[str, str]:
    if file.stem == CMS:
        return made_up_shards(folder.resolve(), _BACKGROUND_EVENTS)
    return {name: _few(name, source, folder) for name, source in content["data"]["files"].items()}


def _few(process: str, source: str, folder: Path) -> str:
    """Give fewer events of a toy, or write the first ones of a bundled sample."""
    n_events = _BACKGROUND_EVENTS if process in _MANY else _SIGNAL_EVENTS
    if source.startswith(TOY_PREFIX):
        return re.sub(r":\d+", f":{n_events}", source)
    name = source.removeprefix(SAMPLE_PREFIX)
    target = (folder / name).resolve()
    if not target.exists():
        with h5py.File(_SAMPLE / name) as whole, h5py.File(target, "w") as few:
            for key, values in whole.items():
                few[key] = values[:n_events]
    return str(target)
