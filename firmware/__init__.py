"""Hand-written firmware sources, as package data: `hls/` is synthesized, `csim/` only drives the C simulation."""
