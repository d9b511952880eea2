"""The vector environment's compiled half: what `arena.SimArenaEnv` does, for many at once."""
