"""The same as the pages, as JSON."""
