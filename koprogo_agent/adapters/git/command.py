"""How git is run: its environment, its limits, and what its failures mean.

Nothing is inherited, no configuration file is read but the mirror's own three lines, and the few
commands that may use the network are told of the source on their command line, which therefore
never holds a secret.
"""

from __future__ import annotations

import re
from pathlib import Path

from koprogo_agent import process
from koprogo_agent.adapters.git.proxied import fault_of
from koprogo_agent.domain.proxy import Proxy, environment_of
from koprogo_agent.errors import DISK_FULL, AgentError, NeedsOperator, Refused, RetryLater
from koprogo_agent.settings.sections import Source

MAX_LIST_BYTES = 1 << 20
MAX_OBJECT_BYTES = 16 << 20
MAX_MEMORY = 1 << 30
MAX_WAIT = 86_400.0
"""Seconds that a `Retry-After` may hold us off: a source must not be able to stop updates."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOWHERE = Path("/nonexistent")

# Debian's curl reads every authority twice, from a bundle and from a folder, which costs 20 ms of
# CPU a poll. Where there is a bundle, the folder is left out. With a `ca_file` of the operator's
# that is also what makes its authorities the only ones.
_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
)

_SETTINGS = (
    "protocol.version=2",  # else the server lists every branch too
    "fetch.fsckObjects=true",
    "fetch.writeCommitGraph=false",
    "core.hooksPath=/dev/null",
    "core.fsync=all",
    "core.bigFileThreshold=1m",  # larger files are streamed, never held in memory
    "pack.threads=1",
    "credential.helper=",
    "submodule.recurse=false",
    # Of a poll's two requests the first may be redirected, to another https address: a repository
    # that moves on its forge must not strand instances nobody logs in to. It gains an attacker
    # nothing, because releases are believed for their signatures, not for where they come from.
    "http.followRedirects=initial",
    "http.lowSpeedLimit=500",
    "http.lowSpeedTime=20",
)


CUT_OFF = "source.cut_off"
"""Code of the error when a limit of the kernel ended git."""

UNKNOWN = "source.failed"
"""Code of the error when git's words say nothing of the network: the mirror may be at fault."""


class Overlong(Exception):
    """What git printed is more than it may be."""


