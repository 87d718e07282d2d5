"""The rules at the edges: signing tools, git, registries, files, limits, words."""

from __future__ import annotations

from tests.attacks.mutation import also, never, nothing, without

_A = "attacks/test_arbitrary_software.py::test_what_nobody_entitled_has_signed_is_refused"
_GPG = "attacks/test_keys.py::test_a_gpg_key_that_says_itself_that_it_is_over_signs_nothing"
_FIT = "attacks/test_rollback.py::test_a_manifest_fits_its_own_tag_alone"
_TREE = "attacks/test_tree.py::test_"
_PATH = f"{_TREE}a_path_that_leads_elsewhere_is_refused"
_FILE = f"{_TREE}what_is_deployed_is_a_regular_file_of_the_commit"
_IN = "attacks/test_injection.py::test_"
_OPTION = f"{_IN}a_path_or_an_image_that_begins_like_an_option_is_refused"
_END = "attacks/test_endless.py::test_"
_REGISTRY = "attacks/test_registry.py::test_"
_HUGE = f"{_END}a_message_and_a_manifest_have_an_end"
_SECRET = "attacks/test_secrets.py::test_no_secret_is_found"
_SHOWN = "attacks/test_terminal.py::test_what_a_source_says_is_shown_without_effect"
_HOSTILE = f"{_IN}a_hostile_environment_changes_nothing"

_OWN_NAMESPACE = '''

def _own_namespace(signature: str) -> str:
    """Whatever the signature itself says that it is for (PROTOCOL.sshsig)."""
    lines = signature.split("\\n")
    blob = base64.b64decode("".join(line for line in lines if not line.startswith("-----")))[10:]
    blob = blob[4 + int.from_bytes(blob[:4]) :]
    return blob[4 : 4 + int.from_bytes(blob[:4])].decode()


def _ssh_refusal('''

_SIGNATURES = (
    also(
        "ssh: namespace",
        (
            (
                "adapters/signatures",
                """f'signer namespaces="{statement.purpose}" {key.public}\\n'""",
                "f'signer {key.public}\\n'",
            ),
            (
                "adapters/signatures",
                '"-I", "signer", "-n", statement.purpose, *files',
                '"-I", "signer", "-n", _own_namespace(statement.signature), *files',
            ),
            (
                "adapters/signatures",
                "good.groups() == (statement.purpose, key.fingerprint)",
                "good[2] == key.fingerprint",
            ),
            ("adapters/signatures", "\n\ndef _ssh_refusal(", _OWN_NAMESPACE),
        ),
        *(f"{_A}[other_namespace]", f"{_A}[cosign_namespace]"),
    ),
    without(
        *("ssh: keys of the root alone", "adapters/signatures"),
        "raise _ssh_refusal(statement, folder)",
        """refusal = _ssh_refusal(statement, folder)
    if refusal.code == "signature.unknown_key":
        return next(Signer(Kind.SSH, k.fingerprint, k.name) for k in ssh if k.name == "release")
    raise refusal""",
        f"{_A}[wrong_ssh_key]",
    ),
    without(
        *("ssh: it fits the bytes", "adapters/signatures"),
        "raise _ssh_refusal(statement, folder)",
        """refusal = _ssh_refusal(statement, folder)
    if refusal.code == "signature.bad":
        return next(Signer(Kind.SSH, k.fingerprint, k.name) for k in ssh if k.name == "release")
    raise refusal""",
        *(f"{_A}[edited_message]", f"{_FIT}[exchanged_digest]", f"{_FIT}[exchanged_file]"),
    ),
    never(
        *("ssh: touched", "adapters/signatures", "untouched(statement.signature)"),
        "attacks/test_keys.py::test_a_security_key_that_nobody_touched_signs_nothing",
    ),
    without(
        *("gpg: expired", "adapters/signatures"),
        *("if expiries and all(", "if True or all(", f"{_GPG}[expired_gpg_key]"),
    ),
    without(
        *("gpg: revoked", "adapters/signatures", "said = [words[0] for words in lines]"),
        'said = [{"REVKEYSIG": "GOODSIG"}.get(words[0], words[0]) for words in lines]',
        f"{_GPG}[revoked_gpg_key]",
    ),
    without(
        *("gpg: keys of the root alone", "adapters/signatures", '    "NO_PUBKEY": ('),
        *('    "NEVER": (', f"{_A}[wrong_gpg_key]"),
    ),
    without(
        *("gpg: it fits the bytes", "adapters/signatures", '    "BADSIG": ('),
        *('    "NEVER": (', f"{_A}[edited_by_gpg]"),
    ),
)

