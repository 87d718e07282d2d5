"""What visitors send: small forms."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request

from koprogo_agent.errors import Refused
from koprogo_agent.fleet.intake.bodies import read_body

_LARGEST = 4096


async def read_form(request: Request) -> dict[str, str]:
    """A small form; what is given twice counts once. One that is none has nothing in it."""
    try:
        body = await read_body(request.receive, _LARGEST)
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=20)
    except (Refused, ValueError):
        return {}
    return {name: values[-1] for name, values in fields.items()}
