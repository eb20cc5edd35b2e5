"""How long a run will still take: from what is ahead, and from what the engine's steps cost."""

from sysgen_local.running.forecast.ahead import Forecast
from sysgen_local.running.forecast.pace import Pace

__all__ = ["Forecast", "Pace"]
