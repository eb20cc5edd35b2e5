"""How long a run will still take: from what is ahead, and from what the engine's steps cost."""

from sysgen_local.forecast.ahead import Forecast
from sysgen_local.forecast.guess import LONGEST, Size
from sysgen_local.forecast.pace import Pace

__all__ = ["LONGEST", "Forecast", "Pace", "Size"]
