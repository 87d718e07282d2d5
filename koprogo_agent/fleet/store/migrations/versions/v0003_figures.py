"""What servers tell each other, when none listened, and what came of each release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "bulletin",
        sa.Column("process", sa.String(16), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("bulletin_at", "bulletin", ["at"])
    op.create_table(
        "outage",
        sa.Column("began", sa.BigInteger, primary_key=True),
        sa.Column("ended", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "arrival",
        sa.Column("instance", sa.String(32), primary_key=True),
        sa.Column("tag", sa.String(64), primary_key=True),
        sa.Column("outcome", sa.String(48), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("arrival_at", "arrival", ["at"])
    op.create_table(
        "tally",
        sa.Column("tag", sa.String(64), primary_key=True),
        sa.Column("outcome", sa.String(48), primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True),
        sa.Column("step", sa.String(48), primary_key=True),
        sa.Column("code", sa.String(48), primary_key=True),
        sa.Column("verified", sa.Boolean, primary_key=True),
        sa.Column("instances", sa.Integer, nullable=False),
    )
