"""Makes traces of Kubernetes objects: of manifests, and of what lives on a cluster."""

from traces.importers.assembling import KEPT_KINDS, Imported, assemble
from traces.importers.manifests import Manifest, read_path, read_text

__all__ = ["KEPT_KINDS", "Imported", "Manifest", "assemble", "read_path", "read_text"]
