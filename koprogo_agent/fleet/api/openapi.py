"""The description of the API: made from the very types that are sent."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec

from koprogo_agent import __version__
from koprogo_agent.fleet.asking import MOST, ORDERS, RANGES
from koprogo_agent.fleet.domain.census import Who
from koprogo_agent.fleet.views.adoption import Adoption, Exposure
from koprogo_agent.fleet.views.attention import Attention
from koprogo_agent.fleet.views.listing import CHOICES, Filter, Listing
from koprogo_agent.fleet.views.overview import Overview
from koprogo_agent.fleet.views.progress import Progress
from koprogo_agent.fleet.views.public import Public
from koprogo_agent.fleet.views.story import Story
from koprogo_agent.wire.answer import Rejection

PREFIX = "/api/v1"
_REFERENCE = "#/components/schemas/{name}"
_NUMBER = "(0|[1-9][0-9]{0,8})"
_PART = "(0|[1-9][0-9]{0,8}|[0-9]{0,8}[A-Za-z-][0-9A-Za-z-]{0,15})"
_TAG = rf"^v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PART}(\.{_PART}){{0,3}})?$"
_NAME = "^[0-9a-f]{32}$"
_CURSOR = r"^([0-9]{1,16}\.[0-9a-f]{32})?$"
_VALUE = "^[A-Za-z0-9._-]{0,130}$"


class Versions(msgspec.Struct):
    """Answer of `/adoption`."""

    adoption: Adoption
    exposure: Exposure


_TYPES = (Overview, Versions, Progress, Listing, Story, Attention, Public, Rejection)


def document(cookie: str) -> dict[str, Any]:
    """The whole of it, as OpenAPI 3.1, where sessions are in this cookie."""
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template=_REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "KoproGo fleet",
            "version": __version__,
            "description": "For staff, reading only. Moments are seconds since 1970 in UTC. What"
            " instances send, and how that is signed, is described in docs/report-protocol.md.",
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
                "signature": {"type": "apiKey", "in": "header", "name": "Signature"},
            },
        },
    }


def _paths() -> dict[str, Any]:
    known = _query("known", {"enum": [str(one) for one in Who]}, "of whom")
    days = _query("days", {"enum": list(RANGES)}, "of how many days")
    at = _query("at", _or_empty({"type": "string", "format": "date-time"}), "as of when; now")
    tag = _path("tag", _TAG, "of the release")
    name = _path("name", _NAME, "of the instance")
    before = _query(
        "before", _or_empty({"type": "integer", "minimum": 0, "maximum": MOST}), "below"
    )
    return {
        f"{PREFIX}/fleet": _get("The fleet, now or then", Overview, [known, at]),
        f"{PREFIX}/adoption": _get("Versions over time", Versions, [known, days]),
        f"{PREFIX}/releases": _get("Releases that matter", Progress, [], many=True),
        f"{PREFIX}/releases/{{tag}}": _get("How a release fares", Progress, [tag]),
        f"{PREFIX}/instances": _get("A page of instances", Listing, _filters()),
        f"{PREFIX}/instances/{{name}}": {
            **_get("One instance", Story, [name, before]),
            "delete": _forget(name),
        },
        f"{PREFIX}/attention": _get("What needs a person", Attention, []),
        "/public.json": _open("Totals that everybody may see", Public),
    }


def _filters() -> list[dict[str, Any]]:
    special = {name: _or_empty({"enum": sorted(any_of)}) for name, any_of in CHOICES.items()}
    value = {"type": "string", "pattern": _VALUE}
    return [
        *(
            _query(each.name, special.get(each.name, value), "only those")
            for each in fields(Filter)
        ),
        _query("sort", {"enum": list(ORDERS)}, "order"),
        _query("after", {"type": "string", "pattern": _CURSOR}, "`next` of the page before"),
    ]


def _or_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """A form sends each of its fields: what is empty is not asked."""
    return {"anyOf": [schema, {"const": ""}]}


def _get(
    what: str, answer: type, parameters: list[dict[str, Any]], *, many: bool = False
) -> dict[str, Any]:
    schema = _reference(answer)
    responses = {
        "200": _said("it", {"type": "array", "items": schema} if many else schema),
        "401": _said("nobody has logged in", _reference(Rejection)),
    }
    if parameters:
        responses["400"] = _said("what was asked cannot be read", _reference(Rejection))
    if answer is Story:
        responses["404"] = _said("nothing is known of it", _reference(Rejection))
    return {
        "get": {
            "summary": what,
            "security": [{"session": []}],
            "parameters": parameters,
            "responses": responses,
        }
    }


def _forget(name: dict[str, Any]) -> dict[str, Any]:
    """Of what instances send, this alone has an address that is described here."""
    said = {
        "401": "it is not signed, or not well",
        "403": "another instance has signed it",
        "404": "nothing is known of it",
        "429": "too much at once",
        "503": "nothing was changed",
    }
    return {
        "summary": "Forgets the instance, at its own signed word",
        "security": [{"signature": []}],
        "parameters": [name],
        "responses": {
            "204": {"description": "it is forgotten"},
            **{status: _said(what, _reference(Rejection)) for status, what in said.items()},
        },
    }


def _open(what: str, answer: type) -> dict[str, Any]:
    return {"get": {"summary": what, "responses": {"200": _said("it", _reference(answer))}}}


def _said(what: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _reference(kind: type) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _query(name: str, schema: dict[str, Any], what: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": what}


def _path(name: str, pattern: str, what: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": what}
