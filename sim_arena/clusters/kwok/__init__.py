"""A real Kubernetes API with KWOK's nodes: the trace's objects applied by our own replayer."""
