"""Text in, text out, through llama.cpp; knows nothing of SysGen."""

import os

# Waiting threads sleep instead of spinning. On a core shared with anything else, spinning made
# steps up to a hundred times slower; must be set before llama.cpp loads its OpenMP library.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
