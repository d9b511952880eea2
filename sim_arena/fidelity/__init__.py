"""How near the embedded cluster is to a real one, for a trace of one's own."""

from sim_arena.fidelity.comparison import Comparison, Event, Found, compare
from sim_arena.fidelity.recording import Counts, Moment, Recording, record

__all__ = ["Comparison", "Counts", "Event", "Found", "Moment", "Recording", "compare", "record"]
