"""The recipe of the built-in demonstration model: corpus, training, GGUF and figures."""
