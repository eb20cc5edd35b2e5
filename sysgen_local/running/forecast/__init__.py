"""Estimates how long a run will still take: the remaining work times the cost of the engine's
steps."""

from sysgen_local.running.forecast.pace import Pace
from sysgen_local.running.forecast.remaining import Forecast, RemainingWork

__all__ = ["Forecast", "Pace", "RemainingWork"]
