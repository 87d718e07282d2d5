"""The section of the configuration file about the way out of this machine's network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from koprogo_agent.domain.proxy import Proxy, ProxyRules, variables_set
from koprogo_agent.settings.sections import Section
from koprogo_agent.settings.values import protocol_of

if TYPE_CHECKING:
    from koprogo_agent.settings import Settings

_FORM = "write it as http://proxy.example:3128"
_NAME = re.compile(
    r"\.?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_-]{1,63})*", re.IGNORECASE
)
_MAIL = ("mailto", "mailtos")


def _proxy(text: str) -> str:
    """Checks the address of a proxy; no message repeats it, as a password may be in it."""
    if "@" in text:
        raise ValueError(
            "must not hold a name or password; write them as proxy_user and proxy_password"
        )
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower().startswith("socks"):
        raise ValueError(f"a SOCKS proxy cannot be used; name an HTTP proxy, {_FORM}")
    if scheme.lower() == "https" and separator:
        raise ValueError(
            f"a proxy that is itself asked by TLS cannot be used; {_FORM}. What is fetched from"
            " https addresses through it is encrypted all the same"
        )
    if scheme.lower() != "http" or not separator:
        raise ValueError(f"does not begin with http://; {_FORM}")
    if not rest.isascii() or not rest.isprintable() or " " in rest or set(rest[:-1]) & set("/?#"):
        raise ValueError(f"must end with the port; {_FORM}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"its port must be a number from 1 to 65535; {_FORM}") from None
    if not host:
        raise ValueError(f"names no host; {_FORM}")
    if not port:
        raise ValueError(f"names no port; {_FORM}")
    return text


def _exception(text: str) -> str:
    if text == "*":
        raise ValueError("would be asked for every address; leave proxy out instead")
    if text.startswith("*."):
        raise ValueError(f'write "{text[1:]}" for every name below {text[2:]}')
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        if not _NAME.fullmatch(text):
            raise ValueError(
                f"{text[:60]!r} is no name, address or network; write it as registry.internal,"
                " .example.org, 10.0.0.5 or 10.0.0.0/8, without a port"
            ) from None
    return text


class Network(Section):
    """The way out of this machine's network."""

    proxy: Annotated[str, AfterValidator(_proxy)] | None = Field(
        None,
        description="HTTP proxy, as http://host:port, for git, reports and notifications by https;"
        " the Docker engine, which pulls images, has a setting of its own",
    )
    proxy_user: str | None = Field(
        None, min_length=1, pattern=r"^[^:\x00-\x1f]+$", description="name that the proxy wants"
    )
    proxy_password: SecretStr | None = Field(None, description="password that belongs to it")
    no_proxy: tuple[Annotated[str, AfterValidator(_exception)], ...] = Field(
        (), description="names, addresses and networks that are asked directly"
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if (self.proxy_user is None) != (self.proxy_password is None):
            raise ValueError("proxy_user and proxy_password go together; give both or neither")
        if self.proxy is None and (self.proxy_user or self.no_proxy):
            raise ValueError("there is no proxy; set proxy, or take the keys about it out")
        return self

    @property
    def rules(self) -> ProxyRules:
        """Which proxy an address is asked through."""
        if self.proxy is None:
            return ProxyRules()
        parts = urlsplit(self.proxy)
        password = self.proxy_password.get_secret_value() if self.proxy_password else ""
        proxy = Proxy(parts.hostname or "", parts.port or 0, self.proxy_user, password)
        return ProxyRules(proxy, self.no_proxy)


def remarks(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """What is valid and yet may not be what the operator expects of a proxy.

    Args:
        settings: all of them.
        environ: the environment in which the question is asked.
    """
    if settings.network.proxy is None:
        found = ", ".join(variables_set(environ))
        said = f"{found}: the agent does not read this; if it needs a proxy, set it below [network]"
        return [said] if found else []
    urls = {"source.url": settings.source.url}
    if settings.agent.update:
        urls["agent.url"] = settings.agent.url
    told = [
        f"{key} uses {protocol}, to which network.proxy does not apply; it applies to https"
        for key, url in urls.items()
        if (protocol := protocol_of(url)) not in {"https", "http"}
    ]
    schemes = (one.get_secret_value().partition("://")[0].lower() for one in settings.notify.urls)
    return told + [
        f"notify.urls (number {number}) is mail, which is sent without network.proxy"
        for number, scheme in enumerate(schemes, start=1)
        if scheme in _MAIL
    ]
