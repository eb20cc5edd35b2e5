"""Serves web pages on the loopback address, to one person on this machine."""
