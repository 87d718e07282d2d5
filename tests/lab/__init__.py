"""Real parts for tests, demo and benchmarks: engine, registry, git origin, keys, stack."""
