"""Find the packages: `pyproject.toml` can't say that `firmware/` is one under another name beside those of a folder."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["fpgaae", "fpgaae.*"]), "fpgaae_firmware"])
