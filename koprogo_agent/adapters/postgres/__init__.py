"""PostgreSQL in a container of the stack, driven through the container's own programs.

Everything runs by `docker exec` over the server's local socket: the agent needs no driver, no port
and no password in an argument, and `pg_dump` always has the server's version.
"""

from koprogo_agent.adapters.postgres.database import ContainerPostgres

__all__ = ["ContainerPostgres"]
