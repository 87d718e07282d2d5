"""install.sh on a bare Debian with a real systemd, beside a stack that runs already."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.agent import Workshop
from tests.lab.debian import Debian
from tests.lab.lab import Lab
from tests.lab.recipes import Kind
from tests.machine.installing import (
    NOWHERE,
    SERVICE,
    another_process_than,
    answers,
    bare,
    install,
    is_active,
    logged,
    main_process,
    make_docker_group,
    status,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

PROMPT = 10.0
POLL = 60.0


@pytest.fixture(scope="module")
def machine(running: Lab, dist: Path) -> Iterator[Debian]:
    """The bare machine."""
    with bare(running, dist, "debian") as made:
        make_docker_group(made, running)
        yield made


def files_of(machine: Debian) -> str:
    """Every file that the installer is responsible for, with owner, mode and content."""
    places = "/etc/koprogo-agent /etc/systemd/system /opt/koprogo-agent /usr/local"
    listed = f"find {places} -type f ! -name '*.pyc' -printf '%u:%g %m %T@ %p\\n' | sort"
    return machine.does("sh", "-c", f"{listed}; readlink /opt/koprogo-agent/current")


@contextmanager
def dropped_in(machine: Debian, text: str) -> Iterator[None]:
    """The service, started with these words in a drop-in of its unit; afterwards as it was."""
    folder = f"/run/systemd/system/{SERVICE}.d"
    write = f"mkdir -p {folder}; cat > {folder}/test.conf <<'END'\n{text}END\n"
    # It is started more often here than people do.
    start = (
        f"systemctl daemon-reload; systemctl reset-failed {SERVICE}; systemctl restart {SERVICE}"
    )
    machine.does("sh", "-ec", f"{write}{start}")
    try:
        yield
    finally:
        machine.does("sh", "-ec", f"rm {folder}/test.conf; {start}")


def test_it_is_installed_polls_and_restarts_nothing(machine: Debian, running: Lab) -> None:
    """From local wheels, with nothing from the network; the stack that runs is adopted."""
    before = running.stack.containers()
    data = running.stack.directory / "tree/data"
    data.mkdir(mode=0o700)
    install(machine, running)
    assert (data.stat().st_mode & 0o7777, data.stat().st_gid) == (0o700, 0), (
        "PostgreSQL does not start on a folder that others may write to"
    )
    assert machine.does("systemctl", "is-active", SERVICE).strip() == "active"
    machine.awaits(logged("stack.adopted"), POLL, "the first poll")
    assert status(machine)["installed"] is not None
    assert running.stack.containers() == before


def test_a_second_run_changes_nothing(machine: Debian, running: Lab) -> None:
    """Neither a file, nor a container, nor the process of the daemon."""
    before = files_of(machine), running.stack.containers(), main_process(machine)
    said = install(machine, running)
    assert "was not restarted" in said
    assert (files_of(machine), running.stack.containers(), main_process(machine)) == before


def test_a_configuration_of_an_older_form_is_carried_forward(machine: Debian, running: Lab) -> None:
    """By the second run, which says so; the operator's words stay, and so do owner and mode."""
    file = "/etc/koprogo-agent/config.toml"
    before = machine.does("cat", file)
    machine.does("cp", "-p", file, f"{file}.mine")
    machine.does("sed", "-i", "s/^\\[source\\]/&\\n# Anne: often\\ninterval = 0.5 # s/", file)
    said = install(machine, running)
    assert "source.interval is read otherwise since 0.1.0" in said
    assert machine.does("cat", file) == before.replace(
        "[source]", "[source]\n# Anne: often\ninterval = 1 # s"
    )
    assert "interval = 0.5 # s" in machine.does("sh", "-c", f"cat {file}.before-*")
    assert machine.does("stat", "-c", "%U:%G %a", file).strip() == "root:koprogo-agent 640"
    assert "read otherwise" not in install(machine, running)
    machine.does("mv", f"{file}.mine", file)


def test_a_killed_daemon_is_back_at_once(machine: Debian) -> None:
    """Whatever killed it."""
    before = main_process(machine)
    machine.does("systemctl", "kill", "--signal=KILL", SERVICE)
    machine.awaits(another_process_than(before), PROMPT, "the daemon to be back")
    machine.awaits(is_active(), PROMPT, "the daemon to be ready")


def test_a_tick_that_hangs_is_ended_and_begun_anew(machine: Debian) -> None:
    """Whatever it hangs on: it does not even hear that it is to end."""
    with dropped_in(machine, "[Service]\nWatchdogSec=5\nTimeoutAbortSec=1\n"):
        before = main_process(machine)
        machine.does("sh", "-c", f"kill -STOP {before}")
        machine.awaits(another_process_than(before), 60, "the watchdog to end it")
        told = f"journalctl -u {SERVICE} --grep 'Watchdog timeout'"
        machine.awaits(told, PROMPT, "the journal to say so")


