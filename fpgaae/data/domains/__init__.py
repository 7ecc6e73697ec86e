"""Readers of single domains: a module each, which holds a `READER` and is found by its name in `data.reader`."""
