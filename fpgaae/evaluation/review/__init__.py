"""What a trigger review asks beyond AUC and rates: turn-ons, inputs, types, latents, single events, the menu."""
