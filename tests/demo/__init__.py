"""The whole story on a terminal, on real parts: `make demo`."""
