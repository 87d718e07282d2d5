"""Stacks, what an operator makes of them, and what happens to them: drawn by hypothesis.

A release has KoproGo's services and some more: with profiles, replicas, one-shots, networks, and
dependents of each kind. The operator has services of their own and changes those of the release.
Only what Compose accepts is drawn, but for what is said to be broken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

PORT, OWN_PORT = 2525, 2626
NAME, OWN_NAME = "helper", "helper-of-theirs"
FURTHER = ("cache", "mailer", "worker", "report")
"""Names of further services of a release."""
OWN = ("own-a", "own-b")
"""Names of services of the operator's."""
NETWORKS = ("edge", "mail")
PROFILES = ("", "debug", "debug,tools", "*")
TOOL: Mapping[str, Any] = {"image": "tool:1", "restart": "unless-stopped"}
_RESTARTS = st.sampled_from([True])
_STARTED = {"condition": "service_started"}
CHECK = {"test": ["CMD", "ask"]}
_CHECKED = frozenset({"postgres", "storage", "backend"})
_KNOWN = (*sorted(_CHECKED), "frontend")
"""Services that every release has, and that a further one may depend on."""

Services = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Shape:
    """What a release has besides KoproGo's own services.

    Attributes:
        services: the further services.
        networks: the networks of its compose files.
        needed: those of the further services whose end the backend waits for.
        crashing: the one of them that exits at start, if any: the release is broken.
    """

    services: Services = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    crashing: str = ""


@dataclass(frozen=True)
class Files:
    """What the operator's override file and env file ask for.

    Attributes:
        own: services of their own.
        scaled: service of the release -> how many containers it is to have.
        storage: the tag of the storage's image.
        network: whether the frontend is in a network of theirs, too.
        profiles: the value of COMPOSE_PROFILES.
        zone: the value of TZ, which the backend is given.
        leans_on: a further service of the release that one of theirs needs; Compose accepts it only
            while the release has it.
        crashing: whether one of theirs exits at start.
    """

    own: Services = field(default_factory=dict)
    scaled: Mapping[str, int] = field(default_factory=dict)
    storage: str = "1"
    network: bool = False
    profiles: str = ""
    zone: str = ""
    leans_on: str = ""
    crashing: bool = False

    @property
    def possible(self) -> Files:
        """The same without what may not go with a release, or not run."""
        return replace(self, scaled={}, leans_on="", crashing=False)

    @property
    def override(self) -> bytes:
        """The override file."""
        services: dict[str, dict[str, Any]] = {name: dict(one) for name, one in self.own.items()}
        if self.leans_on:
            services["own-c"] = {**TOOL, "depends_on": {self.leans_on: _STARTED}}
        if self.crashing:
            services["own-d"] = {**TOOL, "image": "crashing:1"}
        services["storage"] = {"image": f"storage:{self.storage}"}
        services |= {name: _replicas(count) for name, count in self.scaled.items()}
        networks = {"own": {"name": "koprogo_own"}} if self.network else {}
        if self.network:
            frontend = services.get("frontend", {})
            services["frontend"] = {**frontend, "networks": {"own": None, "default": None}}
        return json.dumps({"services": services, "networks": networks}).encode()

    @property
    def variables(self) -> str:
        """What the env file says besides."""
        zone = f"TZ={self.zone}\n" if self.zone else ""
        return f"COMPOSE_PROFILES={self.profiles}\n{zone}"


@dataclass(frozen=True)
class Strike:
    """Something that happens while an operation is under way.

    Attributes:
        action: of the operation.
        instant: the n-th of that action.
        what: `files`, or what stands in the way for a while.
        lasts: seconds after which it is undone.
        files: what the operator writes.
        service: what is paused, if something is.
    """

    action: str
    instant: int
    what: str
    lasts: float
    files: Files
    service: str


