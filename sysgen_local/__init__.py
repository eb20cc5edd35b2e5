"""sysgen-local: system messages and aligned answers for any SFT dataset, on one's own machine."""

__version__ = "0.1.0"
