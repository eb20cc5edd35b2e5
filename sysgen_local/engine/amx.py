"""AMX, the matrix unit of newer Xeons: left out where llama.cpp's code for it ends the process.

GCC 12's header says that `ldtilecfg` reads 8 bytes, where it reads 64. The compiler then drops what
is written to the others, and the first batch of several tokens is an "Illegal instruction".
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

from llama_cpp import llama_cpp

from sysgen_local.engine.devices import cpu_features
from sysgen_local.resources import resource

_defaults = llama_cpp.llama_model_default_params

_TRIAL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from llama_cpp import Llama
Llama(sys.argv[1], n_ctx=64, n_gpu_layers=0, verbose=False).eval(list(range(48)))
"""


@cache
def fails() -> bool:
    """Whether it is built in and ends a process that is there to try it, which takes a second."""
    if "AMX_INT8" not in cpu_features():
        return False
    model = resource("builtin_model/builtin.gguf")
    tried = subprocess.run([sys.executable, "-c", _TRIAL, model], capture_output=True)
    return tried.returncode < 0


def leave_out_if_it_fails() -> None:
    """Have llama.cpp's defaults, which `llama_cpp.Llama` takes too, do without it in this process.

    The other layouts of weights go with it: llama.cpp has one switch for all of them.
    """
    if fails():
        llama_cpp.llama_model_default_params = _without


def _without() -> Any:
    params = _defaults()
    params.use_extra_bufts = False
    return params
