"""The release manifest: what is read, and everything that is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from koprogo_agent.domain.canonical import encode
from koprogo_agent.domain.manifest import (
    BEGIN,
    END,
    MAX_BYTES,
    find_block,
    is_safe_path,
    parse,
)
from koprogo_agent.errors import Refused


def document(**changes: object) -> dict[str, Any]:
    """A good manifest, with changes."""
    return {
        "format": 1,
        "product": "koprogo",
        "channel": "stable",
        "version": "1.2.0-rc.1",
        "counter": 7,
        "commit": "c" * 40,
        "images": {"backend": {"repository": "ghcr.io/k/b", "digest": f"sha256:{'1' * 64}"}},
        "files": {"docker-compose.yml": "2" * 64},
        "migrations": {"path": "backend/migrations", "works_with": ["1.1.0"]},
        "upgrade_from": [">=1.0.0"],
        "agent_min": "0.1.0",
        "severity": "security",
        "issued": "2026-11-23T11:00:00Z",
        "expires": "2027-11-23T11:00:00Z",
        **changes,
    }


def line(content: object) -> str:
    """The canonical line of a document."""
    return encode(content).decode()


def refusal(text: str) -> Refused:
    """The refusal of a line."""
    with pytest.raises(Refused) as caught:
        parse(text)
    assert not caught.value.message[0].isupper()
    return caught.value


def test_a_manifest_is_read_whole() -> None:
    """Every field arrives in its type, and the hash is that of the line."""
    text = line(document())
    manifest = parse(text)
    assert manifest.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert (manifest.product, manifest.channel) == ("koprogo", "stable")
    assert (manifest.counter, manifest.commit) == (7, "c" * 40)
    assert str(manifest.version) == "1.2.0-rc.1"
    assert manifest.images["backend"].reference == f"ghcr.io/k/b@sha256:{'1' * 64}"
    assert manifest.files == {"docker-compose.yml": "2" * 64}
    assert manifest.migrations.path == "backend/migrations"
    assert manifest.migrations.works_with == ("1.1.0",)
    assert manifest.upgrade_from == (">=1.0.0",)
    assert (str(manifest.agent_min), manifest.severity) == ("0.1.0", "security")
    assert manifest.issued == datetime(2026, 11, 23, 11, tzinfo=UTC)
    assert manifest.expires == datetime(2027, 11, 23, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: f" {text}",
        lambda text: text.replace(":", ": ", 1),
        lambda text: text.replace('"counter":7', '"counter":7.0'),
        lambda text: text.replace('"counter":7', '"counter":7,"counter":7'),
        lambda text: text.replace("koprogo", "\\u006boprogo"),
        lambda text: (
            text.replace('"agent_min":"0.1.0",', "").replace("{", '{"agent_min":"0.1.0",', 1)[:-1]
            + ',"channel":"stable"}'
        ),
    ],
)
def test_a_second_way_to_write_the_same_is_refused(spoil: Callable[[str], str]) -> None:
    """White space, doubled keys, other orders, needless escapes: two readings of one text."""
    assert refusal(spoil(line(document()))).code == "manifest.invalid"


@pytest.mark.parametrize("key", sorted(document()))
def test_every_key_is_needed_and_no_other_is_allowed(key: str) -> None:
    """A key that this agent does not know could carry a rule that it would ignore."""
    less = {name: value for name, value in document().items() if name != key}
    assert refusal(line(less)).code in {"manifest.invalid", "manifest.format"}
    assert refusal(line(document(**{f"{key}2": 1}))).code == "manifest.invalid"


@pytest.mark.parametrize("value", [2, 0, True, "1", None, 1.0])
def test_another_format_asks_for_a_newer_agent(value: object) -> None:
    """A release manager may move on; the operator is told what to do."""
    error = refusal(line(document(format=value)))
    assert (error.code, error.advice) == ("manifest.format", "update koprogo-agent")


def test_a_release_may_leave_yanked_ones_behind() -> None:
    """Only where it says so: a manifest without the member is the same bytes as ever."""
    assert parse(line(document())).never_ran == {}
    found = parse(line(document(never_ran={"1.1.1": "it fails everywhere"}))).never_ran
    assert {str(version): why for version, why in found.items()} == {"1.1.1": "it fails everywhere"}


@pytest.mark.parametrize(
    "value", [{}, [], {"v1.1.1": "why"}, {"1.1.1": ""}, {"1.1.1": "a\nb"}, {"1.1.1": "x" * 301}]
)
def test_what_is_left_behind_has_a_version_and_a_reason(value: object) -> None:
    """An empty object would be a second way to write a manifest without the member."""
    assert refusal(line(document(never_ran=value))).code == "manifest.invalid"


BAD: dict[str, list[object]] = {
    "product": ["", "Koprogo", "a" * 64, 1, "../x"],
    "channel": ["", "STABLE", None],
    "version": ["v1.2.0", "1.2", 1],
    "counter": [0, -1, True, "7", 2**53, 1.5, None],
    "commit": ["c" * 39, "C" * 40, "HEAD", 1],
    "images": [
        {},
        [],
        {"backend": "x"},
        {"Back": {"repository": "a/b", "digest": f"sha256:{'1' * 64}"}},
        {"b": {"repository": "a/b"}},
        {"b": {"repository": "a/b", "digest": f"sha256:{'1' * 64}", "tag": "x"}},
        {"b": {"repository": "A/B", "digest": f"sha256:{'1' * 64}"}},
        {"b": {"repository": "--privileged", "digest": f"sha256:{'1' * 64}"}},
        {"b": {"repository": "a/b", "digest": "sha256:1"}},
        {
            "b": {"repository": "a/b", "digest": f"sha256:{'1' * 64}"},
            "c": {"repository": "a/b", "digest": f"sha256:{'2' * 64}"},
        },
        {f"i{n}": {"repository": f"a/b{n}", "digest": f"sha256:{'1' * 64}"} for n in range(51)},
    ],
    "files": [{}, [], {"a": "2"}, {"a": 1}, {f"f{n}": "2" * 64 for n in range(501)}],
    "migrations": [
        [],
        {},
        {"path": "a"},
        {"path": "a", "works_with": "1.0.0"},
        {"path": "a", "works_with": ["x"]},
        {"path": 1, "works_with": []},
        {"path": "a", "works_with": [], "down": True},
    ],
    "upgrade_from": ["", [1], ["1.0.0"], [">= 1.0.0"], None],
    "agent_min": ["", "latest", 1],
    "severity": ["", "Routine", "critical"],
    "issued": ["2026-11-23", "2026-11-23T11:00:00+00:00", "2026-1-23T11:00:00Z", 1, "0" * 20],
    "expires": ["2026-11-23T11:00:00Z", "2025-01-01T00:00:00Z", "never"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in BAD for value in BAD[key]])
def test_a_value_that_the_format_does_not_allow_is_refused(key: str, value: object) -> None:
    """Each field has one form; what is not in it is refused, never mended."""
    error = refusal(line(document(**{key: value})))
    assert error.code == "manifest.invalid"


UNSAFE = [
    "",
    ".",
    "..",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a//b",
    "./a",
    "a/.",
    ".git/config",
    "a/.git/x",
]
UNSAFE += ["-rf", "a\\b", "a b", "a\nb", "é", "a" * 256, "~/x/$HOME", "a/"]


@pytest.mark.parametrize("path", UNSAFE)
def test_a_path_that_could_leave_its_folder_is_refused(path: str) -> None:
    """Paths are joined to the stack's folder by a process that runs as root."""
    assert not is_safe_path(path)
    assert refusal(line(document(files={path: "2" * 64}))).code == "manifest.path"
    migrations = {"path": path, "works_with": []}
    assert refusal(line(document(migrations=migrations))).code == "manifest.path"


