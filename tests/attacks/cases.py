"""The rule that keeps each forgery out, and what its refusal must say to whoever reads it.

One row each: the code, then what is to be found in the message, as regular expressions.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.lab.forgeries import Forgery

_SSH, _GPG = r"SHA256:[A-Za-z0-9+/]{43}", r"[0-9A-F]{16}"
_OID = r"[0-9a-f]{40}"

REFUSED: Mapping[Forgery, tuple[str, ...]] = {
    Forgery.UNSIGNED: ("tag.unsigned", "is not signed"),
    Forgery.LIGHTWEIGHT: ("tag.lightweight", "straight at a commit", "a signed, annotated tag"),
    Forgery.WRONG_SSH_KEY: ("signature.unknown_key", _SSH, "not in the trust root"),
    Forgery.WRONG_GPG_KEY: ("signature.unknown_key", _GPG, "not in the trust root"),
    Forgery.OTHER_ROLE: (
        *("signature.role", "freshness", _SSH, "not one of the release keys of trust root 1"),
    ),
    Forgery.EXPIRED_GPG_KEY: ("signature.expired", _GPG, "had expired"),
    Forgery.REVOKED_GPG_KEY: ("signature.revoked", _GPG, "was revoked"),
    Forgery.EDITED_MESSAGE: ("signature.bad", "does not fit it"),
    Forgery.EDITED_BY_GPG: ("signature.bad", "does not fit it: one of them was changed"),
    Forgery.EXCHANGED_DIGEST: ("signature.bad", "does not fit it"),
    Forgery.EXCHANGED_FILE: ("signature.bad", "does not fit it"),
    Forgery.OTHER_NAMESPACE: ("signature.bad", "was not made for git"),
    Forgery.COSIGN_NAMESPACE: ("signature.bad", "was not made for git"),
    Forgery.TRAILING_TEXT: ("tag.malformed", "not exactly one SSH or PGP signature that ends"),
    Forgery.TWO_SIGNATURES: ("tag.malformed", "2 signature blocks, not one"),
    Forgery.RENAMED: ("tag.renamed", r"named v[\d.]+, but .* signed as 'v[\d.]+'"),
    Forgery.SECOND_TAG_HEADER: ("tag.malformed", "tag, tag, tagger", "not 'object, type, tag"),
    Forgery.NESTED: ("tag.nested", "at another tag, not at a commit"),
    Forgery.SIGNED_BLOB: ("tag.not_commit", "'blob', not at a commit"),
    Forgery.SIGNED_TREE: ("tag.not_commit", "'tree', not at a commit"),
    Forgery.ESCAPES: ("tag.malformed", r"control character U\+001B"),
    Forgery.HIDDEN_TEXT: ("tag.malformed", r"control character U\+202E"),
    Forgery.HUGE_MESSAGE: ("tag.too_large", r"has \d{6} bytes; at most 524288"),
    Forgery.OTHER_VERSION: ("trust.version", r"tag v[\d.]+ .* manifest of version 1\.0\.0"),
    Forgery.OTHER_COMMIT: ("trust.commit", f"at commit {_OID}, .* speaks of {'0' * 40}"),
    Forgery.OTHER_PRODUCT: ("trust.product", "release of 'other'; .* runs 'koprogo'"),
    Forgery.LOWER_COUNTER: ("trust.counter", r"has the counter \d+"),
    Forgery.EXPIRED_MANIFEST: ("trust.expired", "expired at 2020-02-01.*, and it is 20"),
    Forgery.FUTURE_MANIFEST: ("trust.not_yet", "issued at 2036-11-23.*, but it is 20"),
    Forgery.PATH_TRAVERSAL: ("manifest.path", r"unsafe path '\.\./\.\./etc/cron\.d/x'"),
    Forgery.ABSOLUTE_PATH: ("manifest.path", "unsafe path '/etc/cron.d/x'"),
    Forgery.OPTION_PATH: ("manifest.path", "unsafe path '--upload-pack'"),
    Forgery.GIT_PATH: ("manifest.path", r"unsafe path '\.git/hooks/post-checkout'"),
    Forgery.CLIMBING_TREE: ("source.fsck", r"malformed object.* contains '\.\.'"),
    Forgery.GIT_TREE: ("source.fsck", r"malformed object.* contains '\.git'"),
    Forgery.OPTION_IMAGE: ("manifest.invalid", "images backend repository .*'--config/backend'"),
    Forgery.TAGGED_IMAGE: ("manifest.invalid", "images backend digest .*'latest'"),
    Forgery.NOT_CANONICAL: ("manifest.invalid", "not in canonical form"),
    Forgery.DUPLICATE_KEY: ("manifest.invalid", "not in canonical form"),
    Forgery.TWO_MANIFESTS: ("manifest.invalid", "exactly one such block"),
    Forgery.UNKNOWN_KEY: ("manifest.invalid", "exactly the keys of the format; odd: run"),
    Forgery.HUGE_MANIFEST: ("manifest.invalid", r"has 30\d{4} bytes; at most 262144"),
}
"""What the tag's own bytes give away."""

STOPPED: Mapping[Forgery, tuple[str, ...]] = {
    Forgery.WRONG_FILE_HASH: ("file.mismatch", "SHA-256 [0-9a-f]{64}; .* says 0{64}"),
    Forgery.MISSING_FILE: ("file.missing", "has no file 'infrastructure/none.yml'"),
    Forgery.SYMLINK: (
        "file.kind",
        r"docker-compose\.override\.yml' .* not a regular file \(mode 120000\)",
    ),
    Forgery.LINKED_FOLDER: ("file.missing", "has no file 'linked/"),
    Forgery.SUBMODULE: ("file.kind", r"'module' .* not a regular file \(mode 160000\)"),
}
"""What a good signature promises, and the commit does not keep: found while staging."""
