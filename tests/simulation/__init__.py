"""A whole fake world behind the ports: git, images, compose, PostgreSQL, users, and time.

Nothing in here mocks the agent's own code: the engine, its steps, its journal and its rules are the
real ones, and this package is what they act on. The contract suite holds it to the same behaviour
as the real adapters.
"""
