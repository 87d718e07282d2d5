"""The step table: which module does the work of which step."""

from koprogo_agent.domain.plan import Step
from koprogo_agent.update.job import StepWork
from koprogo_agent.update.steps import (
    backup,
    budget,
    commit,
    fence,
    gate,
    migrate,
    point,
    pull,
    rehearse,
    restore,
    soak,
    stage,
    switch,
    tidy,
    unfence,
)

WORK: dict[Step, StepWork] = {
    Step.STAGE: stage,
    Step.BUDGET: budget,
    Step.PULL: pull,
    Step.BACKUP: backup,
    Step.REHEARSE: rehearse,
    Step.FENCE: fence,
    Step.POINT: point,
    Step.RESTORE: restore,
    Step.MIGRATE: migrate,
    Step.SWITCH: switch,
    Step.GATE: gate,
    Step.UNFENCE: unfence,
    Step.COMMIT: commit,
    Step.SOAK: soak,
    Step.TIDY: tidy,
}
"""What does the work of each step."""
