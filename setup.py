"""Find the packages, and write the sdist as it was written before: `pyproject.toml` can say neither.

It can't say that folders are some packages under other names beside those of a folder.
"""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

_CONFIGS = ("fpgaae.configs", "fpgaae.configs.reference", "fpgaae.configs.scan")


class ReproducibleSdist(sdist):  # type: ignore[misc]
    """With SOURCE_DATE_EPOCH the same bytes for the same files: their order, times and owners are set."""

    def make_archive(self, base_name: str, format: str, *places: str | None, **others: str | None) -> str:
        """Write the archive of the folder that setuptools filled."""
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return str(super().make_archive(base_name, format, *places, **others))
        folder, archive = Path(others["base_dir"] or ""), Path(f"{base_name}.tar.gz")

        def of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = int(epoch), 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            return entry

        with (
            archive.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=int(epoch)) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in (folder, *sorted(folder.rglob("*"))):
                tar.add(path, str(path), recursive=False, filter=of_nobody)
        return str(archive)


setup(
    packages=[*find_packages(include=["fpgaae", "fpgaae.*"]), *_CONFIGS, "fpgaae_firmware"],
    cmdclass={"sdist": ReproducibleSdist},
)
