"""The folder of a stage's result: its manifest, the hashes of its files, and the rename that puts it in place.

What a result was made from does not belong here (`fingerprint`).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from fpgaae.errors import InputError
from fpgaae.files import Json, read_sealed, sha256
from fpgaae.optional import installed_version
from fpgaae.processes import ProgramHangs, run_program
from fpgaae.runs.stages import IMPORT, PROJECT_FOLDER, STAGES

MANIFEST = "manifest.json"
_STAGES = frozenset({*STAGES, IMPORT})
_SOURCE_SUFFIXES = frozenset({".c", ".cpp", ".h", ".hpp"})
_VERSIONS_OF = (
    "fpgaae", "numpy", "tensorflow", "tf_keras", "keras", "qkeras", "tensorflow-model-optimization", "hls4ml", "da4ml",
)  # fmt: skip


def hash_tree(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file below a folder, by relative path, without the manifest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path) for path in files if path.relative_to(folder) != Path(MANIFEST)}


def edited_files(folder: Path) -> tuple[str, ...]:
    """Name the files of a finished stage that were changed or removed since it wrote them, and any added C++ source.

    Other added files do not count: a synthesis tool writes into the project's folder, too.
    """
    recorded = recorded_hashes(folder)
    found = present_hashes(folder)
    return tuple(sorted(name for name in recorded | found if recorded.get(name) != found[name]))


def changed_inputs(folder: Path) -> tuple[str, ...]:
    """Name the files of the stages beside it that a finished stage rests on, and that are other ones now.

    It needs neither the config nor the events. JSON does not count: it holds speeds, which differ from run to run. Of a
    stage that is not there nothing is said; a file that was edited by hand is a matter of `edited_files`.
    """
    if not (folder / MANIFEST).is_file():
        return ()
    changed: dict[str, None] = {}
    recorded: dict[str, dict[str, str]] = {}
    for name, sha in read_manifest(folder).get("inputs", {}).items():
        stage, _, file = name.partition("/")
        beside = folder.parent / stage
        if stage not in _STAGES or file.endswith(".json") or not (beside / MANIFEST).is_file():
            continue
        if stage not in recorded:
            recorded[stage] = read_manifest(beside).get("outputs") or {}
            changed |= dict.fromkeys(changed_inputs(beside))
        if recorded[stage].get(file) == sha:
            continue
        if sha != (sha256(beside / file) if (beside / file).is_file() else None):
            changed[name] = None
    return tuple(changed)


def of_other_files(folder: Path) -> str | None:
    """Say that the result of a stage rests on other files than lie beside it now, or None where it does not."""
    if not (changed := changed_inputs(folder)):
        return None
    more = f" and {len(changed) - 1} more files" if len(changed) > 1 else ""
    return f"{folder} rests on another {changed[0]}{more} than lies beside it now"


def present_hashes(folder: Path) -> dict[str, str | None]:
    """Give the present SHA-256 of every file that a stage wrote, None for one that is gone, and of added C++."""
    names = set(recorded_hashes(folder))
    sources = folder / PROJECT_FOLDER / "firmware"
    names |= {str(path.relative_to(folder)) for path in sources.rglob("*") if path.suffix in _SOURCE_SUFFIXES}
    return {name: sha256(folder / name) if (folder / name).is_file() else None for name in sorted(names)}


def read_manifest(folder: Path) -> Json:
    """Read the manifest of a finished stage.

    Raises
    ------
    InputError
        If it is missing, or not as it was written.
    """
    return read_sealed(folder / MANIFEST)


def recorded_hashes(folder: Path) -> dict[str, str]:
    """Give the SHA-256 that every file of a finished stage had when it was written."""
    recorded = read_manifest(folder).get("outputs")
    if not isinstance(recorded, dict):
        raise InputError(f"{folder / MANIFEST} lists no outputs; run the stage `{folder.name}` with --force")
    return recorded


def replace_folder(new: Path, target: Path) -> None:
    """Put a folder in the place of another; `recover_folder` mends a kill between the two renames."""
    old = replaced_folder(target)
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    new.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Put back the result that was there before, where a kill between two renames left none."""
    old = replaced_folder(folder)
    if old.exists() and not folder.exists():
        old.replace(folder)


def replaced_folder(folder: Path) -> Path:
    """Give where a folder lies while another takes its place."""
    return folder.with_name(f".{folder.name}.old")


def package_versions() -> dict[str, str]:
    """Give the versions of the installed packages that results depend on."""
    found = {name: installed_version(name) for name in _VERSIONS_OF}
    return {name: version for name, version in found.items() if version is not None}


def git_commit() -> str | None:
    """Give the commit of the source tree, with `+` when it has changes, or None outside a checkout."""
    here = Path(__file__).parent
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        done = run_program(command, "git", folder=here, limit_s=10)
    except (OSError, ProgramHangs):
        return None
    return (done.stdout.strip() or None) if done.returncode == 0 else None
