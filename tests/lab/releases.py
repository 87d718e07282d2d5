"""The release manager of the lab: builds, pushes, describes, signs and tags releases."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.lab import contents, images, oci
from tests.lab.ingress import Ingress
from tests.lab.keys import Signer
from tests.lab.manifest import Manifest, block, canonical, cosignatures, describe
from tests.lab.oci import Image, Pushed
from tests.lab.recipes import RECIPES, Kind, MigrationStyle, Recipe
from tests.lab.registry import Registry
from tests.lab.repository import AUTHOR, Repository
from tests.lab.trust import COSIGN_NAMESPACE, signature

FixedImage = tuple[str, str, Callable[[], Image]]
"""Repository, tag, and what makes the image."""

FIXED_IMAGES: tuple[FixedImage, ...] = (
    ("lab/postgres", "15", images.postgres),
    ("lab/minio", "1", images.minio),
    ("lab/backend-base", "1", images.backend_base),
)
ROOM_IMAGE: FixedImage = ("lab/haproxy", "2.6", images.haproxy)
"""What the agent makes waiting rooms of."""
INGRESS_IMAGES: Mapping[Ingress, FixedImage] = {
    Ingress.TRAEFIK: ("lab/traefik", "3.7", images.traefik),
    Ingress.HAPROXY: ROOM_IMAGE,
    Ingress.NGINX: ("lab/nginx", "1.22", images.nginx),
    Ingress.CADDY: ("lab/caddy", "2.6", images.caddy),
}
FIRST_MIGRATION = 20250201000000
PADDING_FOLDER = "padding"


@dataclass(frozen=True, slots=True)
class TagText:
    """A tag object before it is signed."""

    target: str
    name: str
    message: str
    kind: str = "commit"
    tagger: str = ""

    def raw(self) -> bytes:
        """The bytes that are signed."""
        tagger = self.tagger or f"{AUTHOR} {int(time.time())} +0000"
        head = f"object {self.target}\ntype {self.kind}\ntag {self.name}\ntagger {tagger}\n"
        return f"{head}\n{self.message}".encode()


@dataclass(frozen=True, slots=True)
class Draft:
    """A release that is committed and pushed but not tagged."""

    kind: Kind
    version: str
    commit: str
    counter: int
    images: Mapping[str, Pushed]
    files: Mapping[str, bytes] = field(repr=False)
    tree_files: Mapping[str, bytes] = field(repr=False)
    migrations: tuple[int, ...]
    manifest: Manifest = field(repr=False)

    @property
    def tag(self) -> str:
        """The name that the tag of this version must have."""
        return f"v{self.version}"

    def message(self, cosigners: Sequence[Signer] = ()) -> str:
        """The message of its tag, with what co-signers say of the manifest."""
        text = f"KoproGo {self.version}\n\nThis release is {self.kind}.\n"
        if RECIPES[self.kind].manifest:
            line = canonical(self.manifest)
            text += "\n" + block(line)
            made = [signature(one, line.encode(), COSIGN_NAMESPACE) for one in cosigners]
            text += cosignatures(made) if made else ""
        return text


@dataclass(frozen=True, slots=True)
class Release:
    """A tagged release: what was drafted, and the id of its tag object."""

    draft: Draft
    tag_object: str

    @property
    def version(self) -> str:
        """`1.2.3`."""
        return self.draft.version

    @property
    def tag(self) -> str:
        """`v1.2.3`."""
        return self.draft.tag

    @property
    def commit(self) -> str:
        """The commit that the tag names."""
        return self.draft.commit

    @property
    def images(self) -> Mapping[str, Pushed]:
        """Its images: `backend` and `frontend`."""
        return self.draft.images

    @property
    def migrations(self) -> tuple[int, ...]:
        """The versions of all migrations that it embeds, in order."""
        return self.draft.migrations


@dataclass(frozen=True, slots=True)
class _Line:
    """Where development stands: what the next release builds on."""

    migrations: Mapping[str, str]
    ingress: int = 1
    images: Mapping[str, Pushed] | None = None


class Publisher:
    """Publishes releases of the sample stack into one origin and one registry."""

    def __init__(
        self,
        repository: Repository,
        registry: Registry,
        signer: Signer,
        style: MigrationStyle = MigrationStyle.START,
        ingress: Ingress = Ingress.TRAEFIK,
    ) -> None:
        """`signer` and `cosigners` sign where a call names nobody else; fixed images are pushed.

        What lies in `besides` is in the repository with every release, and is not deployed;
        `services` are further services of every release.
        With `style` START the backend migrates as it starts; with COMMAND `backend migrate` must
        be run before it; with SERVICE a one-shot service `migrate` does that.
        """
        self.repository = repository
        self.registry = registry
        self.signer = signer
        self.cosigners: Sequence[Signer] = ()
        self.besides: dict[str, bytes] = {}
        self.services: dict[str, Mapping[str, object]] = {}
        self.releases: list[Release] = []
        self._style = style
        self._ingress = ingress
        self._counter = 0
        self._version = (0, 0, 0)
        self._line = _Line(contents.first_migrations())
        self._padding: dict[str, str] = {}
        fixed = dict.fromkeys((*FIXED_IMAGES, ROOM_IMAGE, INGRESS_IMAGES[ingress]))
        self.fixed = {
            f"{name}:{tag}": oci.push(make(), registry, name, [tag]) for name, tag, make in fixed
        }

    @property
    def room(self) -> Pushed:
        """The image of waiting rooms."""
        name, tag, _ = ROOM_IMAGE
        return self.fixed[f"{name}:{tag}"]

    def publish(
        self,
        kind: Kind = Kind.GOOD,
        version: str = "",
        *,
        signer: Signer | None = None,
        cosigners: Sequence[Signer] | None = None,
        changes: Mapping[str, object] | None = None,
        ballast: int = 0,
    ) -> Release:
        """Publish a release; `changes` are put into its manifest, `ballast` bytes into its image.

        Without `version` it is the next one: the first is 1.0.0, a schema change raises the
        middle number, anything else the last.
        """
        draft = self.draft(kind, version, ballast=ballast)
        if changes:
            draft = replace(draft, manifest=draft.manifest | dict(changes))
        return self.tag(draft, signer, cosigners)

    def draft(self, kind: Kind = Kind.GOOD, version: str = "", *, ballast: int = 0) -> Draft:
        """Commit a release and push its images; nobody can see it before it is tagged."""
        recipe = RECIPES[kind]
        version = self._next_version(recipe, version)
        self._counter += 1
        line = self._continued(recipe)
        pushed = line.images
        if recipe.new_images or pushed is None:
            pushed = self._push_images(recipe, version, line, ballast)
        files = contents.deployed(recipe, line.ingress, self._style, self._ingress)
        files = contents.with_services(files, self.services)
        tree_files = files | contents.undeployed(line.migrations) | self.besides
        commit = self.commit(tree_files, f"Release {version}")
        if recipe.sound:
            self._line = replace(line, images=pushed)
        return Draft(
            kind=kind,
            version=version,
            commit=commit,
            counter=self._counter,
            images=pushed,
            files=files,
            tree_files=tree_files,
            migrations=tuple(int(name.partition("_")[0]) for name in sorted(line.migrations)),
            manifest=describe(version, self._counter, commit, pushed, files),
        )

    def tag(
        self,
        draft: Draft,
        signer: Signer | None = None,
        cosigners: Sequence[Signer] | None = None,
    ) -> Release:
        """Sign the draft's tag (if its kind is signed) and publish it."""
        vouching = self.cosigners if cosigners is None else cosigners
        raw = TagText(draft.commit, draft.tag, draft.message(vouching)).raw()
        if RECIPES[draft.kind].signed:
            raw += (signer or self.signer).sign(raw)
        release = Release(draft, self.repository.store("tag", raw))
        self.repository.point(f"refs/tags/{draft.tag}", release.tag_object)
        self.releases.append(release)
        return release

    def published(self, draft: Draft) -> Release:
        """A draft that somebody else has tagged."""
        name = self.repository.git("rev-parse", f"refs/tags/{draft.tag}")
        self.releases.append(Release(draft, name))
        return self.releases[-1]

    def supply_images(self, release: Release) -> None:
        """Put the images of a release whose images were missing into the registry."""
        for image in release.images.values():
            oci.publish(image, self.registry, _image_tags(release.version))

    def withdraw_images(self, release: Release) -> None:
        """Take the images of a release out of the registry."""
        for image in release.images.values():
            self.registry.withdraw(image.name, image.digest)

    def pad(self, files: int, size: int) -> None:
        """Let every later commit hold so many more files of `size` bytes that do not compress."""
        noise = random.Random(files)
        padding = {f"{i % 50}/{i}.bin": noise.randbytes(size) for i in range(files)}
        self._padding = {PADDING_FOLDER: self.repository.tree(padding)}
        self.repository.pack()

    def commit(self, files: Mapping[str, bytes], message: str) -> str:
        """Commit these files on `main`."""
        tree = self.repository.tree(files, folders=self._padding)
        known = self.repository.git("for-each-ref", "--format=%(objectname)", "refs/heads/main")
        commit = self.repository.commit(tree, known.split(), message, int(time.time()))
        self.repository.point("refs/heads/main", commit)
        return commit

    def _next_version(self, recipe: Recipe, wanted: str) -> str:
        major, minor, patch = self._version
        if wanted:
            numbers = [int(number) for number in wanted.partition("-")[0].split(".")]
            self._version = max(self._version, (numbers[0], numbers[1], numbers[2]))
            return wanted
        if not major:
            self._version = (1, 0, 0)
        elif recipe.sql:
            self._version = (major, minor + 1, 0)
        else:
            self._version = (major, minor, patch + 1)
        return ".".join(str(number) for number in self._version)

    def _continued(self, recipe: Recipe) -> _Line:
        migrations = dict(self._line.migrations)
        for offset, sql in enumerate(recipe.sql):
            # Ten apart a release, so that those of a dropped one are never used again.
            number = FIRST_MIGRATION + self._counter * 10 + offset
            migrations[f"{number}_change_{offset}.sql"] = sql.format(n=number) + "\n"
        ingress = self._line.ingress + int(recipe.new_ingress)
        return _Line(migrations, ingress, self._line.images)

    def _push_images(
        self, recipe: Recipe, version: str, line: _Line, ballast: int
    ) -> dict[str, Pushed]:
        baked = {
            "version": f"{version}\n".encode(),
            "behaviour.json": json.dumps(dict(recipe.behaviour)).encode(),
            **{f"migrations/{name}": sql.encode() for name, sql in line.migrations.items()},
        }
        noise = random.Random(version).randbytes(ballast)
        tags = _image_tags(version)
        made = {
            "backend": images.backend(baked, version, noise),
            "frontend": images.frontend(version),
        }
        pushed = {
            name: oci.push(image, self.registry, f"koprogo/{name}", tags)
            for name, image in made.items()
        }
        if not recipe.images_pushed:
            for image in pushed.values():
                self.registry.withdraw(image.name, image.digest)
        return pushed


def _image_tags(version: str) -> tuple[str, ...]:
    """The tags that KoproGo's workflow pushes for a version: `1.2.3` and `1.2`."""
    return (version, version.rpartition(".")[0])
