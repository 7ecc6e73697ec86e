"""The anomaly scores: exact codes, and values in floating point."""
