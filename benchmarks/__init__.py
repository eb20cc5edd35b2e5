"""How fast a run is, side by side with what a user would otherwise do."""
