"""fpgaae: from trigger objects to verified trigger firmware."""

__version__ = "0.1.0"
