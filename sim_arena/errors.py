"""Every error that the arena raises on purpose.

```
SimArenaError
├── ClusterError        the cluster, or what was asked of it
│   ├── TransientError  may work when tried again: retried with back-off and jitter
│   └── PermanentError  will not work however often it is tried: never retried
│       └── BusyError   somebody else plays the run
├── ActionError         an action that is not in the registry or whose parameters are wrong
├── PolicyError         a policy that cannot be loaded, or whose answer is no action
└── HookError           a hook that failed or ran out of time

traces.TraceError       a trace file: what is wrong, and where in the file
results.ResultsError    a run's files: what is wrong, and in which file
```

Each message says what was expected, what was found, and what to do. `TraceError` and
`ResultsError` belong to their own packages, which know nothing of the arena.
"""

__all__ = [
    "ActionError",
    "BusyError",
    "ClusterError",
    "HookError",
    "PermanentError",
    "PolicyError",
    "SimArenaError",
    "TransientError",
]


class SimArenaError(Exception):
    """The root of the arena's errors."""


class ClusterError(SimArenaError):
    """The cluster could not do what was asked, or could not be read."""


class TransientError(ClusterError):
    """A fault that may pass: worth another try after a pause."""


class PermanentError(ClusterError):
    """A fault that stays until somebody changes something: another try is useless."""


class ActionError(SimArenaError):
    """An action that is not in the registry, or whose parameters are out of bounds."""


class PolicyError(SimArenaError):
    """A policy that cannot be found or loaded, or that returned something else than an action."""


class HookError(SimArenaError):
    """A hook that failed or did not end within its time limit."""


class BusyError(PermanentError):
    """Somebody else plays the run. It says nothing of how the run goes."""
