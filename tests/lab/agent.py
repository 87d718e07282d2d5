"""The association's releases of the agent itself, good and bad: wheels, image, signed tags."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path

from tests.lab import oci
from tests.lab.ca import Authority
from tests.lab.keys import Keys
from tests.lab.manifest import block, canonical, describe
from tests.lab.oci import Image, Pushed, Settings, Tree
from tests.lab.origin import Origin
from tests.lab.processes import run
from tests.lab.registry import Registry
from tests.lab.releases import TagText
from tests.lab.trust import (
    PLAIN_ROLES,
    ROOT_NAMESPACE,
    Association,
    describe_root,
    envelope,
    known_keys,
)

PRODUCT = "koprogo-agent"
CHECKOUT = Path(__file__).parents[2]
LOCK = "requirements.lock"


class Fault(StrEnum):
    """What is wrong with a version of the agent."""

    NONE = "nothing"
    SYNTAX = "a syntax error"
    REQUIREMENT = "a requirement that is missing"
    UNLOCKED = "a wheel that its image lacks"
    HANGS_AT_IMPORT = "hangs at import"
    SYNTAX_IN_THE_DAEMON = "a syntax error that shows when the daemon runs"
    DAEMON_HANGS_AT_IMPORT = "hangs at import of the daemon"
    CRASHES_LATER = "crashes 20 s after READY"
    HANGS_AFTER_READY = "hangs after READY"


_PATCHES = {
    Fault.NONE: ("__init__.py", "", ""),
    Fault.SYNTAX: ("daemon.py", "", "\ndef (\n"),
    Fault.REQUIREMENT: ("daemon.py", "", "\nimport a_library_that_nobody_locked\n"),
    Fault.UNLOCKED: ("__init__.py", "", ""),
    Fault.HANGS_AT_IMPORT: ("settings/__init__.py", "", "\nimport time\n\ntime.sleep(3600)\n"),
    Fault.SYNTAX_IN_THE_DAEMON: ("cli/run.py", "    settings = begin(", "    exec('def (')\n"),
    Fault.DAEMON_HANGS_AT_IMPORT: (
        "cli/run.py",
        "",
        "\nif 'run' in sys.argv:\n    import time\n\n    time.sleep(3600)\n",
    ),
    Fault.CRASHES_LATER: (
        "daemon.py",
        "            self._ready_at = ",
        "            threading.Timer(20, lambda: __import__('os')._exit(1)).start()\n",
    ),
    Fault.HANGS_AFTER_READY: (
        "daemon.py",
        "            self._ready_at = ",
        "            time.sleep(3600)\n",
    ),
}
"""A file of the package, a line before which something is put (or at its end), and what is put."""


@dataclass(frozen=True)
class Workshop:
    """Builds versions of the agent from the files of this checkout.

    Attributes:
        folder: for the versions with something wrong in them.
        checkout: a copy of this one, in which `build` is at work; others may share what it makes.
    """

    folder: Path
    checkout: Path

    @property
    def dist(self) -> Path:
        """What the present version is installed from."""
        return self.checkout / "dist"

    def build(self, python: str) -> None:
        """`make dist` for the present version and one Python, such as 3.11."""
        listed = run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=CHECKOUT).decode()
        for name in filter(None, listed.split("\0")):
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, self.checkout / name)
        (self.checkout / ".venv").symlink_to(Path(sys.executable).parents[1])
        run(["make", "-o", "venv", "dist", f"PYTHONS={python}"], cwd=self.checkout, seconds=300)

    def wheel(self, version: str, fault: Fault) -> Path:
        """The wheel of a version with something wrong in it."""
        place = self.folder / f"{version}-{fault.name.lower()}"
        package = place / "koprogo_agent"
        shutil.copytree(self.checkout, place, ignore=shutil.ignore_patterns("dist", ".venv"))
        init = package / "__init__.py"
        head, _, _ = init.read_text().partition("__version__")
        init.write_text(f'{head}__version__ = "{version}"\n')
        name, before, text = _PATCHES[fault]
        source = (package / name).read_text()
        assert before in source, f"{name} has no line {before!r}"
        at = source.index(before) if before else len(source)
        (package / name).write_text(source[:at] + text + source[at:])
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
        run([*build, "--directory", str(place)], cwd=place, seconds=120)
        return next(place.glob("*.whl"))

    def push(self, registry: Registry, wheel: Path, tag: str, lacks: str = "") -> Pushed:
        """Pushes an image with what `make dist` makes, and this wheel of the agent.

        Args:
            registry: where to.
            wheel: of the agent.
            tag: of the image.
            lacks: pattern of the wheels that it is to lack.
        """
        common, own = Tree(), Tree({f"/dist/{wheel.name}": wheel})
        for file in self.dist.rglob("*"):
            inner = str(file.relative_to(self.dist))
            wanted = not fnmatch(inner, "koprogo_agent-*.whl") and not fnmatch(file.name, lacks)
            if file.is_file() and wanted:
                common.hosts[f"/dist/{inner}"] = file
        image = Image((common.layer(), own.layer()), Settings())
        return oci.push(image, registry, PRODUCT, [tag])


@dataclass
class AgentPublisher:
    """Publishes releases of the agent in an origin of its own."""

    workshop: Workshop
    origin: Origin
    registry: Registry
    keys: Keys
    _counter: int = field(default=0)

    def publish(self, version: str, fault: Fault = Fault.NONE) -> None:
        """Publishes a version: an image with what `make dist` makes, and a signed tag."""
        self._counter += 1
        wheel = self.workshop.wheel(version, fault)
        lacks = "structlog-*" if fault is Fault.UNLOCKED else ""
        image = self.workshop.push(self.registry, wheel, version, lacks)
        files = {LOCK: (self.workshop.dist / LOCK).read_bytes()}
        repository = self.origin.repository
        commit = repository.commit(
            repository.tree(files), (), f"Release {version}", int(time.time())
        )
        repository.point("refs/heads/main", commit)
        manifest = describe(version, self._counter, commit, {"agent": image}, files)
        changed = {"product": PRODUCT, "upgrade_from": []}
        text = f"koprogo-agent {version}\n\n{block(canonical(manifest | changed))}"
        raw = TagText(commit, f"v{version}", text).raw()
        tag = repository.store("tag", raw + self.keys.ssh.sign(raw))
        repository.point(f"refs/tags/v{version}", tag)


@contextmanager
def agent_origin(
    folder: Path, authority: Authority, keys: Keys
) -> Iterator[tuple[Origin, Association]]:
    """A git server with the agent's repository, and an association that has founded its trust."""
    folder.mkdir()
    with Origin(folder, authority, authority) as origin:
        association = Association(origin.repository, keys.freshness)
        root = describe_root(1, known_keys(keys), PLAIN_ROLES, product=PRODUCT)
        association.publish_root(1, envelope(root, [keys.ssh], ROOT_NAMESPACE))
        association.renew(product=PRODUCT)
        yield origin, association
