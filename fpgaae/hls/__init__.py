"""From the quantized model to an HLS project, and its C simulation compared bit for bit."""
