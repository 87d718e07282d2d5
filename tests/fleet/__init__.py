"""The fleet server as a process of its own, on SQLite and on a real PostgreSQL."""
