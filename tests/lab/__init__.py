"""Real parts for tests, demo and benchmarks: engine, registry, git origin, keys, stack."""

from tests.lab.lab import Lab
from tests.lab.recipes import Kind

__all__ = ["Kind", "Lab"]
