"""Find the packages: `pyproject.toml` can't say that folders are some under other names beside those of a folder."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["fpgaae", "fpgaae.*"]), "fpgaae.configs", "fpgaae_firmware"])
