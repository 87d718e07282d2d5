"""Why the stack of an instance is down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the column."""
    op.add_column("instance", sa.Column("fault", sa.String(48)))
