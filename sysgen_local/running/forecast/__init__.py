"""How long a run will still take: from what is ahead, and from what the engine's steps cost."""

from sysgen_local.running.forecast.pace import Pace
from sysgen_local.running.forecast.remaining import Forecast

__all__ = ["Forecast", "Pace"]
