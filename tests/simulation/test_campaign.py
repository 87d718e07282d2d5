"""Many updates on machines of bad luck: nobody waits beyond the bound, nothing is lost.

`KOPROGO_UPDATES` says how many; `make test` says a thousand. `KOPROGO_SEED` goes through the course
of one seed again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulation.campaign import Campaign

EACH = 25
"""Updates of one machine."""
UPDATES = int(os.environ.get("KOPROGO_UPDATES", "250"))
SEEDS = (
    [int(os.environ["KOPROGO_SEED"])]
    if "KOPROGO_SEED" in os.environ
    else list(range(-(-UPDATES // EACH)))
)


@pytest.mark.parametrize("seed", SEEDS)
def test_updates_in_a_row(folder: Path, seed: int) -> None:
    """Each ends with what was or what is new, with every row, and with users who were served."""
    campaign = Campaign.begin(seed, folder)
    try:
        for _ in range(EACH):
            campaign.update()
    except AssertionError as error:
        again = f"KOPROGO_SEED={seed} .venv/bin/pytest {Path(__file__).name}"
        raise AssertionError(f"seed {seed} (again: {again}): {error}") from error
    finally:
        campaign.instance.journal.close()
    assert campaign.blows.total() > EACH // 3, "too little has struck to prove anything"
