"""What each stage writes: a module a stage, a frozen dataclass a result file, with the keys of the JSON as fields."""
