"""The configuration file: the first one, and an older one carried forward."""
