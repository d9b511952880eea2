"""The arena in plain Python: the loop, its verbs, clusters, policies and environments.

Importing this package costs nothing heavy: neither Prefect, nor pandas, nor the engine's
compiled code is loaded before something needs it.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sim-arena")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
