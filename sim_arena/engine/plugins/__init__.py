"""The scheduler's plugins, each under Kubernetes' own name (default profile of 1.36)."""
