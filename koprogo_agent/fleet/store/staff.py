"""Who may look at the dashboard: names, passwords (argon2id) and sessions."""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Engine, select

from koprogo_agent.errors import NeedsOperator
from koprogo_agent.fleet.store import schema

SHORTEST = 12
"""Characters of a password."""
IDLE, LONGEST = 12 * 3600, 7 * 86_400
"""Seconds after which a session is over: without a visit, and in any case."""
_SEEN_EVERY = 300
_VOUCHED = "openid"
"""In the place of a hash, of those who have no password: an OpenID provider vouches for them."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class Staff:
    """Reads and writes them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._hasher = PasswordHasher()

    @cached_property
    def _nobody(self) -> str:
        """Checked in place of one who is not there, so that the time tells nobody who is."""
        return self._hasher.hash(secrets.token_urlsafe())

    def add(self, name: str, password: str, now: int) -> None:
        """Adds somebody, or gives them another password; their sessions are over then.

        Raises:
            NeedsOperator: name or password cannot be used (code `staff.name`, `staff.password`).
        """
        _check(name)
        if len(password) < SHORTEST:
            raise NeedsOperator(
                f"the password has fewer than {SHORTEST} characters", code="staff.password"
            )
        self._put(name, self._hasher.hash(password), now)

    def add_vouched(self, name: str, now: int) -> None:
        """Adds somebody without a password, or takes theirs; their sessions are over then.

        Args:
            name: their email, or else the OpenID provider's own name for them (`sub`).
            now: the moment.

        Raises:
            NeedsOperator: the name cannot be used (code `staff.name`).
        """
        _check(name)
        self._put(name, _VOUCHED, now)

    def _put(self, name: str, kept: str, now: int) -> None:
        self.remove(name)
        with self._engine.begin() as connection:
            connection.execute(schema.staff.insert(), {"name": name, "hash": kept, "made": now})

    def remove(self, name: str) -> bool:
        """Takes somebody out, with their sessions; tells whether they were there."""
        staff, session = schema.staff, schema.session
        with self._engine.begin() as connection:
            connection.execute(session.delete().where(session.c.name == name))
            gone = connection.execute(staff.delete().where(staff.c.name == name))
        return gone.rowcount > 0

    def names(self) -> list[str]:
        """Everybody."""
        query = select(schema.staff.c.name).order_by(schema.staff.c.name)
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def knows(self, name: str, password: str) -> bool:
        """Whether this is the password of somebody of that name. Takes its time, by design."""
        kept = self._kept(name)
        if kept == _VOUCHED:
            kept = None
        try:
            return self._hasher.verify(kept or self._nobody, password) and kept is not None
        except (VerifyMismatchError, InvalidHashError):
            return False

    def vouched(self, email: str | None, subject: str) -> str | None:
        """The name of somebody whom an OpenID provider vouches for, or None for a stranger.

        Args:
            email: if the provider has verified it, otherwise None. Whoever bears it as their name
                comes in, also if they have a password.
            subject: the provider's own name for them. Opens only to who was added for that: the
                password of an `ann` says nothing about who is an `ann` there.
        """
        # Only ASCII: a Kelvin sign, for one, becomes a plain k in small letters.
        if email and email.isascii() and "@" in email:
            name = email.lower()
            if self._kept(name) is not None:
                return name
        if "@" not in subject and self._kept(subject) == _VOUCHED:
            return subject
        return None

    def _kept(self, name: str) -> str | None:
        """The hash of somebody, or what stands in its place."""
        if not _NAME.fullmatch(name):
            return None
        query = select(schema.staff.c.hash).where(schema.staff.c.name == name)
        with self._engine.connect() as connection:
            kept: str | None = connection.execute(query).scalar_one_or_none()
        return kept

    def begin(self, name: str, now: int) -> str:
        """Begins a session, and gives its secret, of which only the hash is kept."""
        secret = secrets.token_urlsafe(32)
        row = {"sha256": _sha256(secret), "name": name, "began": now, "seen": now}
        session = schema.session
        over = (session.c.seen < now - IDLE) | (session.c.began < now - LONGEST)
        with self._engine.begin() as connection:
            connection.execute(session.delete().where(over))
            connection.execute(session.insert(), row)
        return secret

    def who(self, secret: str, now: int) -> str | None:
        """Whose session this is, or None where it is none, or over."""
        session = schema.session
        mine = session.c.sha256 == _sha256(secret)
        with self._engine.begin() as connection:
            row = connection.execute(select(session).where(mine)).one_or_none()
            if row is None or row.seen < now - IDLE or row.began < now - LONGEST:
                return None
            if now - row.seen > _SEEN_EVERY:
                connection.execute(session.update().where(mine).values(seen=now))
        name: str = row.name
        return name

    def end(self, secret: str) -> None:
        """The session is over."""
        session = schema.session
        with self._engine.begin() as connection:
            connection.execute(session.delete().where(session.c.sha256 == _sha256(secret)))


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise NeedsOperator(
            f"{name[:80]!r} is no name for somebody of the staff",
            code="staff.name",
            advice="small letters, digits, and . _ @ - within",
        )


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