class Command:
    """Runs git for one source."""

    def __init__(self, source: Source, home: Path, proxy: Proxy | None) -> None:
        """Prepares; nothing is run yet.

        Args:
            source: where releases come from, and the limits.
            home: the HOME of every git process: the agent's own folder.
            proxy: what the source is asked through; None: it is asked directly.
        """
        self._source = source
        self._home = home
        self._proxy = proxy
        self.max_bytes = source.max_bytes

    def local(self, mirror: Path, *words: str, stdin: bytes = b"") -> process.Completed:
        """Runs a command that stays in the mirror, and does not know where the source is.

        Raises:
            Overlong: it printed more than `MAX_OBJECT_BYTES`.
            RetryLater: it did not end in time.
        """
        try:
            return self._run(self._environment(mirror), words, stdin, MAX_OBJECT_BYTES)
        except process.TooMuchOutput as error:
            raise Overlong from error

    def remote(self, mirror: Path, *words: str, stdin: bytes = b"") -> bytes:
        """Runs a command that uses the network, with the remote `origin`; gives its output.

        Raises:
            RetryLater: the source cannot be asked; also the codes `CUT_OFF` and `UNKNOWN`.
            Refused: what the source sends breaks git's own rules for objects.
            NeedsOperator: something on this machine is at fault.
        """
        settings = [word for setting in self._network() for word in ("-c", setting)]
        # In the environment: its password must not stand on a command line.
        environment = self._environment(mirror) | environment_of(self._proxy)
        try:
            done = self._run(environment, (*settings, *words), stdin, MAX_LIST_BYTES)
        except process.TooMuchOutput as error:
            raise RetryLater(
                f"the source {self._source.url} lists more than {MAX_LIST_BYTES} bytes of refs",
                code="source.list_limit",
            ) from error
        if done.returncode != 0:
            raise explain(done.stderr.decode(errors="replace"), self._source, self._proxy)
        return done.stdout

    def list_refs(self) -> bytes:
        """The source's answer to `ls-remote`: a line a tag or branch, no peeled ones.

        Branches too, for the one of trust: git can ask for all of them or for none, and to ask
        twice would cost twice as much.

        It is asked outside of any repository: a damaged mirror must not stop the polls.

        Raises:
            RetryLater: as `remote`.
        """
        question = ("ls-remote", "--tags", "--heads", "--refs", "--quiet", "--end-of-options")
        listed = self.remote(_NOWHERE, *question, self._source.url)
        if not listed:
            self._require_git()
        return listed

    def _require_git(self) -> None:
        """Makes sure that an empty list is one.

        git takes any page, such as the login of a captive portal, for a server of its oldest
        protocol without a single ref; that must not pass for a poll that succeeded.
        """
        answer = self.remote(_NOWHERE, "ls-remote", "--quiet", "--end-of-options", self._source.url)
        if not answer:
            raise RetryLater(
                f"there is no git repository with releases at {self._source.url}",
                code="source.empty",
                advice="check source.url, and whether this network wants a login",
            )

    def _run(
        self, environment: dict[str, str], words: tuple[str, ...], stdin: bytes, limit: int
    ) -> process.Completed:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        # The kernel holds these for every process that git starts: git itself cannot limit a pack.
        limits = (f"--fsize={self._source.max_bytes}", f"--as={MAX_MEMORY}", "--core=0")
        try:
            return process.run(
                ["prlimit", *limits, "git", *settings, *words],
                env=environment,
                timeout=self._source.timeout,
                limit_output=limit,
                cwd=Path("/"),
                stdin=stdin,
            )
        except process.TimedOut as error:
            through = f" through the proxy {self._proxy.address}" if self._proxy else ""
            raise RetryLater(
                f"git did not end within {self._source.timeout:g} s with {self._source.url}"
                f"{through}",
                code="source.slow",
            ) from error

    def _environment(self, mirror: Path) -> dict[str, str]:
        return {
            "PATH": _PATH,
            "HOME": str(self._home),
            "LC_ALL": "C",
            "GIT_DIR": str(mirror),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_ALLOW_PROTOCOL": ":".join(self._source.allow_protocols),
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes",
            # Headers are printed among git's complaints: the only way to see a Retry-After.
            "GIT_TRACE_CURL": "2",
            "GIT_TRACE_CURL_NO_DATA": "1",
        }

    def _network(self) -> tuple[str, ...]:
        bundle = self._source.ca_file or next((one for one in _BUNDLES if one.is_file()), None)
        authorities = () if bundle is None else (f"http.sslCAInfo={bundle}",)
        return (
            f"remote.origin.url={self._source.url}",
            "remote.origin.promisor=true",
            "remote.origin.partialclonefilter=blob:none",
            *authorities,
            *([f"http.sslCAPath={_NOWHERE}"] if authorities else []),
        )


_TRACE = re.compile(r"^\d\d:\d\d:\d\d\.\d+ .*$\n?", re.MULTILINE)
# All that is left to read when the kernel ends git's `index-pack`; else that says why it ends.
_CUT_OFF = re.compile(r"(?:remote: .*\n)*fatal: fetch-pack: invalid index-pack output")
_MALFORMED = re.compile(r"^(?:remote: )?error: (object [^\n]*)", re.MULTILINE)
_RETRY_AFTER = re.compile(r"Recv header: retry-after: (\d{1,9})\s*$", re.MULTILINE | re.IGNORECASE)

