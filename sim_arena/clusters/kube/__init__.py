"""What the clusters with a real Kubernetes API have in common: requests, watches, ownership."""