def test_it_comes_back_when_systemd_refuses_another_start(machine: Debian) -> None:
    """As after somebody has tried out a configuration, again and again; no visit is needed."""
    machine.awaits(f"! systemctl restart {SERVICE}", 60, "a start too many")
    machine.awaits(is_active(), 60, "the rescue to start it again")
    said = machine.does("journalctl", "-u", "koprogo-agent-rescue@failed", "-o", "cat")
    assert "started by hand too often" in said


def test_a_reboot_in_the_middle_of_an_update_is_made_up_for(machine: Debian, running: Lab) -> None:
    """It finishes or undoes, with no hand on it, and the stack is healthy afterwards."""
    before = str(status(machine)["installed"])
    release = running.publisher.publish(Kind.SLOW_MIGRATION)
    machine.does("systemctl", "restart", SERVICE)
    shown = f"systemctl show -p StatusText --value {SERVICE}"
    machine.awaits(f"{shown} | grep -E ': (point|switch|gate)$'", 240, "the switch")
    machine.cut_power()
    machine.boot()
    soaks = logged("step.begins", step="soak", tag=release.tag)
    over = f"{soaks} || {logged('operation.ended', tag=release.tag)}"
    machine.awaits(over, 180, "the update to be finished or undone")
    found = status(machine)
    assert found["installed"] in {before, release.tag}
    assert found["held"] is None


def test_what_root_types_stays_the_agents(machine: Debian) -> None:
    """A file of root's in its state would stop the daemon at the next poll."""
    machine.does("koprogo-agent", "check")
    machine.does("koprogo-agent", "backup", "create")
    strangers = machine.does("find", "/var/lib/koprogo-agent", "!", "-user", "koprogo-agent")
    assert strangers == ""


TRIES = {
    "write its configuration": "echo x > /etc/koprogo-agent/config.toml",
    "write its rescue": "echo x > /usr/local/libexec/koprogo-agent/rescue",
    "write a unit": "echo x > /etc/systemd/system/x.service",
    "see root's home": "ls /root",
    "see other homes": "ls /home/somebody",
    "see others' temporary files": "cat /tmp/of-somebody",
    "make a device": "mknod /var/lib/koprogo-agent/x c 1 3",
    "make a namespace": "unshare --user true",
    "gain rights": "su --command true",
    "set the clock": "date --set=2020-01-01",
}
SCRIPT, RESULTS = "/usr/local/share/tries.sh", "/var/lib/koprogo-agent/tries"


@pytest.fixture(scope="module")
def tried(machine: Debian) -> dict[str, int]:
    """What became of each try, made as the service itself is about to start, under its limits."""
    machine.does("sh", "-c", "mkdir -p /home/somebody; echo x > /tmp/of-somebody")
    every = TRIES | {"write its state": "echo x > /var/lib/koprogo-agent/ours"}
    lines = [f"({word}) >/dev/null 2>&1; echo $?\n" for word in every.values()]
    machine.does("sh", "-c", f"cat > {SCRIPT} <<'END'\n{''.join(lines)}END")
    with dropped_in(machine, f"[Service]\nExecStartPre=/bin/sh -c 'sh {SCRIPT} > {RESULTS}'\n"):
        codes = map(int, machine.does("cat", RESULTS).split())
        return dict(zip(every, codes, strict=True))


@pytest.mark.parametrize("what", TRIES)
def test_the_service_cannot(tried: dict[str, int], what: str) -> None:
    """Whatever a fault in git or GnuPG would have it do."""
    assert tried[what]


def test_the_service_can_write_its_state(tried: dict[str, int]) -> None:
    """Else the tries above would prove nothing."""
    assert tried["write its state"] == 0


def test_it_goes_and_leaves_the_stack(machine: Debian, running: Lab, workshop: Workshop) -> None:
    """Uninstall keeps what is the operator's; purge does not; a new installation works.

    That one is piped into a shell, and takes its files out of an image.
    """
    before = running.stack.containers()
    made = workshop.push(running.registry, next(workshop.dist.glob("*.whl")), "present")
    image = f"{made.repository}@{made.digest}"
    machine.does("bash", "/dist/install.sh", "--uninstall")
    assert machine.types("koprogo-agent", "status").code
    machine.does("test", "-e", "/var/lib/koprogo-agent/backups")
    machine.does("test", "-e", "/etc/koprogo-agent/config.toml")
    typed = f"bash -s -- --image {image} {shlex.join(answers(running))} < /dist/install.sh"
    machine.does("sh", "-c", typed, environment=NOWHERE)
    assert status(machine)["installed"] is not None
    machine.does("bash", "/dist/install.sh", "--purge", "--yes")
    assert machine.types("test", "-e", "/etc/koprogo-agent").code
    assert machine.types("test", "-e", "/var/lib/koprogo-agent").code
    assert machine.types("id", "koprogo-agent").code
    assert running.stack.containers() == before
