"""What a trained float method is good for besides a score, and how its uses are run."""
