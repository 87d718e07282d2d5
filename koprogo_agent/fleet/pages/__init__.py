"""The dashboard: pages for the association's staff, which can look and not act."""
