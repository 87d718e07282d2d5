"""The steps of an operation, one module each: do, undo, and a probe after a crash."""
