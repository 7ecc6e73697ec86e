"""The YAML file that describes an experiment: its sections, and reading it."""
