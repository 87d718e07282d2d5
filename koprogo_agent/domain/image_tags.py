"""The tag of a release's images: a pattern filled in with the version."""

from __future__ import annotations

from dataclasses import dataclass, replace

from koprogo_agent.domain.versions import Version, tag_name

_SWAP = {"{version}": "{tag}", "{tag}": "{version}"}


@dataclass(frozen=True)
class ImageTag:
    """The tag under which the images of one release are published.

    Attributes:
        pattern: `{tag}` stands for v1.2.3, `{version}` for 1.2.3.
        version: the version of the release.
    """

    pattern: str
    version: Version

    @property
    def text(self) -> str:
        """The tag itself."""
        return self.pattern.format(tag=tag_name(self.version), version=self.version)

    @property
    def other(self) -> ImageTag | None:
        """The same with the other way to write the version; None for a pattern without one."""
        for here, there in _SWAP.items():
            if here in self.pattern:
                return replace(self, pattern=self.pattern.replace(here, there))
        return None
