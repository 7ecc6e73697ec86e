"""Find the packages: `pyproject.toml` can't say that folders are some under other names beside those of a folder."""

from setuptools import find_packages, setup

_CONFIGS = ("fpgaae.configs", "fpgaae.configs.reference", "fpgaae.configs.scan")

setup(packages=[*find_packages(include=["fpgaae", "fpgaae.*"]), *_CONFIGS, "fpgaae_firmware"])
