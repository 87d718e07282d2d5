"""An instance with its first release installed, fake or real, as the contract suite sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from koprogo_agent.domain.database import Subscription
from koprogo_agent.domain.gate import Container
from koprogo_agent.domain.overlay import override
from koprogo_agent.domain.tags import TagRef
from koprogo_agent.ports import DatabaseAt, HttpProbe, Project
from koprogo_agent.update.engine import Engine
from koprogo_agent.update.job import PINS, project
from tests.contract.strangers import LabStrangers, SimStrangers, Strangers
from tests.lab.keys import Signer
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.lab.rooms import crash_room, end_room, leave_room_unfinished, memory_limit
from tests.lab.stack import DATABASE, ONE_SHOT
from tests.simulation.instance import Instance
from tests.simulation.people import PROJECT, PUBLIC
from tests.simulation.postgres import APPLICATION, COLLATION

_SUBSCRIBE = (
    "CREATE SUBSCRIPTION theirs CONNECTION 'host=127.0.0.1 dbname=x' PUBLICATION p"
    " WITH (connect = false, slot_name = NONE)"
)
SPOIL = (
    "CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM buildings';"
    " CREATE MATERIALIZED VIEW totals AS SELECT counted() AS n"
)
"""A view whose function relies on search_path: pg_dump takes it, pg_restore cannot fill it."""
_COLLATION = "UPDATE pg_database SET datcollversion = {} WHERE datname = 'koprogo_db'"


@dataclass(frozen=True)
class Ground:
    """What the suite stands on.

    Attributes:
        engine: the agent's engine, whose world holds the ports.
        publish: publishes one more good release.
        forge: publishes one that a stranger signed.
        write: writes a row into the application's database, past all services.
        rows: how many of these rows it holds.
        public: the probe that users' way in answers.
        missing: reference of an image that no registry has.
        corrupt: overwrites a backup with noise.
        crash_room: ends the process in a service's room; the engine starts it again.
        end_room: ends a service's room in a way that the engine leaves it down.
        leave_room_unfinished: puts in its place what an agent leaves that is killed while it makes
            one.
        strangers: the containers, ports and pauses of other people on this machine.
        memory_limit: what the container of a service may take, in MB.
        subscribe: makes a subscription, which is not enabled, in a database.
        unsubscribe: removes it.
        age_collation: notes that the application's database was made with another version of its
            collation.
        refresh_collation: notes the version that the server has.
        spoil: gives the application's database something that a restore refuses.
        mend: takes that away.
        ingress: the service through which users come in.
        one_shot: the service that ends.
        storage: the service that keeps documents.
        network: the key of the network that all services are in.
        image_tag: the tag of the images of v1.0.0.
        application: the name of the application's database.
    """

    engine: Engine
    publish: Callable[[], TagRef]
    forge: Callable[[], TagRef]
    write: Callable[[], None]
    rows: Callable[[], int]
    public: HttpProbe
    missing: str
    corrupt: Callable[[Path], None]
    crash_room: Callable[[str], None]
    end_room: Callable[[str], None]
    leave_room_unfinished: Callable[[str], None]
    memory_limit: Callable[[str], int]
    strangers: Strangers
    subscribe: Callable[[str], None]
    unsubscribe: Callable[[str], None]
    age_collation: Callable[[], None]
    refresh_collation: Callable[[], None]
    spoil: Callable[[], None]
    mend: Callable[[], None]
    ingress: str = "ingress"
    one_shot: str = "bootstrap"
    storage: str = "storage"
    network: str = "default"
    image_tag: str = ":1.0.0"
    application: str = APPLICATION

    @property
    def at(self) -> DatabaseAt:
        """Where the database is."""
        settings = self.engine.settings
        return DatabaseAt(settings.stack.project, settings.database.service)

    @property
    def project(self) -> Project:
        """The project as it runs."""
        installed = self.engine.journal.installed
        assert installed is not None
        files = self.engine.world.files
        paths = [files.stack_path(path) for path in installed.compose_files]
        plain = project(self.engine.settings, paths, installed.image_tag)
        model = self.engine.world.stack.render(plain)
        pins = files.write_override(PINS, override(installed.pins, model))
        return replace(plain, files=(*plain.files, pins))

    @property
    def ids(self) -> dict[str, str]:
        """Service -> container id."""
        containers = self.engine.world.stack.containers(self.project.name)
        return {one.service: one.id for one in containers}

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Waits on the ground's own clock; fails after a minute of it."""
        clock = self.engine.world.clock
        until = clock.monotonic() + 60
        while not condition():
            assert clock.monotonic() < until
            clock.wait(0.5)


