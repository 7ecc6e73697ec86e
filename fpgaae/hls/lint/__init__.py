"""Finds in a model, a config or a project what would make the firmware differ, before training time is spent.

`rules` holds the table of rules, the `*_checks` modules look for them in a neutral description, and `run` puts them
together. Nothing here imports TensorFlow, Keras or hls4ml, and nothing executes what a file holds.
"""
