"""The golden network: the deployed network in exact integers, with which every target is compared (NumPy only)."""
