"""What instances and the fleet server say to each other: shared by both, and versioned.

Schema 1 (DESIGN, section 9). Both sides share the types, and both check by building them: what
cannot be built can be neither sent nor taken. Moments are whole seconds since 1970, UTC; durations
are seconds.
"""

SCHEMA = 1
LIMIT = 4096
"""Most bytes of a message."""
REPORTS = "/api/v1/reports"
"""Where a report is posted to, below the fleet's address."""
INSTANCES = "/api/v1/instances"
"""Below it, by its name, what is kept of an instance; a signed DELETE erases it."""