@pytest.mark.parametrize(
    "path", ["a", "docker-compose.yml", "a/b.c/d_e+f@g", "a..b", ".env.sample"]
)
def test_the_paths_of_a_usual_repository_are_allowed(path: str) -> None:
    """The rule must not keep real releases out."""
    assert is_safe_path(path)


def test_a_manifest_beyond_the_size_limit_is_refused() -> None:
    """Before it is parsed; what is just as large is."""
    assert MAX_BYTES == 256 * 1024
    assert "at most" in refusal(" " * (MAX_BYTES + 1)).message
    assert "not JSON" in refusal(" " * MAX_BYTES).message


def images(count: int) -> dict[str, Any]:
    """So many images."""
    digest = f"sha256:{'1' * 64}"
    return {f"i{n}": {"repository": f"a/b{n}", "digest": digest} for n in range(count)}


def test_a_manifest_names_so_much_and_not_one_more() -> None:
    """Bounds on what one release can make a machine fetch, write and compare."""
    assert len(parse(line(document(images=images(50)))).images) == 50
    assert "1 to 50 images" in refusal(line(document(images=images(51)))).message
    files = {f"f{n}": "2" * 64 for n in range(501)}
    assert "1 to 500 files" in refusal(line(document(files=files))).message
    assert (
        len(parse(line(document(files={key: files[key] for key in list(files)[1:]}))).files) == 500
    )
    many = [f"1.0.{n}" for n in range(101)]
    comparators = [f"!={one}" for one in many]
    assert len(parse(line(document(upgrade_from=comparators[1:]))).upgrade_from) == 100
    assert "more than 100" in refusal(line(document(upgrade_from=comparators))).message
    migrations = {"path": "a", "works_with": many}
    assert "more than 100" in refusal(line(document(migrations=migrations))).message
    migrations = {"path": "a", "works_with": many[1:]}
    assert len(parse(line(document(migrations=migrations))).migrations.works_with) == 100


