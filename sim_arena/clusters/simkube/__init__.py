"""A real cluster with SimKube 2.x on it: its controller and driver replay the trace."""
