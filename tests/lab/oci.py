"""Container images written by hand: trees of files, layers, configurations, pushed over HTTP.

No engine takes part in making an image, so none holds it before the agent pulls it, and making
one costs milliseconds.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.engine import cache_root
from tests.lab.registry import INDEX_TYPE, Registry

LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
UNUSED_SECONDS = 86_400
CREATED = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its compressed bytes' file, and the digests before and after compression."""

    blob: Path
    digest: str
    diff_id: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What an image says of how it runs (the part of a Dockerfile that copies no files)."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    workdir: str = "/"
    volumes: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"
    labels: tuple[tuple[str, str], ...] = ()

    def as_config(self) -> dict[str, object]:
        """The `config` object of an image configuration."""
        return {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Env": list(self.env),
            "WorkingDir": self.workdir,
            "Volumes": {volume: {} for volume in self.volumes},
            "StopSignal": self.stop_signal,
            "Labels": dict(self.labels),
        }


@dataclass(frozen=True, slots=True)
class Image:
    """Layers from the lowest up, and settings."""

    layers: tuple[Layer, ...]
    settings: Settings


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image in a registry: `REPOSITORY@DIGEST` names it for ever."""

    repository: str
    digest: str
    index: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The repository without the registry's address."""
        return self.repository.split("/", 1)[1]


@dataclass
class Tree:
    """Files for one layer, from this machine or made up; paths are absolute."""

    hosts: dict[str, Path] = field(default_factory=dict)
    made: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: dict[str, tuple[int, int]] = field(default_factory=dict)

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Put a file with this content at `path`."""
        data = content.encode() if isinstance(content, str) else content
        self.made[path] = (data, mode)

    def fingerprint(self) -> str:
        """Changes whenever the layer would: made files by content, host files by size and time."""
        said = hashlib.sha256()
        for path, (data, mode) in sorted(self.made.items()):
            said.update(f"{path} {mode} {hashlib.sha256(data).hexdigest()}\n".encode())
        for path, host in sorted(self.hosts.items()):
            stat = host.stat()
            said.update(f"{path} {host} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        said.update(repr((sorted(self.links.items()), sorted(self.folders.items()))).encode())
        return said.hexdigest()

    def layer(self) -> Layer:
        """The layer of this tree; built once and kept below the cache root."""
        home = cache_root() / "layers"
        home.mkdir(parents=True, exist_ok=True)
        facts = home / f"{self.fingerprint()}.json"
        if facts.exists():
            known = json.loads(facts.read_text())
            for used in (facts, home / known["blob"]):
                used.touch()
            return Layer(home / known["blob"], known["digest"], known["diff_id"])
        raw = self._tar()
        packed = gzip.compress(raw, compresslevel=1, mtime=0)
        digest = hashlib.sha256(packed).hexdigest()
        layer = Layer(
            home / f"{digest}.tar.gz",
            f"sha256:{digest}",
            "sha256:" + hashlib.sha256(raw).hexdigest(),
        )
        _write_whole(layer.blob, packed)
        known = {"blob": layer.blob.name, "digest": layer.digest, "diff_id": layer.diff_id}
        _write_whole(facts, json.dumps(known).encode())
        return layer

    def _tar(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for path, (mode, owner) in sorted(self.folders.items()):
                entry = _entry(path, mode)
                entry.type, entry.uid, entry.gid = tarfile.DIRTYPE, owner, owner
                tar.addfile(entry)
            for path, target in sorted(self.links.items()):
                entry = _entry(path, 0o777)
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                tar.addfile(entry)
            for path, host in sorted(self.hosts.items()):
                # Python's bytecode names its source's time, so times of host files are kept.
                entry = _entry(path, host.stat().st_mode & 0o777, int(host.stat().st_mtime))
                data = host.read_bytes()
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
            for path, (data, mode) in sorted(self.made.items()):
                entry = _entry(path, mode)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        return out.getvalue()


def push(image: Image, registry: Registry, repository: str, tags: Sequence[str] = ()) -> Pushed:
    """Store an image and an index that names it, as a multi-platform build does; tag the index."""
    config = json.dumps(_configuration(image)).encode()
    for layer in image.layers:
        if not registry.has_blob(repository, layer.digest):
            registry.put_blob(repository, layer.blob.read_bytes())
    registry.put_blob(repository, config)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _described(CONFIG_TYPE, config),
            "layers": [
                {
                    "mediaType": LAYER_TYPE,
                    "size": layer.blob.stat().st_size,
                    "digest": layer.digest,
                }
                for layer in image.layers
            ],
        }
    ).encode()
    registry.put_manifest(repository, _digest(manifest), MANIFEST_TYPE, manifest)
    here = {"architecture": _architecture(), "os": "linux"}
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": [_described(MANIFEST_TYPE, manifest) | {"platform": here}],
        }
    ).encode()
    pushed = Pushed(f"{registry.address}/{repository}", _digest(index), index)
    publish(pushed, registry, tags)
    return pushed


def forget_unused_layers() -> None:
    """Remove cached layers that nobody has used for a day: versions of images that are history."""
    for file in (cache_root() / "layers").glob("*"):
        with suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > UNUSED_SECONDS:
                file.unlink()


def publish(pushed: Pushed, registry: Registry, tags: Sequence[str]) -> None:
    """Make an image known (again) by its digest and under `tags`; its layers must be there."""
    for reference in (pushed.digest, *tags):
        registry.put_manifest(pushed.name, reference, INDEX_TYPE, pushed.index)


def _configuration(image: Image) -> dict[str, object]:
    return {
        "architecture": _architecture(),
        "os": "linux",
        "created": CREATED,
        "config": image.settings.as_config(),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in image.layers]},
        "history": [{"created": CREATED, "created_by": "tests.lab"} for _ in image.layers],
    }


def _architecture() -> str:
    return ARCHITECTURES[platform.machine()]


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _described(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(data), "digest": _digest(data)}


def _entry(path: str, mode: int, modified: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.mode, entry.mtime = mode, modified
    return entry


def _write_whole(path: Path, data: bytes) -> None:
    """Write so that another lab sees the whole file or none."""
    draft = path.with_name(f"{path.name}.{id(data)}")
    draft.write_bytes(data)
    draft.rename(path)
