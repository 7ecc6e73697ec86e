"""The proof: the written sources equal the golden network on every event that the ports can carry."""
