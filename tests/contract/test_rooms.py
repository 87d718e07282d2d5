"""The port `Rooms`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from koprogo_agent.errors import RetryLater
from koprogo_agent.ports import Room, Rooms
from tests.contract.ground import Ground

BACKEND = "backend"
LIMIT = 45.0
NONE = "0" * 64


@pytest.fixture
def rooms(ground: Ground) -> Iterator[Rooms]:
    """The port; no room is there before and after, and all services run."""
    world = ground.engine.world
    world.images.pull(ground.engine.settings.hold.image, lambda _: None)
    yield world.rooms
    world.rooms.remove(ground.project.name, BACKEND)
    world.stack.start(ground.project.name, [BACKEND])
    ground.wait_for(lambda: served(ground))


def served(ground: Ground) -> bool:
    """Whether a user is answered well."""
    return ground.engine.world.prober.ask(ground.public) is None


def room_of(ground: Ground) -> Room:
    """The backend's room."""
    (room,) = ground.engine.world.rooms.seen(ground.project.name)
    return room


def answers(ground: Ground) -> bool:
    """Whether it is up."""
    return room_of(ground).answers


def put_up(ground: Ground, rooms: Rooms) -> Room:
    """A room for the backend, that answers and has the route."""
    name, ids = ground.project.name, ground.ids
    rooms.put_up(name, BACKEND, ids[BACKEND], LIMIT)
    ground.wait_for(lambda: answers(ground))
    ground.wait_for(lambda: rooms.has_route(name, BACKEND, [ids[ground.ingress]]))
    return room_of(ground)


def refusal(ground: Ground, container: str) -> str:
    """The code of the error of a door that cannot be opened."""
    with pytest.raises(RetryLater) as raised:
        ground.engine.world.rooms.open(ground.project.name, BACKEND, container)
    return raised.value.code


def test_it_takes_the_route_and_passes_requests_on(ground: Ground, rooms: Rooms) -> None:
    """Users notice nothing; other projects and services have none, and other ingresses no route."""
    room = put_up(ground, rooms)
    assert served(ground)
    assert (room.service, room.closed, room.held, room.late) == (BACKEND, False, 0, 0)
    assert rooms.seen("no-such-project") == ()
    rooms.remove("no-such-project", BACKEND)
    assert answers(ground)
    assert not rooms.has_route(ground.project.name, "frontend", [ground.ids[ground.ingress]])
    assert not rooms.has_route(ground.project.name, BACKEND, [NONE])


def test_a_closed_door_holds_until_it_is_opened(ground: Ground, rooms: Rooms) -> None:
    """Closing twice is no fault."""
    put_up(ground, rooms)
    for _ in range(2):
        rooms.close(ground.project.name, BACKEND)
        assert room_of(ground).closed
    assert not served(ground)
    rooms.open(ground.project.name, BACKEND, ground.ids[BACKEND])
    assert not room_of(ground).closed
    assert served(ground)


def test_what_is_there_is_kept(ground: Ground, rooms: Rooms) -> None:
    """The same run, and what it was told."""
    room = put_up(ground, rooms)
    rooms.close(ground.project.name, BACKEND)
    rooms.put_up(ground.project.name, BACKEND, ground.ids[BACKEND], LIMIT)
    rooms.put_up_again(ground.project.name, BACKEND, ground.ids[BACKEND], LIMIT)
    assert room_of(ground).run == room.run
    assert room_of(ground).closed


def test_without_a_running_container_it_starts_closed(ground: Ground, rooms: Rooms) -> None:
    """It opens once there is an address to lead to, and says so before."""
    ground.engine.world.stack.stop(ground.project.name, [BACKEND])
    assert put_up(ground, rooms).closed
    assert refusal(ground, ground.ids[BACKEND]) == "room.no_address"
    assert refusal(ground, NONE) == "room.no_address"
    assert room_of(ground).closed
    ground.engine.world.stack.start(ground.project.name, [BACKEND])
    rooms.open(ground.project.name, BACKEND, ground.ids[BACKEND])
    ground.wait_for(lambda: served(ground))


def test_a_container_that_does_not_exist(ground: Ground, rooms: Rooms) -> None:
    """No room can be made for it."""
    for start in (rooms.put_up, rooms.put_up_again):
        with pytest.raises(RetryLater) as raised:
            start(ground.project.name, BACKEND, NONE, LIMIT)
        assert raised.value.code == "room.failed"
    assert rooms.seen(ground.project.name) == ()


def test_a_room_that_restarts_keeps_its_door_closed(ground: Ground, rooms: Rooms) -> None:
    """It is another run, by which that is noticed."""
    before = put_up(ground, rooms)
    rooms.close(ground.project.name, BACKEND)
    ground.crash_room(BACKEND)
    ground.wait_for(lambda: answers(ground) and room_of(ground).run != before.run)
    assert room_of(ground).closed


def test_a_room_that_has_fallen_is_put_up_again(ground: Ground, rooms: Rooms) -> None:
    """It answers nothing while it is down, and is closed afterwards as it was."""
    before = put_up(ground, rooms)
    rooms.close(ground.project.name, BACKEND)
    ground.end_room(BACKEND)
    assert not answers(ground)
    assert refusal(ground, ground.ids[BACKEND]) == "room.silent"
    rooms.put_up_again(ground.project.name, BACKEND, ground.ids[BACKEND], LIMIT)
    ground.wait_for(lambda: answers(ground))
    assert room_of(ground).closed
    assert room_of(ground).run != before.run


def test_a_room_that_was_removed_comes_back_closed(ground: Ground, rooms: Rooms) -> None:
    """Whether its container runs or not: that may be a version that has passed no gate."""
    put_up(ground, rooms)
    rooms.remove(ground.project.name, BACKEND)
    rooms.put_up_again(ground.project.name, BACKEND, ground.ids[BACKEND], LIMIT)
    ground.wait_for(lambda: answers(ground))
    assert room_of(ground).closed


def test_a_room_that_was_never_finished_is_made_anew(ground: Ground, rooms: Rooms) -> None:
    """Its agent was killed between creating and starting it: as it is, it would only fall."""
    name, ids = ground.project.name, ground.ids
    put_up(ground, rooms)
    for start, closed in ((rooms.put_up, False), (rooms.put_up_again, True)):
        ground.leave_room_unfinished(BACKEND)
        assert not answers(ground)
        start(name, BACKEND, ids[BACKEND], LIMIT)
        ground.wait_for(lambda: answers(ground))
        assert room_of(ground).closed is closed


def test_it_steps_aside(ground: Ground, rooms: Rooms) -> None:
    """The ingress leads past it, and no request fails."""
    put_up(ground, rooms)
    name, ingress = ground.project.name, [ground.ids[ground.ingress]]
    rooms.step_aside(name, BACKEND)
    ground.wait_for(lambda: not rooms.has_route(name, BACKEND, ingress))
    assert answers(ground)
    for _ in range(2):
        rooms.remove(name, BACKEND)
        assert rooms.seen(name) == ()
    assert served(ground)


def test_without_a_room(ground: Ground, rooms: Rooms) -> None:
    """Nothing can be told to it."""
    name = ground.project.name
    for tell in (rooms.close, rooms.step_aside):
        with pytest.raises(RetryLater) as raised:
            tell(name, BACKEND)
        assert raised.value.code == "room.silent"
    assert refusal(ground, ground.ids[BACKEND]) == "room.silent"
    assert not rooms.has_route(name, BACKEND, [ground.ids[ground.ingress]])
