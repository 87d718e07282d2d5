"""The step table: which module does the work of which step."""

from koprogo_agent.domain.plan import Step
from koprogo_agent.update.job import StepWork
from koprogo_agent.update.steps import (
    backup,
    budget,
    commit,
    gate,
    hold,
    migrate,
    point,
    pull,
    rehearse,
    release,
    restore,
    soak,
    stage,
    switch,
    tidy,
)

WORK: dict[Step, StepWork] = {
    Step.STAGE: stage,
    Step.BUDGET: budget,
    Step.PULL: pull,
    Step.BACKUP: backup,
    Step.REHEARSE: rehearse,
    Step.HOLD: hold,
    Step.POINT: point,
    Step.RESTORE: restore,
    Step.MIGRATE: migrate,
    Step.SWITCH: switch,
    Step.GATE: gate,
    Step.RELEASE: release,
    Step.COMMIT: commit,
    Step.SOAK: soak,
    Step.TIDY: tidy,
}
"""What does the work of each step."""
