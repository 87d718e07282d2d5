"""The tables, the same in SQLite and PostgreSQL. Moments are seconds since 1970.

PostgreSQL keeps `transition` in partitions by month (`migrations`); SQLite in one table.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

instance = Table(
    "instance",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("enrolled", BigInteger, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("run", String(16), nullable=False),
    Column("former", Text, nullable=False),
    Column("cloned", BigInteger),
    Column("since", BigInteger, nullable=False),
    Column("agent", String(64), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("installed", String(64)),
    Column("digest", String(64)),
    Column("operation", Text),
    Column("pending", Text),
    Column("polled", BigInteger),
    Column("fault", String(48)),
    Index("instance_seen", "seen"),
)

transition = Table(
    "transition",
    metadata,
    Column("instance", String(32), primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("received", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("installed", String(64)),
    Column("kind", String(48)),
    Column("tag", String(64)),
    Column("outcome", String(48)),
    Column("began", BigInteger),
    Column("ended", BigInteger),
    Column("seen", BigInteger),
    Column("step", String(48)),
    Column("code", String(48)),
    Column("waited_ms", BigInteger),
    Column("turned_away", BigInteger),
    Column("away_ms", BigInteger),
    Index("transition_at", "at"),
    Index("transition_installed", "installed", "at"),
    Index("transition_tag", "tag", "at"),
)

token = Table(
    "token",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("made", BigInteger, nullable=False),
    Column("note", String(200), nullable=False),
    Column("used", BigInteger),
    Column("used_by", String(32)),
)

release = Table(
    "release",
    metadata,
    Column("tag", String(64), primary_key=True),
    Column("published", BigInteger, nullable=False),
    Column("security", Boolean, nullable=False),
)

census = Table(
    "census",
    metadata,
    Column("span", String(4), primary_key=True),  # day, hour, or min: what changed since
    Column("at", BigInteger, primary_key=True),
    Column("installed", String(64), primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("verified", Boolean, primary_key=True),
    Column("instances", Integer, nullable=False),
)

staff = Table(
    "staff",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("hash", String(200), nullable=False),
    Column("made", BigInteger, nullable=False),
)

session = Table(
    "session",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("began", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Index("session_name", "name"),
)

# What one server process tells the others, and the next one that starts.
bulletin = Table(
    "bulletin",
    metadata,
    Column("process", String(16), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("bulletin_at", "at"),
)

# When no server listened: nobody can be called silent for that time.
outage = Table(
    "outage",
    metadata,
    Column("began", BigInteger, primary_key=True),
    Column("ended", BigInteger, nullable=False),
)

# The first time that an instance came to this end with a release.
arrival = Table(
    "arrival",
    metadata,
    Column("instance", String(32), primary_key=True),
    Column("tag", String(64), primary_key=True),
    Column("outcome", String(48), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("arrival_at", "at"),
)

# The same counted, by ten seconds: what is left when nobody can be told apart any more.
tally = Table(
    "tally",
    metadata,
    Column("tag", String(64), primary_key=True),
    Column("outcome", String(48), primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("step", String(48), primary_key=True),
    Column("code", String(48), primary_key=True),
    Column("verified", Boolean, primary_key=True),
    Column("instances", Integer, nullable=False),
)
