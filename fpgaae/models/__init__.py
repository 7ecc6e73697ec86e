"""The autoencoders: the float one (Keras 3), its quantized twin (QKeras), and their integer form (NumPy)."""
