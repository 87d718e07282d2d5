"""What users met during an operation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds the columns."""
    for name in ("waited_ms", "turned_away", "away_ms"):
        op.add_column("transition", sa.Column(name, sa.BigInteger()))
