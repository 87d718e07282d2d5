"""What may happen to the agent's waiting rooms on a lab's engine."""

from __future__ import annotations

import os
import signal
from contextlib import closing

import docker
from docker.errors import NotFound
from docker.models.containers import Container

from tests.lab.lab import Lab

LABEL = "be.koprogo.agent.room"


def rooms(lab: Lab) -> dict[str, str]:
    """Service -> id of its waiting room, of the lab's own project."""
    wanted: dict[str, str | list[str] | bool] = {"label": f"{LABEL}.project={lab.stack.project}"}
    with closing(lab.engine.client()) as client:
        found = client.containers.list(all=True, filters=wanted)
        return {one.labels[LABEL]: one.id or "" for one in found}


def crash_room(lab: Lab, service: str) -> None:
    """End the process of a service's room as the kernel does; the engine starts it again."""
    with closing(lab.engine.client()) as client:
        os.kill(_room(client, lab, service).attrs["State"]["Pid"], signal.SIGKILL)


def end_room(lab: Lab, service: str) -> None:
    """`docker kill`: the engine takes that for a wish, and leaves the room down."""
    with closing(lab.engine.client()) as client:
        _room(client, lab, service).kill()


def remove_room(lab: Lab, service: str) -> None:
    """`docker rm -f`; absent already is success."""
    with closing(lab.engine.client()) as client:
        try:
            _room(client, lab, service).remove(force=True)
        except NotFound:
            return


def leave_room_unfinished(lab: Lab, service: str) -> None:
    """What an agent leaves that is killed while it makes a room: no files, never started."""
    with closing(lab.engine.client()) as client:
        room = _room(client, lab, service)
        config, host_config = room.attrs["Config"], room.attrs["HostConfig"]
        room.remove(force=True)
        client.containers.create(
            config["Image"],
            config["Cmd"],
            name=room.name,
            entrypoint=config["Entrypoint"],
            environment=config["Env"],
            labels=config["Labels"],
            network=next(iter(room.attrs["NetworkSettings"]["Networks"])),
            restart_policy=host_config["RestartPolicy"],
        )


def memory_limit(lab: Lab, service: str) -> int:
    """What the container of a service may take, in MB; 0: no limit."""
    with closing(lab.engine.client()) as client:
        container = client.containers.get(lab.stack.containers()[service])
        return int(container.attrs["HostConfig"]["Memory"]) // 1024**2


def _room(client: docker.DockerClient, lab: Lab, service: str) -> Container:
    return client.containers.get(rooms(lab)[service])
