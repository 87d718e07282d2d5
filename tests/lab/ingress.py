"""The ways in which users reach the sample stack: KoproGo's Traefik, and proxies of other kinds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates/ingress"
REVISION = "@REVISION@"
"""Stands for a number that changes when a release changes the ingress."""

_CONFIGURATIONS = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf", "caddy": "Caddyfile"}


class Ingress(StrEnum):
    """The proxy in front of the stack.

    Traefik finds its routes in the labels of healthy containers, as KoproGo's does. The others
    have a configuration file that the release brings.
    """

    TRAEFIK = "traefik"
    HAPROXY = "haproxy"
    NGINX = "nginx"
    CADDY = "caddy"

    @property
    def service(self) -> str:
        """The name of its service."""
        return "traefik" if self is Ingress.TRAEFIK else "ingress"

    @property
    def file(self) -> str:
        """The path of its configuration in the release; empty if it has none."""
        name = _CONFIGURATIONS.get(self)
        return f"infrastructure/_shared/ingress/{name}" if name else ""

    def compose(self, revision: int) -> str:
        """The text of its service in the base file."""
        text = (TEMPLATES / f"{self}.yml").read_text()
        return text.replace(REVISION, str(revision))

    def configuration(self, revision: int) -> dict[str, bytes]:
        """Its configuration file, if it has one: path -> content."""
        if not self.file:
            return {}
        text = (TEMPLATES / Path(self.file).name).read_text()
        return {self.file: text.replace(REVISION, str(revision)).encode()}
