"""A report as it comes: bytes that somebody has signed, and nobody has looked at."""

from __future__ import annotations

import msgspec

from koprogo_agent.errors import Refused
from koprogo_agent.wire.report import Report

_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises: the last where a member that is not known is nested too deep."""
_DECODER = msgspec.json.Decoder(Report)


def decode(body: bytes) -> Report:
    """Reads a report. Members that are not known are of a later version, and ignored.

    Raises:
        Refused: it is none (code `report.malformed`), or of a schema that is not known here
            (`report.schema`).
    """
    try:
        return _DECODER.decode(body)
    except _FAULTS as error:
        code = "report.schema" if "schema" in str(error) else "report.malformed"
        raise Refused(f"the report cannot be read: {error}", code=code) from error
