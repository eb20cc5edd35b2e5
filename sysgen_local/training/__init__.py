"""Trains a model on the rows of a store: from messages to tokens, the run, and back to GGUF.

What the model sees is made by the engine's own chat template and tokenizer, so training, the GGUF
and every evaluation agree. `torch`, `transformers`, `peft` and `trl` are the extra `train`; they
are imported in `torch_model`, `trainer` and `weights` only.
"""
