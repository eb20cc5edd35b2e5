"""The 25 kinds of instruction of IFEval (arXiv 2311.07911), which a rule can check, and the changes
that Multi-IF (arXiv 2410.15553) made to them.

The rules give the verdicts of the authors' code, as lm-evaluation-harness has it, with its faults.
They are rules of benchmarks: the phase `check` reads the same wishes ("in two sentences") with its
own rules, which count otherwise.
"""
