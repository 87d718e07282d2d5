"""What gpgv says, judged line by line: what it has not said clearly, it has not said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from koprogo_agent.adapters.signatures import judge_status
from koprogo_agent.domain.armour import Purpose, Statement
from koprogo_agent.errors import Refused

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STATEMENT = Statement("tag v1.2.0", Purpose.TAG, b"", "")
PRIMARY = "A" * 40
NEW, GOOD = "[GNUPG:] NEWSIG\n", "[GNUPG:] GOODSIG AAAA release\n"
VALID = f"[GNUPG:] VALIDSIG {'B' * 40} 2026-11-23 1795411731 0 4 0 22 8 00 {PRIMARY}\n"
EXPIRED = "[GNUPG:] EXPKEYSIG AAAA release\n"


def ends(at: datetime) -> str:
    """That the key expires at an instant."""
    return f"[GNUPG:] KEYEXPIRED {int(at.timestamp())}\n"


def code(status: str) -> str:
    """The code with which a status is refused."""
    with pytest.raises(Refused) as caught:
        judge_status(STATEMENT, status, NOW)
    assert caught.value.message.startswith("the signature on tag v1.2.0 ")
    return caught.value.code


def test_the_signer_is_the_primary_key_not_the_subkey_that_signed() -> None:
    """The primary key is what a trust root lists; other lines do not matter."""
    assert judge_status(STATEMENT, NEW + GOOD + VALID, NOW) == PRIMARY
    more = "gpgv: a word\n[GNUPG:] KEY_CONSIDERED AAAA 0\n\n[GNUPG:] TRUST_UNDEFINED\n"
    assert judge_status(STATEMENT, more + NEW + more + GOOD + VALID + more, NOW) == PRIMARY


@pytest.mark.parametrize("number", ["8", "9", "10", "11", "12", "14"])
@pytest.mark.parametrize("kind", ["00", "01"])
def test_hashes_that_cannot_be_forged_are_good(number: str, kind: str) -> None:
    """Over a binary document or a text."""
    status = NEW + GOOD + VALID.replace("8 00", f"{number} {kind}")
    assert judge_status(STATEMENT, status, NOW) == PRIMARY


@pytest.mark.parametrize("number", ["1", "2", "3", "13", "0", ""])
def test_other_hashes_are_weak(number: str) -> None:
    """MD5, SHA-1 and RIPEMD-160, and whatever is not known yet."""
    assert code(NEW + GOOD + VALID.replace("8 00", f"{number} 00")) == "signature.weak"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("BADSIG AAAA release", "signature.bad"),
        ("ERRSIG AAAA 22 8 00 1 9 -", "signature.bad"),
        ("NO_PUBKEY AAAA", "signature.unknown_key"),
        ("EXPSIG AAAA release", "signature.expired"),
        ("EXPKEYSIG AAAA release", "signature.expired"),
        ("REVKEYSIG AAAA release", "signature.revoked"),
    ],
)
@pytest.mark.parametrize("good", [GOOD, ""])
def test_one_bad_word_is_enough(line: str, expected: str, good: str) -> None:
    """In place of the good one or beside it."""
    assert code(f"{NEW}{good}[GNUPG:] {line}\n{VALID}") == expected
    assert code(f"[GNUPG:] {line}\n{NEW}{good}{VALID}") == expected


@pytest.mark.parametrize(
    "status",
    [
        "",
        NEW,
        NEW + GOOD,
        NEW + VALID,
        GOOD + VALID,
        NEW + GOOD + VALID + VALID,
        NEW + GOOD + GOOD + VALID,
        NEW + NEW + GOOD + VALID,
        NEW + GOOD + VALID.replace(f" {PRIMARY}", ""),
        NEW + GOOD + VALID.replace(PRIMARY, f"{PRIMARY} more"),
        NEW + GOOD + VALID.replace("8 00", "8 10"),
        NEW + GOOD + VALID.replace("8 00", "8 1F"),
        f"gpgv: {NEW}{GOOD}{VALID}",
        (NEW + GOOD + VALID).replace("[GNUPG:] ", "[GNUPG:]"),
        (NEW + GOOD + VALID).lower(),
    ],
)
def test_what_is_not_exactly_one_good_signature_is_bad(status: str) -> None:
    """None, two, of a key instead of a document, or not in gpgv's own words."""
    assert code(status) == "signature.bad"


def test_a_key_that_has_expired_since_is_good() -> None:
    """To gpgv it has expired; what counts is the instant that is given, and not at it."""
    for later in (timedelta(seconds=1), timedelta(days=999)):
        status = NEW + ends(NOW + later) + EXPIRED + VALID
        assert judge_status(STATEMENT, status, NOW) == PRIMARY
    for earlier in (timedelta(), timedelta(seconds=1)):
        assert code(NEW + ends(NOW - earlier) + EXPIRED + VALID) == "signature.expired"


def test_of_several_expiries_each_counts() -> None:
    """A key and its subkey: whichever had ended by then."""
    later, earlier = ends(NOW + timedelta(days=1)), ends(NOW)
    assert judge_status(STATEMENT, NEW + later + later + EXPIRED + VALID, NOW) == PRIMARY
    assert code(NEW + later + earlier + EXPIRED + VALID) == "signature.expired"
    assert code(NEW + earlier + later + EXPIRED + VALID) == "signature.expired"


@pytest.mark.parametrize("when", ["soon", "-1", "1e99", "", "20261124T000000"])
def test_an_expiry_that_is_no_time_is_over(when: str) -> None:
    """What cannot be read is not believed to lie ahead."""
    assert code(f"{NEW}[GNUPG:] KEYEXPIRED {when}\n{EXPIRED}{VALID}") == "signature.expired"


def test_an_expiry_makes_nothing_good_but_the_key() -> None:
    """A signature that has expired, or a key that was revoked, stays so."""
    later = ends(NOW + timedelta(days=1))
    for word, expected in (("EXPSIG", "signature.expired"), ("REVKEYSIG", "signature.revoked")):
        assert code(f"{NEW}{later}[GNUPG:] {word} AAAA release\n{VALID}") == expected
