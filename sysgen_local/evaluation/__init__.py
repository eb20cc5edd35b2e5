"""Benchmarks: what they ask, how their authors count, and the stages that answer and judge."""
