"""Generates broken traces, each with its known cause and repair."""

from traces.generator.demo import generate, write_demo

__all__ = ["generate", "write_demo"]