_FILES = (
    never(
        *("files: by hash", "update/steps/stage", "found != expected"),
        *(f"{_FILE}[wrong_file_hash]",),
        "attacks/test_rollback.py::test_one_file_of_another_release_is_found",
    ),
    never(
        *("files: regular ones alone", "adapters/git/__init__", "entry.mode not in _REGULAR"),
        *(f"{_FILE}[symlink]", f"{_FILE}[submodule]"),
        f"{_TREE}a_freshness_document_is_a_regular_file",
    ),
    never(
        *("files: links are not followed", "adapters/git/__init__", "here.mode != _FOLDER"),
        f"{_FILE}[linked_folder]",
    ),
    never(
        *("files: of the commit", "adapters/git/__init__", "entry is None"),
        f"{_FILE}[missing_file]",
    ),
    never(
        *("paths: safe", "domain/manifest", "not is_safe_path(path)"),
        *(f"{_PATH}[path_traversal]", f"{_PATH}[absolute_path]", f"{_PATH}[git_path]"),
    ),
    without(
        *("paths: no options", "domain/manifest"),
        *('        and not path.startswith("-")\n', "", f"{_OPTION}[option_path]"),
    ),
    without(
        *("trees: fsck", "adapters/git/command", '"fetch.fsckObjects=true"'),
        *('"fetch.fsckObjects=false"', f"{_PATH}[climbing_tree]", f"{_PATH}[git_tree]"),
    ),
    without(
        *("manifest: canonical", "domain/canonical", "    if canonical != raw:\n"),
        *("    if canonical != raw and not canonical:\n",),
        *(f"{_A}[not_canonical]", f"{_A}[duplicate_key]"),
    ),
    never(
        *("manifest: one block", "domain/canonical", "begins != 1 or ends != 1"),
        f"{_A}[two_manifests]",
    ),
    never(
        *("manifest: no other keys", "domain/canonical", "self.values.keys() != set(keys)"),
        f"{_A}[unknown_key]",
    ),
)

_IMAGES = (
    without(
        *("images: by digest", "update/steps/stage"),
        'name: by_repository[repository(str(service.get("image", "")))].reference',
        "name: by_repository[repository(str(service.get('image', '')))].repository"
        ' + f":{release.tag}"',
        f"{_REGISTRY}a_tag_that_moves_in_the_registry_moves_nothing_here",
    ),
    without(
        *("images: digests alone", "domain/manifest", 'entry.text("digest", _DIGEST)'),
        *('entry.text("digest")', f"{_OPTION}[tagged_image]"),
    ),
    without(
        *("images: names alone", "domain/manifest", 'entry.text("repository", _REPOSITORY)'),
        *('entry.text("repository")', f"{_OPTION}[option_image]"),
    ),
)

_LIMITS = (
    without(
        *("limit: list of refs", "adapters/git/command", "MAX_LIST_BYTES = 1 << 20"),
        *("MAX_LIST_BYTES = 1 << 30", f"{_END}a_list_of_refs_has_an_end"),
    ),
    without(
        *("limit: pack", "adapters/git/command", 'f"--fsize={self._source.max_bytes}"'),
        *('"--fsize=unlimited"', f"{_END}a_pack_has_an_end[at once]"),
    ),
    without(
        *("limit: objects", "adapters/git/command", "MAX_OBJECT_BYTES = 16 << 20"),
        "MAX_OBJECT_BYTES = 1 << 30",
        *(f"{_END}a_tag_that_swells_has_an_end", f"{_END}a_file_that_swells_has_an_end"),
        f"{_END}a_document_of_the_trust_branch_has_an_end[root]",
    ),
    never("limit: tag", "domain/tags", "len(raw) > MAX_BYTES", f"{_HUGE}[huge_message]"),
    never(
        *("limit: documents", "domain/canonical", "len(raw) > limit", f"{_HUGE}[huge_manifest]"),
        "attacks/test_freeze.py::test_a_freshness_document_that_does_not_follow_is_not_believed"
        "[without end]",
    ),
    without(
        *("limit: git's time", "adapters/git/command", "timeout=self._source.timeout,"),
        *("timeout=3600.0,", f"{_END}a_list_of_refs_has_its_time[one byte a second]"),
        f"{_END}a_fetch_has_its_time",
    ),
    without(
        *("limit: a registry's silence", "adapters/images/store"),
        *("_limit_silence(api, ", "(lambda *_: None)(api, "),
        f"{_REGISTRY}a_registry_has_its_time[a layer byte by byte]",
    ),
    never(
        *("limit: a registry's pace", "adapters/images/layers"),
        "self.progress.received - self._before < self._limits.pace * seconds",
        f"{_REGISTRY}a_layer_that_drips_has_its_time",
    ),
    never(
        *("limit: a registry's body", "adapters/images/layers"),
        *("self.progress.received > self._limits.size", f"{_REGISTRY}a_layer_has_an_end"),
    ),
)