@pytest.mark.parametrize("counter", [1, 2**53 - 1])
def test_a_counter_has_two_ends(counter: int) -> None:
    """Both belong to it."""
    assert parse(line(document(counter=counter))).counter == counter


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "1", '"x"', "NaN", "{", "[" * 100_000, "\ud800"]
)
def test_what_is_not_a_json_object_is_refused(text: str) -> None:
    """Also JSON that is nested without end."""
    assert refusal(text).code == "manifest.invalid"


def test_the_block_is_found_between_its_markers() -> None:
    """One line between two marker lines, wherever they stand in the message."""
    assert find_block(f"Hello\n\n{BEGIN}\nthe line\n{END}\nBye\n") == "the line"
    assert find_block("Hello\n") is None
    assert find_block(f"a {BEGIN} in a sentence\n") is None


@pytest.mark.parametrize(
    "message",
    [
        BEGIN,
        END,
        f"{BEGIN}\n{END}",
        f"{END}\nx\n{BEGIN}",
        f"{BEGIN}\nx\ny\n{END}",
        f"{BEGIN}\nx\n{END}\n{BEGIN}\ny\n{END}",
        f"{BEGIN}\n{BEGIN}\n{END}",
    ],
)
def test_a_second_or_a_broken_block_is_refused(message: str) -> None:
    """A message can hold one manifest or none, nothing in between."""
    with pytest.raises(Refused) as caught:
        find_block(message)
    assert caught.value.code == "manifest.invalid"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.text(max_size=200) | JSON.map(json.dumps))
@example("1" * 5000)
@example('"\\ud800"')
def test_arbitrary_text_is_refused_and_nothing_else(text: str) -> None:
    """No input makes the parser fail in another way."""
    refusal(text)


@given(key=st.sampled_from(sorted(document())), value=JSON)
def test_a_manifest_with_an_arbitrary_value_is_read_or_refused(key: str, value: object) -> None:
    """What is read again encodes to the very same line."""
    text = json.dumps(
        document(**{key: value}), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    try:
        manifest = parse(text)
    except Refused:
        return
    assert manifest.sha256 == hashlib.sha256(encode(json.loads(text))).hexdigest()
