"""Requests in, completions out: through llama.cpp, or a server. Imports nothing of SysGen's."""

import os

# How long a thread spins before it sleeps when it waits for the others. The default of GNU OpenMP,
# 300,000 turns, makes steps up to a hundred times slower as soon as anything else uses a core;
# at 5,000 a quiet machine loses nothing. Must be set before llama.cpp loads that library.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
