"""Readers of file formats, one module each. They yield records and rejects in order."""