_GIT = (
    without(
        *("git: named protocols alone", "adapters/git/command", '"GIT_ALLOW_PROTOCOL": '),
        '"GIT_NEVER": ',
        f"{_IN}a_source_cannot_lead_to_a_protocol_that_the_operator_did_not_name",
    ),
    without(
        *("git: no replace refs", "adapters/git/command", '"GIT_NO_REPLACE_OBJECTS": "1"'),
        '"GIT_NEVER": "1"',
        "attacks/test_tags.py::test_a_replace_ref_replaces_nothing",
    ),
    without(
        *("git: full names of refs", "adapters/git/__init__", 'f"+refs/tags/{tag.name}:'),
        'f"+{tag.name}:',
        "attacks/test_tags.py::test_refs_of_the_same_name_elsewhere_are_not_taken_for_the_tag",
    ),
    without(
        *("git: nothing inherited", "adapters/git/command", "env=environment,"),
        'env={**__import__("os").environ, **environment},',
        _HOSTILE,
    ),
    without(
        *("git: a PATH of its own", "adapters/git/command", '"PATH": _PATH,'),
        *('"PATH": __import__("os").environ["PATH"],', _HOSTILE),
    ),
    without(
        *("programs: a PATH of their own", "process"),
        'shutil.which("setpriv", path=env.get("PATH", os.defpath))',
        *('shutil.which("setpriv")', _HOSTILE),
    ),
    without(
        *("git: objects are what their ids say", "adapters/git/mirror"),
        "if hashlib.sha1(hashed, usedforsecurity=False).hexdigest() != oid:",
        nothing("(hashed == b'')"),
        "integration/git/test_git_mirror.py::test_an_object_under_a_wrong_id_is_not_believed",
    ),
    without(
        *("address: no option", "settings/values", 'url.startswith("-") or '),
        "",
        f"{_IN}an_address_that_is_an_option_a_program_or_a_secret_is_refused[ssh's option]",
    ),
    never(
        *("address: named protocols alone", "settings/values"),
        "allow_protocols and protocol not in allow_protocols",
        f"{_IN}an_address_that_is_an_option_a_program_or_a_secret_is_refused[http]",
    ),
    never(
        *("address: no secret", "settings/values"),
        '":" in userinfo or (userinfo and protocol != "ssh")',
        f"{_IN}an_address_that_is_an_option_a_program_or_a_secret_is_refused[secret]",
    ),
)

_WORDS = (
    without(
        *("words: of git, harmless", "adapters/git/command"),
        'one if one.isprintable() else "?"',
        *("one", f"{_SHOWN}[a list]", f"{_SHOWN}[a fetch]"),
    ),
    without(
        *("words: printable", "redact"),
        "return value.translate(_ESCAPES_BUT_LINES if keep_lines else _ESCAPES)",
        "return value",
        "attacks/test_secrets.py::test_what_a_container_prints_is_shown_without_effect",
    ),
    without(
        *("secrets: masked", "redact", "value = value.replace(secret, MASK)", "continue"),
        *(f"{_SECRET}[the log]", f"{_SECRET}[what is shown]", f"{_SECRET}[letters]"),
        f"{_SECRET}[the journal]",
    ),
    without(
        *("secrets: no address in argv", "adapters/notify"),
        'argv = (sys.executable, "-m", _SENDER)',
        'argv = (sys.executable, "-m", _SENDER, message)',
        f"{_SECRET}[the words of programs]",
    ),
)

OUTSIDE = (*_SIGNATURES, *_FILES, *_IMAGES, *_LIMITS, *_GIT, *_WORDS)
