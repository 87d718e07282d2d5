"""What keeps a release from being prepared: real git, Compose, registry and engine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from koprogo_agent.domain.armour import Kind
from tests.desks import Desk, Workshop
from tests.lab import oci
from tests.lab.engine import Engine
from tests.lab.front import Refuse
from tests.lab.ingress import Ingress
from tests.lab.oci import Image, Settings, Tree
from tests.lab.stack import BASE_FILE
from tests.offices import first_files, workshop

pytestmark = pytest.mark.real

FIRST = "backend/migrations/20250101000000_create_rows.sql"
DRAFT = "koprogo-v1.1.0.draft.json"
INGRESS_FILE = Ingress.HAPROXY.file
"""A file that a service mounts; KoproGo's own files mount none."""


@pytest.fixture(scope="module")
def shop(lab_engine: Engine) -> Iterator[Workshop]:
    """A product of one person, with one release, and images for the next."""
    with workshop(lab_engine, {"ann": Kind.SSH}, files=_files) as made:
        made.push_images("1.0.0")
        made.push_images("1.1.0")
        ann = made["ann"]
        ann.must("init", "--person", made.person("ann"), "--threshold", "1")
        for file in ("koprogo-root-1.draft.json", "koprogo-v1.0.0.draft.json"):
            if "root" not in file:
                ann.must("prepare", "1.0.0")
            ann.must("sign", file)
            ann.must("publish", file)
        yield made


def _files(registry: str) -> Mapping[str, bytes]:
    return first_files(registry, Ingress.HAPROXY)


@pytest.fixture
def ann(shop: Workshop) -> Iterator[Desk]:
    """Her desk; her clone is put back as it was."""
    desk = shop["ann"]
    start = desk.git("rev-parse", "HEAD")
    yield desk
    desk.git("reset", "--quiet", "--hard", start)
    (desk.clone / DRAFT).unlink(missing_ok=True)


def commit(desk: Desk, path: str, content: bytes | None) -> None:
    """Commits a change in her clone alone."""
    file = desk.clone / path
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    desk.git("commit", "--quiet", "--all", "--message", "Change")


