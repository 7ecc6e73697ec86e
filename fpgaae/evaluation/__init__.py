"""Physics metrics of the anomaly scores, with intervals."""