@dataclass(frozen=True)
class Turn:
    """One operation, what the operator has written before it, and what strikes during it.

    Attributes:
        files: what the operator's files ask for when it begins.
        then: what happens, in words.
        shape: of the release, where one is published.
        strikes: what happens meanwhile.
    """

    files: Files
    then: str
    shape: Shape
    strikes: tuple[Strike, ...]


WITH_A_MIGRATION = " with a migration"
BROKEN: Mapping[str, Mapping[str, Any]] = {
    "exits at start": {"exits": "at start"},
    "exits after its migration": {"exits": "after migration"},
    "exits in production": {"exits": "in production"},
    "its migration fails": {"migration": "fails"},
    "its migration hangs": {"migration": "hangs"},
    "a further service crashes": {},
}
"""What is wrong with a release, and how its backend behaves then."""
_SCHEMAS = st.sampled_from(["", WITH_A_MIGRATION])
_THEN = st.sampled_from(["good", "good", "good", "broken", "rollback", "restore", "fells"]).flatmap(
    lambda what: {
        "good": _SCHEMAS.map("good".__add__),
        "broken": st.tuples(st.sampled_from(sorted(BROKEN)), _SCHEMAS).map("".join),
        "rollback": st.just("rollback"),
        "restore": st.just("restore"),
        "fells": st.tuples(
            st.sampled_from(["remove ", "stop "]), st.sampled_from([*_KNOWN, "a further one"])
        ).map("".join),
    }[what]
)
_ACTIONS = (
    *("stage", "pull", "backup", "rehearse", "commit", "tidy"),
    *("hold", "switch", "gate", "release", "soak") * 3,
    *("point", "restore", "undo point", "undo switch", "undo gate", "undo release"),
)
OBSTACLES = ("env file", "override", "port", "name", "pause", "addresses")
_LASTS = (5.0, 60.0, 400.0, 4000.0)


@st.composite
def further(
    draw: st.DrawFn, names: Sequence[str], *, port: int, name: str, networks: Sequence[str] = ()
) -> dict[str, Mapping[str, Any]]:
    """Further services under some of these names, as Compose accepts them."""
    found: dict[str, Mapping[str, Any]] = {}
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=3))
    single: dict[str, dict[str, Any]] = {
        "port": {"ports": [{"target": 25, "published": str(port), "protocol": "tcp"}]}
    }
    single["name"] = {"container_name": name}
    for one in chosen:
        profiles = draw(st.sampled_from([(), (), ("debug",), ("tools",), ("debug", "tools")]))
        there = {o: s for o, s in found.items() if s.get("profiles", profiles) == profiles}
        always = {o: s for o, s in found.items() if "profiles" not in s}
        spec = draw(_plain(dict(always) | there))
        if profiles:
            spec["profiles"] = profiles
        if networks and "network_mode" not in spec and draw(st.booleans()):
            spec["networks"] = dict.fromkeys(draw(st.sets(st.sampled_from(networks), min_size=1)))
        if single and not draw(st.integers(0, 2)):
            spec |= single.pop(draw(st.sampled_from(sorted(single))))
        elif draw(st.booleans()):
            spec |= draw(st.sampled_from([{"scale": 0}, {"scale": 2}, _replicas(0), _replicas(2)]))
        if "network_mode" in spec:
            spec.pop("ports", None)
        found[one] = spec
    return found


def _replicas(count: int) -> dict[str, Any]:
    return {"deploy": {"replicas": count}}


@st.composite
def _plain(draw: st.DrawFn, others: Services) -> dict[str, Any]:
    """One that stays up or ends, and what it has of services that are there with it."""
    if draw(st.integers(0, 3)) == 0:
        spec: dict[str, Any] = {"image": "shot:1", "restart": draw(_policies("no", "on-failure"))}
    else:
        spec = {"image": "tool:1", "restart": draw(_policies("unless-stopped", "always", "no"))}
        if draw(st.booleans()):
            spec["healthcheck"] = CHECK
    shared = [*_KNOWN, *(name for name, one in others.items() if _has_one(one))]
    match draw(st.sampled_from(["", "", "", "network", "volumes"])):
        case "network":
            spec["network_mode"] = f"service:{draw(st.sampled_from(shared))}"
        case "volumes":
            spec["volumes_from"] = [draw(st.sampled_from(shared))]
    needed = draw(st.lists(st.sampled_from([*_KNOWN, *others]), unique=True, max_size=2))
    if needed:
        spec["depends_on"] = {one: draw(_how(one, others)) for one in needed}
    return spec