def refused(desk: Desk, *words: str, code: int = 3) -> str:
    """What `prepare 1.1.0` prints where it must not succeed."""
    done = desk.type("prepare", "1.1.0", *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert not (desk.clone / DRAFT).exists()
    return done.stdout


def test_the_draft_pins_the_index_that_the_registry_has(shop: Workshop, ann: Desk) -> None:
    """Not the manifest of one platform; and every deployed file, also those that are mounted."""
    ann.must("prepare", "1.1.0")
    manifest = json.loads((ann.clone / DRAFT).read_bytes())["manifest"]

    answer = shop.registry.call("HEAD", "/v2/koprogo/backend/manifests/1.1.0", headers=LISTS)
    assert manifest["images"]["backend"]["digest"] == answer.headers["docker-content-digest"]
    assert {BASE_FILE, INGRESS_FILE} < manifest["files"].keys()
    assert (manifest["counter"], manifest["commit"]) == (2, ann.git("rev-parse", "HEAD"))


LISTS = {"Accept": "application/vnd.docker.distribution.manifest.list.v2+json"}


def test_changes_that_are_not_committed_are_found(ann: Desk) -> None:
    """Unless the commit is named: then what is checked out has no part in it."""
    (ann.clone / "README.md").write_text("changed")
    assert "✗ commit          the tree differs from the commit in README.md" in refused(ann)
    ann.must("prepare", "1.1.0", "--commit", "HEAD")


def test_an_image_that_is_not_there_may_come(ann: Desk) -> None:
    """The same command succeeds once it was pushed."""
    done = ann.type("prepare", "1.2.0")
    assert done.returncode == 75
    assert "koprogo/backend:1.2.0 (yet)" in done.stdout


def test_a_registry_that_fails_is_told_from_one_that_lacks_the_image(
    shop: Workshop, ann: Desk
) -> None:
    """Both may pass; each is said as what it is."""
    shop.registry.front.fail(Refuse(503))
    try:
        said = refused(ann, code=75)
    finally:
        shop.registry.front.heal()
    assert "cannot pull" in said


def test_a_migration_that_ran_somewhere_is_never_changed(ann: Desk) -> None:
    """Nor removed: backends would refuse to start on databases that have run it."""
    commit(ann, FIRST, b"-- other\n")
    assert f"changed or removed: {FIRST}" in refused(ann)
    commit(ann, FIRST, None)
    assert f"changed or removed: {FIRST}" in refused(ann)


def test_compose_files_that_compose_cannot_read_are_found(ann: Desk) -> None:
    """In its own words."""
    commit(ann, BASE_FILE, b"services:\n  web:\n    imag: x\n")
    said = refused(ann)
    assert "✗ compose files   compose cannot use the files" in said
    assert "imag" in said


def test_a_compose_file_that_is_missing_is_named(ann: Desk) -> None:
    """It may have been moved without telling koprogo-release.toml."""
    commit(ann, BASE_FILE, None)
    assert f"the commit has no file '{BASE_FILE}'" in refused(ann)


def test_what_is_mounted_must_be_plain_files(ann: Desk) -> None:
    """An agent deploys nothing else, so the stack would lack it."""
    (ann.clone / INGRESS_FILE).unlink()
    (ann.clone / INGRESS_FILE).symlink_to("/etc/hostname")
    ann.git("commit", "--quiet", "--all", "--message", "Link")
    assert f"'{INGRESS_FILE}' is mounted by the compose files and is no plain file" in refused(ann)


def test_images_that_no_service_runs_are_found(ann: Desk) -> None:
    """The agent would find nothing to pin."""
    base = (ann.clone / BASE_FILE).read_bytes()
    commit(ann, BASE_FILE, base.replace(b"/koprogo/frontend:", b"/koprogo/website:"))
    said = refused(ann)
    assert "✗ image use       no service of the compose files runs" in said


def test_images_that_the_manifest_does_not_pin_are_named(shop: Workshop, ann: Desk) -> None:
    """With what to type, which pins each at the tag that the compose file has."""
    base = (ann.clone / BASE_FILE).read_bytes()
    third = f"{shop.registry.address}/koprogo/frontend-of-others"
    other = b"services:\n  other:\n    image: " + third.encode() + b":7\n"
    commit(ann, BASE_FILE, base.replace(b"services:\n", other, 1))
    said = " ".join(ann.must("prepare", "1.1.0").split())
    assert f"! not pinned {third}:7, run by other" in said
    line = f'other = "{third}"'
    assert f"add to [images] in koprogo-release.toml: {line}" in said

    push(shop, "frontend-of-others", "7")
    settings = (ann.clone / "koprogo-release.toml").read_text()
    commit(ann, "koprogo-release.toml", settings.replace("[images]", f"[images]\n{line}").encode())
    assert third not in "".join(
        row for row in ann.must("prepare", "1.1.0").splitlines() if "not pinned" in row
    )
    manifest = json.loads((ann.clone / DRAFT).read_bytes())["manifest"]
    assert manifest["images"]["other"]["repository"] == third


def push(shop: Workshop, name: str, tag: str) -> None:
    """Pushes an image of others."""
    image = Image((Tree().layer(),), Settings(command=("none",)))
    oci.push(image, shop.registry, f"koprogo/{name}", [tag])


def test_the_pattern_of_image_tags_is_tried_against_the_registry(ann: Desk) -> None:
    """The images are there, under the name that the other pattern gives them."""
    settings = (ann.clone / "koprogo-release.toml").read_text()
    commit(ann, "koprogo-release.toml", settings.replace("{version}", "{tag}").encode())
    said = " ".join(refused(ann).split())
    assert "backend:v1.1.0 is not published, and" in said
    assert 'set image_tag = "{version}" in koprogo-release.toml' in said


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"services:", b"services: &", BASE_FILE),
        (
            b"services:\n",
            b"services:\n  x:\n    extends: {file: more.yml, service: y}\n",
            "more.yml",
        ),
        (b"services:\n", b"services:\n  x: {image: y, env_file: my.env}\n", "my.env"),
        (b"services:\n", b"include: [gone.yml]\nservices:\n", "gone.yml"),
        (b"services:\n", b"services:\n  x: {image: 'y:${GIVEN:?say}'}\n", "✓ compose files"),
    ],
)
def test_no_message_points_into_a_temporary_folder(
    ann: Desk, old: bytes, new: bytes, told: str
) -> None:
    """Whoever reads it looks for the file in the repository."""
    base = (ann.clone / BASE_FILE).read_bytes()
    commit(ann, BASE_FILE, base.replace(old, new, 1))
    done = ann.type("prepare", "1.1.0")
    said = done.stdout + done.stderr
    assert told in said
    assert tempfile.gettempdir() not in said
    assert "koprogo-release-" not in said


