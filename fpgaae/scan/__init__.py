"""Many trainings of one experiment with some keys varied: the search, its workers, and what comes out of it."""
