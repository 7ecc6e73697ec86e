"""A first config for events that are there: files are looked at, and what they hold is described as a config does."""
