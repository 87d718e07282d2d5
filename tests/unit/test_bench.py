"""What the benchmark makes of measurements; it never asserts the measurements themselves."""

from __future__ import annotations

import pytest

from tests.bench.counts import count, failures, together
from tests.bench.figure import Figure
from tests.bench.site import Update, Users
from tests.bench.size import SIZES, SizeError, chosen
from tests.lab.client import Sample, Tally

USERS = Users(287, 0.3, 20)


def update(
    *samples: Sample, waited: float = 0.0, outcome: str = "committed", lost: int = 0
) -> Update:
    """An update as the bench sees it."""
    facts = {"release": {"waited": waited}}
    return Update(10.0, Tally(samples), lost, {}, facts, 0, outcome)


def sample(started: float, seconds: float, status: int, key: str = "") -> Sample:
    """A request."""
    return Sample(started, started + seconds, status, status in {200, 201}, key, started)


def test_a_failure_in_one_of_many_is_not_averaged_away() -> None:
    """Failures add up, waits are those of the worst."""
    good = count(update(sample(0, 0.1, 200), sample(1, 3.0, 200), waited=2.5))
    bad = count(update(sample(0, 0.1, 502), sample(1, 0.1, 200)))
    both = together([good, bad])
    assert (both.sent, both.failed, both.updates) == (4, 1, 2)
    assert both.longest == pytest.approx(3.0)
    assert both.failing == pytest.approx(1.1)
    assert both.misjudged == pytest.approx(0.5)
    assert both.answers == {502: 1}


def test_what_must_be_nought_does_not_hold_otherwise() -> None:
    """A lost row, a write executed twice and an update that ended otherwise count alike."""
    repeated = sample(0, 0.1, 409, "key")
    counted = count(update(repeated, lost=2, outcome="postponed"))
    assert (counted.lost, counted.repeated, counted.unlike) == (2, 1, 1)
    failed, wrong = failures("update", counted, None, USERS)
    assert (failed.holds, wrong.holds) == (False, False)
    assert wrong.measured == 4


def test_the_floor_of_failures_is_what_plain_compose_costs() -> None:
    """In the same run."""
    kept, plain = count(update(sample(0, 0.1, 200))), count(update(sample(0, 0.1, 404)))
    failed, _ = failures("update", kept, plain, USERS)
    assert (failed.measured, failed.floor, failed.holds) == (0, 1, True)


def test_a_figure_of_nought_beside_a_floor_of_nought_has_no_ratio() -> None:
    """Plain Compose may fail no request either."""
    assert Figure("failed", 0, "", floor=0, limit=0).ratio is None


@pytest.mark.parametrize(
    ("environment", "updates"),
    [
        ({}, SIZES["usual"].updates),
        ({"KOPROGO_BENCH": "full"}, 100),
        ({"KOPROGO_BENCH": "full", "KOPROGO_BENCH_UPDATES": "12"}, 12),
    ],
)
def test_the_environment_says_how_much(environment: dict[str, str], updates: int) -> None:
    """Without it, something that ends soon."""
    assert chosen(environment).updates == updates


@pytest.mark.parametrize(
    "environment",
    [
        {"KOPROGO_BENCH": "huge"},
        *({"KOPROGO_BENCH_UPDATES": text} for text in ("0", "6", "-4", "many", "")),
    ],
)
def test_a_size_that_does_not_exist_is_refused(environment: dict[str, str]) -> None:
    """The updates are shared by two kinds and two numbers of connections."""
    with pytest.raises(SizeError):
        chosen(environment)