# What git and curl say -> code. The first that fits counts.
_TRANSIENT = (
    ("source.rate_limited", r"returned error: 429", "asks us to come back later"),
    (
        "source.denied",
        (
            r"returned error: 4\d\d|repository .* not found|could not read Username"
            r"|Authentication failed|Permission denied \(|does not appear to be a git repository"
        ),
        "denies access, or has no such repository",
    ),
    (
        "source.certificate",
        r"certificate",
        "presents a certificate that cannot be trusted",
    ),
    ("source.slow", r"Operation too slow|timed out", "answers too slowly"),
    (
        "source.unreachable",
        (
            r"returned error: \d+|Could not resolve|onnect to|Connection|Recv failure|Send failure"
            r"|Empty reply|transfer closed|HTTP/2 stream|SSL|TLS|gnutls|Network is unreachable"
            r"|unable to access"
        ),
        "cannot be reached",
    ),
    ("source.changed", r"couldn't find remote ref|not our ref", "no longer has what it listed"),
    (
        "source.broken",
        (
            r"early EOF|hung up|unexpected disconnect|RPC failed|protocol error|bad line length"
            r"|invalid server response|is this a git repository|expected flush|bad pack header"
        ),
        "answers with something that is not git",
    ),
)
_ADVICE = {
    "source.denied": "check source.url in the configuration",
    "source.certificate": "check this machine's clock (timedatectl) and its ca-certificates; for a"
    " server with its own authority set source.ca_file",
    "source.unreachable": "check this machine's network and DNS",
}


_OPENED = "; a proxy that opens TLS connections needs its own authority there, too"


def explain(stderr: str, source: Source, proxy: Proxy | None = None) -> AgentError:
    """The error that git's complaints amount to.

    All faults of the source are transient, also those that look like a person's: a forge that
    presents an expired certificate or denies access for an hour must not leave thousands of
    instances waiting for their operators. Only what lies on this machine needs an operator.
    """
    waits = [float(seconds) for seconds in _RETRY_AFTER.findall(stderr)]
    words = _TRACE.sub("", stderr).strip()
    if re.search(r"fsck error", words):
        # What is wrong stands before the lines in which git's programs pass it on.
        named = _MALFORMED.search(words)
        what = _end(named[1] if named else words)
        return Refused(f"the source sent a malformed object: {what}", code="source.fsck")
    if re.search(r"died of signal|[Oo]ut of memory", words) or _CUT_OFF.fullmatch(words):
        return RetryLater(
            "git was stopped while it stored what the source sent: for its size, or for want of"
            " memory",
            code=CUT_OFF,
        )
    if re.search(r"No space left on device|Disk quota exceeded", words):
        return NeedsOperator(
            f"cannot store what the source sent: {_end(words)}",
            code=DISK_FULL,
            advice="free some space on this file system; `df -h` and `docker system df` help",
        )
    if re.search(r"Problem with the SSL CA cert|error setting certificate|transport '", words):
        return NeedsOperator(
            f"git cannot use the source {source.url}: {_end(words)}",
            code="source.settings",
            advice="check source.ca_file and source.allow_protocols in the configuration",
        )
    return _transient(words, source, proxy, min(waits[-1], MAX_WAIT) if waits else None)


def _transient(words: str, source: Source, proxy: Proxy | None, after: float | None) -> RetryLater:
    """The fault of the source, or of the proxy on the way to it."""
    if proxy is not None and (fault := fault_of(words, source.url, proxy)):
        said = f"{fault.said}, through which the source {source.url} is asked ({_end(words)})"
        return RetryLater(said, code=fault.code, advice=fault.advice, after=after)
    for code, pattern, what in _TRANSIENT:
        if re.search(pattern, words):
            advice = _ADVICE.get(code, "")
            if proxy is not None and code == "source.certificate":
                advice += _OPENED
            said = f"the source {source.url} {what} ({_end(words)})"
            return RetryLater(said, code=code, advice=advice, after=after)
    return RetryLater(f"git failed: {_end(words)}", code=UNKNOWN)


def _end(words: str) -> str:
    """The last thing that git said, safe to print."""
    last = re.sub(
        r"^(?:fatal|error): (?:unable to access '[^']*': )?", "", words.rpartition("\n")[2]
    )
    return "".join(one if one.isprintable() else "?" for one in last[:200]) or "no reason given"