def _policies(*names: str) -> st.SearchStrategy[str]:
    return st.sampled_from(names)


def _has_one(service: Mapping[str, Any]) -> bool:
    """Whether it has containers that stay up, which others can share."""
    count = service.get("scale", service.get("deploy", {}).get("replicas", 1))
    return bool(count) and service["image"] == "tool:1"


def _how(name: str, others: Services) -> st.SearchStrategy[dict[str, Any]]:
    """How one depends on another, as that one can satisfy it."""
    other = others.get(name, {})
    conditions = ["service_started"]
    if name in _CHECKED or "healthcheck" in other:
        conditions.append("service_healthy")
    if other.get("image") == "shot:1":
        conditions.append("service_completed_successfully")
    return st.fixed_dictionaries(
        {"condition": st.sampled_from(conditions)}, optional={"restart": _RESTARTS}
    )


@st.composite
def _shapes(draw: st.DrawFn) -> Shape:
    networks = tuple(draw(st.lists(st.sampled_from(NETWORKS), unique=True)))
    services = draw(further(FURTHER, port=PORT, name=NAME, networks=networks))
    shots = [
        name
        for name, one in services.items()
        if one["image"] == "shot:1" and not one.get("profiles") and not _needs(services, name)
    ]
    needed = draw(st.sampled_from(shots)) if bool(shots) and draw(st.booleans()) else ""
    plain = [name for name, one in services.items() if _has_one(one) and "profiles" not in one]
    return Shape(
        services,
        networks,
        (needed,) if needed else (),
        draw(st.sampled_from(plain)) if plain else "",
    )


def _needs(services: Services, name: str) -> bool:
    """Whether one needs the backend, directly or through others: it cannot be needed by it."""
    one = services.get(name, {})
    shared = str(one.get("network_mode", "")).removeprefix("service:")
    found = {*one.get("depends_on", ()), *one.get("volumes_from", ()), shared} - {""}
    return "backend" in found or any(_needs(services, other) for other in found)


def _seldom(strategy: st.SearchStrategy[Any], usual: object) -> st.SearchStrategy[Any]:
    """One time in eight something else than usual."""
    return st.integers(0, 7).flatmap(lambda one: strategy if one == 7 else st.just(usual))


FILES = st.builds(
    Files,
    own=further(OWN, port=OWN_PORT, name=OWN_NAME),
    scaled=_seldom(
        st.dictionaries(st.sampled_from([*FURTHER, "frontend"]), st.sampled_from([1, 2])), {}
    ),
    storage=st.sampled_from(["1", "1", "2"]),
    network=st.booleans(),
    profiles=st.sampled_from(PROFILES),
    zone=st.sampled_from(["", "UTC"]),
    leans_on=_seldom(st.sampled_from(FURTHER), ""),
    crashing=st.integers(0, 7).map(lambda one: one == 7),
)
_STRIKES = st.builds(
    Strike,
    st.sampled_from(_ACTIONS),
    st.integers(0, 12),
    st.sampled_from([*OBSTACLES, "files", "files", "files"]),
    st.sampled_from(_LASTS),
    FILES,
    st.sampled_from(_KNOWN),
)
SHAPES = _shapes()
TURNS = st.lists(
    st.builds(
        Turn,
        FILES,
        _THEN,
        SHAPES,
        st.lists(_STRIKES, max_size=3).map(tuple),
    ),
    min_size=2,
    max_size=5,
)
