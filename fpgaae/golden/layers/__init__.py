"""The layers of the golden network."""
