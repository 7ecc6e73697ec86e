"""Training, scoring and comparing the full-precision methods of `fpgaae.methods`; the stage `reference` of a config
with `method:`. What a method is does not belong here.
"""  # noqa: D205