def simulated(folder: Path) -> Ground:
    """The fake one."""
    instance = Instance.new(folder)
    instance.scene.publisher.networks = {"default": {}}
    instance.install()
    scene, count = instance.scene, iter(range(1, 99))
    scene.machine.busy = instance.taps.each = None  # the suite alone writes

    def corrupt(path: Path) -> None:
        scene.disk.backups_kept[path] = b"noise"

    def crash_room(service: str) -> None:
        scene.machine.rooms[service].restarts += 1

    def end_room(service: str) -> None:
        scene.machine.rooms[service].up = False

    def leave_room_unfinished(service: str) -> None:
        room = scene.machine.rooms[service]
        room.up = room.finished = False

    def limit_of(service: str) -> int:
        box = scene.machine.one(PROJECT, service)
        assert box is not None
        return box.memory

    def subscriptions(database: str) -> list[Subscription]:
        return scene.machine.servers[PROJECT].databases[database].subscriptions

    def collated(version: str) -> None:
        instance.data.collation = version

    def refuses(words: str) -> None:
        instance.data.refused = words

    def rows() -> int:
        return instance.data.rows.count("of the suite")

    return Ground(
        engine=instance.engine,
        publish=lambda: scene.publisher.publish(f"1.1.{next(count)}"),
        forge=lambda: scene.publisher.publish(f"1.2.{next(count)}", key="a-stranger"),
        write=lambda: instance.data.write("of the suite"),
        rows=rows,
        public=HttpProbe("health", PUBLIC, contains={"status": "ok"}),
        missing=f"registry.example/{PROJECT}/none:1",
        corrupt=corrupt,
        crash_room=crash_room,
        end_room=end_room,
        leave_room_unfinished=leave_room_unfinished,
        memory_limit=limit_of,
        strangers=SimStrangers(scene.machine),
        subscribe=lambda name: subscriptions(name).append(Subscription("theirs", enabled=False)),
        unsubscribe=lambda name: subscriptions(name).clear(),
        age_collation=lambda: collated("2.31"),
        refresh_collation=lambda: collated(COLLATION),
        spoil=lambda: refuses('relation "buildings" does not exist'),
        mend=lambda: refuses(""),
    )


def on_the_lab(lab: Lab, engine: Engine) -> Ground:
    """The real one."""
    insert = "INSERT INTO buildings SELECT coalesce(max(id), 0) + 1, 'a', 'b' FROM buildings"

    def publish(signer: Signer) -> TagRef:
        release = lab.publisher.publish(Kind.GOOD, signer=signer)
        return TagRef(release.tag, release.tag_object)

    def write() -> None:
        lab.stack.psql(insert)

    def said(sql: str, database: str = DATABASE) -> None:
        lab.stack.psql(sql, database)

    def corrupt(path: Path) -> None:
        path.write_bytes(b"noise")

    return Ground(
        engine=engine,
        publish=lambda: publish(lab.keys.ssh),
        forge=lambda: publish(lab.keys.other_ssh),
        write=write,
        rows=lambda: int(lab.stack.psql("SELECT count(*) FROM buildings")),
        public=HttpProbe(
            "health",
            f"{lab.stack.url}/api/v1/health",
            host=lab.stack.api_domain,
            contains={"status": "ok"},
        ),
        missing=f"{lab.registry.address}/koprogo/none:1",
        corrupt=corrupt,
        crash_room=partial(crash_room, lab),
        end_room=partial(end_room, lab),
        leave_room_unfinished=partial(leave_room_unfinished, lab),
        memory_limit=partial(memory_limit, lab),
        strangers=LabStrangers(lab),
        subscribe=lambda name: said(_SUBSCRIBE, name),
        unsubscribe=lambda name: said("DROP SUBSCRIPTION theirs", name),
        age_collation=lambda: said(_COLLATION.format("'2.31'")),
        refresh_collation=lambda: said(_COLLATION.format("NULL")),
        spoil=lambda: said(SPOIL),
        mend=lambda: said("DROP MATERIALIZED VIEW totals; DROP FUNCTION counted()"),
        ingress=lab.stack.ingress.service,
        one_shot=ONE_SHOT,
        storage="minio",
        network="koprogo-network",
        image_tag=":1.0.0",
        application=DATABASE,
    )


def one(ground: Ground, service: str) -> Container:
    """A service's container."""
    containers = ground.engine.world.stack.containers(ground.project.name)
    return next(container for container in containers if container.service == service)


def more(ground: Ground, text: str) -> Project:
    """The project with one more compose file."""
    path = ground.engine.world.files.write_override("contract.json", text.encode())
    return replace(ground.project, files=(*ground.project.files, path))