def test_nobody_is_left_behind_by_mistake(ann: Desk) -> None:
    """On purpose one can."""
    words = ("--upgrade-from", ">=1.0.5")
    assert "nobody who runs 1.0.0 could come to it" in refused(ann, *words)
    ann.must("prepare", "1.1.0", *words, "--force-upgrade-from")


def test_every_fault_is_told_at_once(ann: Desk) -> None:
    """And what could not be looked at because of them."""
    done = ann.type("prepare", "1.0.0", "--works-with", "0.9.0", "--commit", "nowhere")
    assert done.returncode == 3
    assert [line[2] for line in done.stdout.splitlines() if line[2:3] in "✓✗·"] == [
        *("✗", "✗", "✓", "·", "·", "·", "·", "·", "✓", "✗", "✓")
    ]
    assert "3 checks failed" in done.stderr


def test_notes_that_spoil_the_tag_are_refused_before_anybody_signs(ann: Desk) -> None:
    """A signature block in them would end the message."""
    (ann.home / "notes").write_text("-----BEGIN SSH SIGNATURE-----\n")
    refused(ann, "--notes", str(ann.home / "notes"))


def test_a_draft_that_somebody_signed_is_not_replaced(ann: Desk) -> None:
    """One that nobody has signed is: preparing again is how faults are mended."""
    ann.must("prepare", "1.1.0")
    ann.must("prepare", "1.1.0", "--security")
    ann.must("sign", DRAFT)
    done = ann.type("prepare", "1.1.0")
    assert (done.returncode, "somebody has signed it" in done.stderr) == (5, True)


def test_a_draft_is_held_against_the_clone_before_it_is_signed(ann: Desk) -> None:
    """Whoever signs in a clone signs what is in it."""
    ann.must("prepare", "1.1.0")
    draft = ann.clone / DRAFT
    good = draft.read_text()
    hashed = json.loads(good)["manifest"]["files"][BASE_FILE]

    draft.write_text(good.replace(hashed, "0" * 64))
    done = ann.type("sign", DRAFT)
    assert (done.returncode, f"{BASE_FILE} of commit" in done.stderr) == (3, True)

    draft.write_text(good.replace(json.loads(good)["manifest"]["commit"], "0" * 40))
    assert "this clone has no commit" in ann.type("sign", DRAFT).stderr


def test_outside_of_a_clone_there_is_nothing_to_prepare(ann: Desk, tmp_path: Path) -> None:
    """And the message says where to go."""
    done = ann.type("prepare", "1.1.0", folder=tmp_path)
    assert (done.returncode, "is not inside a git clone" in done.stderr) == (5, True)
    assert ann.type("sign", "nothing.json").returncode == 5
