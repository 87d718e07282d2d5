"""The first schema: instances, what they told, tokens, releases and the census."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    _make_instance()
    _make_transition()
    _make_others()


def _make_instance() -> None:
    op.create_table(
        "instance",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("enrolled", sa.BigInteger, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("run", sa.String(16), nullable=False),
        sa.Column("former", sa.Text, nullable=False),
        sa.Column("cloned", sa.BigInteger),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("installed", sa.String(64)),
        sa.Column("digest", sa.String(64)),
        sa.Column("operation", sa.Text),
        sa.Column("pending", sa.Text),
        sa.Column("polled", sa.BigInteger),
    )
    op.create_index("instance_seen", "instance", ["seen"])


def _make_transition() -> None:
    op.create_table(
        "transition",
        sa.Column("instance", sa.String(32), primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("installed", sa.String(64)),
        sa.Column("kind", sa.String(48)),
        sa.Column("tag", sa.String(64)),
        sa.Column("outcome", sa.String(48)),
        sa.Column("began", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        sa.Column("seen", sa.BigInteger),
        sa.Column("step", sa.String(48)),
        sa.Column("code", sa.String(48)),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("transition_at", "transition", ["at"])
    op.create_index("transition_installed", "transition", ["installed", "at"])
    op.create_index("transition_tag", "transition", ["tag", "at"])
    if op.get_bind().dialect.name == "postgresql":
        # For moments of which there is no month: a clock may be years off.
        op.execute("CREATE TABLE transition_other PARTITION OF transition DEFAULT")


def _make_others() -> None:
    op.create_table(
        "token",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("made", sa.BigInteger, nullable=False),
        sa.Column("note", sa.String(200), nullable=False),
        sa.Column("used", sa.BigInteger),
        sa.Column("used_by", sa.String(32)),
    )
    op.create_table(
        "release",
        sa.Column("tag", sa.String(64), primary_key=True),
        sa.Column("published", sa.BigInteger, nullable=False),
        sa.Column("security", sa.Boolean, nullable=False),
    )
    op.create_table(
        "census",
        sa.Column("span", sa.String(4), primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True),
        sa.Column("installed", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("verified", sa.Boolean, primary_key=True),
        sa.Column("instances", sa.Integer, nullable=False),
    )
