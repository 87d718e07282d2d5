"""The schema's history; each step is kept for ever."""
