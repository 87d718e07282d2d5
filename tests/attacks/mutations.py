"""Every rule behind the table of `docs/security.md`, and how it is taken out."""

from __future__ import annotations

from tests.attacks.mutation import Mutation, also, never, nothing, without
from tests.attacks.mutations_outside import OUTSIDE

_A = "attacks/test_arbitrary_software.py::test_what_nobody_entitled_has_signed_is_refused"
_T = "attacks/test_tags.py::test_a_tag_that_is_not_one_of_a_release_is_refused"
_KEYS = "attacks/test_keys.py::test_"
_FEW = f"{_KEYS}one_of_two_keys_is_not_enough_however_often_it_signs"
_ROOT = f"{_KEYS}a_root_that_does_not_follow_is_not_believed"
_BACK = "attacks/test_rollback.py::test_"
_FREEZE = "attacks/test_freeze.py::test_"
_FRESH = f"{_FREEZE}a_freshness_document_that_does_not_follow_is_not_believed"
_FIT = f"{_BACK}a_manifest_fits_its_own_tag_alone"
_MESSAGE = "attacks/test_terminal.py::test_a_message_that_would_fool_its_reader_is_refused"
_SIMULATED = "simulation/test_freshness.py::test_"
_SIM_FRESH = "simulation/test_freshness.py::test_"

_GIT = (
    never("tag: renamed", "domain/tags", "name != ref.name", f"{_T}[renamed]"),
    never("tag: nested", "domain/tags", 'kind == "tag"', f"{_T}[nested]"),
    never(
        *("tag: not a commit", "domain/tags", 'kind != "commit"'),
        *(f"{_T}[signed_blob]", f"{_T}[signed_tree]"),
    ),
    also(
        "tag: four headers",
        (
            ("domain/tags", "if names != _HEADERS:", "if set(names) != set(_HEADERS):"),
            (
                "domain/tags",
                "target, kind, name, tagger = (value for _, value in pairs)",
                "target, kind, name, tagger = (dict(pairs)[one] for one in _HEADERS)",
            ),
        ),
        f"{_T}[second_tag_header]",
    ),
    also(
        "tag: lightweight",
        (
            ("adapters/git/__init__", 'if found.kind != "tag":', nothing('found.kind != "tag"')),
            ("domain/tags", 'for kind in ("commit", "tree", "blob"):', "for kind in ():"),
        ),
        f"{_A}[lightweight]",
    ),
    without(
        *("tag: altered object", "domain/tags", 'if object_id(ref.oid, "tag", raw) == ref.oid:'),
        *("if raw:", "unit/test_tags.py::test_bytes_that_are_not_the_listed_object_are_refused"),
    ),
    without(
        *("tag: signed", "domain/tags", "if not begins:\n"),
        *("if not begins:\n        return len(body)\n    if not begins:\n", f"{_A}[unsigned]"),
    ),
    never("tag: one signature", "domain/tags", "len(begins) != 1", f"{_A}[two_signatures]"),
    never(
        *("tag: the signature ends it", "domain/tags", "kind_of(body[start:]) is None"),
        f"{_A}[trailing_text]",
    ),
    without(
        *("tag: control characters", "domain/tags", "if harmful := _HARMFUL.search(text):"),
        "if (harmful := _HARMFUL.search(text)) and not harmful:",
        *(f"{_MESSAGE}[escapes]", f"{_MESSAGE}[hidden_text]"),
    ),
    without(
        *("tag: grammar of names", "domain/versions", "not _VERSION.fullmatch(text)"),
        *(
            "not _VERSION.match(text)",
            "attacks/test_tags.py::test_names_that_are_no_release_s_are_never_looked_at",
        ),
    ),
)

_QUORUM = (
    without(
        *("keys: role", "domain/quorum", "for one in role.keys if", "for one in root.keys if"),
        *(f"{_A}[other_role]", f"{_FEW}[with the online key]"),
    ),
    without(
        *("keys: distinct", "domain/quorum", "counted.setdefault(signer.key, signer)"),
        'counted[f"{signer.key} {len(counted)}"] = signer',
        *(f"{_FEW}[with herself]", f"{_FEW}[with herself, twice]"),
        f"{_KEYS}one_gpg_key_with_two_hands_is_one",
    ),
    never(
        *("keys: one name each", "domain/root"),
        "len({key.fingerprint for key in keys.values()}) != len(keys)",
        f"{_KEYS}one_person_with_two_names_is_one",
    ),
    without(
        *("keys: threshold", "domain/quorum", "len(counted) < role.threshold", "not counted"),
        *(f"{_FEW}[alone]", f"{_FEW}[with a stranger]"),
        f"{_FEW}[with a word about another release]",
        f"{_KEYS}a_key_that_was_rotated_out_signs_nothing_any_more",
    ),
    never(
        *("keys: valid from", "domain/quorum"),
        "key.valid_from is not None and at < key.valid_from",
        f"{_KEYS}a_key_outside_of_its_time_signs_nothing[too early]",
    ),
    never(
        *("keys: valid until", "domain/quorum"),
        "key.valid_until is not None and at >= key.valid_until",
        f"{_KEYS}a_key_outside_of_its_time_signs_nothing[too late]",
    ),
    never(
        *("keys: revoked here", "domain/quorum", "signer.key in root.revoked"),
        f"{_KEYS}a_key_that_the_operator_revoked_signs_nothing_until_it_is_forgiven",
        f"{_KEYS}a_second_key_that_the_operator_revoked_does_not_count",
    ),
    without(
        *("keys: our own clock, in UTC", "adapters/clock", "datetime.now(UTC)"),
        "datetime.now().replace(tzinfo=UTC)",
        f"{_KEYS}a_machine_in_another_time_zone_judges_as_all_others_do[EAST-14]",
        f"{_KEYS}a_machine_in_another_time_zone_judges_as_all_others_do[WEST12]",
    ),
)


def _rule(name: str, check: str, demand: str, *tests: str) -> Mutation:
    line = f'    Rule("{name}", "{demand}", {check}),\n'
    return without(f"rule: {name}", "domain/rules", line, "", *tests)


_MOVED = "attacks/test_tags.py::test_a_tag_"
_RULES = (
    _rule(
        *("unmoved", "_never_moved", "it is the object under which it was first seen"),
        f"{_MOVED}of_what_runs_that_moves_is_refused_and_its_return_forgiven",
        f"{_MOVED}that_moves_while_its_release_waits_is_not_installed",
    ),
    _rule(
        *("signer", "_signer_is_entitled", "whoever signed the tag may sign releases"),
        f"{_A}[other_role]",
    ),
    also(
        "rule: threshold",
        (
            (
                *("domain/rules", '"as many keys as must have signed it", _enough_have_signed'),
                '"as many keys as must have signed it", _signer_is_entitled',
            ),
            ("domain/trust", "signers=case.signers", "signers=(case.tagger,)"),
        ),
        *(f"{_FEW}[alone]", f"{_FEW}[with herself]"),
    ),
    _rule(
        *("floor", "_not_below_the_floor", "it is not older than what already ran here"),
        f"{_BACK}a_mirror_that_offers_older_releases_alone_brings_none_of_them",
    ),
    _rule(
        *("manifest", "_has_a_manifest", "it carries a manifest"),
        "attacks/test_arbitrary_software.py::test_a_release_without_a_manifest_is_refused",
    ),
    _rule(
        *("version", "_of_this_version", "the manifest speaks of this version"),
        f"{_FIT}[other_version]",
    ),
    _rule(
        *("commit", "_of_this_commit", "the manifest speaks of this commit"),
        f"{_FIT}[other_commit]",
    ),
    _rule(
        *("product", "_of_this_product", "the manifest speaks of this product"),
        f"{_A}[other_product]",
    ),
    _rule(
        *("issued", "_is_issued", "it is issued"),
        f"{_KEYS}years_between_the_clock_and_a_release_let_nothing_in[future_manifest]",
    ),
    _rule(
        *("expires", "_has_not_expired", "it has not expired"),
        f"{_KEYS}years_between_the_clock_and_a_release_let_nothing_in[expired_manifest]",
    ),
    _rule(
        *("counter", "_counter_has_risen", "its counter has risen"),
        f"{_BACK}a_counter_that_has_not_risen_is_refused[the same]",
        f"{_BACK}a_counter_that_has_not_risen_is_refused[a lower one]",
        f"{_BACK}a_counter_raised_beyond_reach_is_forgotten_with_the_key_that_raised_it",
    ),
)

_CHAIN = (
    never(
        *("root: the next version", "domain/chain", "candidate.version != current.version + 1"),
        f"{_ROOT}[that leaves one out]",
    ),
    never(
        *("root: the same product", "domain/chain", "candidate.product != current.product"),
        f"{_ROOT}[of another product]",
    ),
    without(
        *("root: the old quorum", "domain/chain", "for judge in (current, candidate):"),
        *("for judge in (candidate,):", f"{_ROOT}[by the new people alone]"),
    ),
    without(
        *("root: the new quorum", "domain/chain", "for judge in (current, candidate):"),
        *("for judge in (current,):", f"{_ROOT}[by the old people alone]"),
    ),
    never(
        *("documents: issued", "domain/chain", "issued > now + CLOCK_SKEW"),
        *(f"{_ROOT}[from the future]", f"{_FRESH}[from the future]"),
    ),
    without(
        *("root: expiry", "domain/chain", "if now >= root.expires else", "if not root else"),
        f"{_FREEZE}an_expired_root_stops_all_that_is_new",
    ),
    without(
        *("root: eras of counters", "domain/deployment"),
        *("return self.counter if era == self.era else 0", "return self.counter"),
        f"{_BACK}a_counter_raised_beyond_reach_is_forgotten_with_the_key_that_raised_it",
    ),
    without(
        *("freshness: eras", "update/documents", '"kind = ? AND era = ?", _Kind.FRESHNESS, era'),
        "\"kind = ? AND era != ''\", _Kind.FRESHNESS",
        f"{_BACK}freshness_raised_beyond_reach_is_forgotten_with_the_key_that_raised_it",
    ),
    without(
        *("freshness: signed by its role", "domain/chain"),
        "    require_quorum(candidate.subject, testimony, root, root.role(RoleName.FRESHNESS),"
        " now)\n",
        *("", f"{_FRESH}[by a release key]", f"{_FRESH}[by a stranger]", f"{_FRESH}[by nobody]"),
    ),
    never(
        *("freshness: this product", "domain/chain", "candidate.product != root.product"),
        f"{_FRESH}[of another product]",
    ),
    never(
        *("freshness: root withheld", "domain/chain", "candidate.root > root.version"),
        f"{_FRESH}[under a root that is kept back]",
    ),
    never(
        *("freshness: rollback", "domain/chain", "candidate.version < remembered.version"),
        *(
            f"{_FRESH}[older]",
            f"{_SIM_FRESH}a_freshness_document_that_is_not_believed_changes_nothing[older]",
        ),
    ),
    never(
        *("freshness: fork", "domain/chain"),
        "candidate.envelope.sha256 != remembered.envelope.sha256",
        f"{_FRESH}[another of the same version]",
    ),
    never(
        *("freshness: expiry", "domain/chain", "now >= freshness.expires"),
        f"{_FREEZE}a_mirror_that_stands_still_is_noticed_when_freshness_expires",
    ),
    without(
        *("freshness: releases withheld", "update/authority"),
        'return f"the source does not list v',
        'return "" and f"the source does not list v',
        f"{_FREEZE}a_mirror_that_keeps_the_newest_release_back_is_noticed",
    ),
    without(
        *("freshness: printable reasons", "domain/canonical", " and value.isprintable()"),
        "",
        "attacks/test_terminal.py::test_a_reason_that_would_fool_its_reader_is_refused",
    ),
)

_CHOICE = (
    never(
        *("choice: stale", "domain/choose", "here.stale"),
        f"{_FREEZE}a_mirror_that_stands_still_is_noticed_when_freshness_expires",
    ),
    also(
        "choice: newer than what ran here",
        (
            ("domain/choose", "version > here.installed", "version != here.installed"),
            ("domain/choose", "here.floor is None or version >= here.floor", "bool(here)"),
        ),
        f"{_BACK}a_mirror_that_offers_older_releases_alone_brings_none_of_them",
    ),
    without(
        *("choice: not below the floor", "domain/choose"),
        *("here.floor is None or version >= here.floor", "bool(here)"),
        f"{_BACK}a_mirror_that_offers_older_releases_alone_brings_none_of_them",
    ),
    never(
        *("choice: yanked", "domain/choose"),
        "said is not None and release.version in said.yanked",
        f"{_SIM_FRESH}what_is_held_back_waits_and_what_is_yanked_is_never_taken",
    ),
    never(
        *("choice: held", "domain/choose", "said is not None and release.version in said.held"),
        f"{_SIM_FRESH}what_is_held_back_waits_and_what_is_yanked_is_never_taken",
    ),
    never(
        *("choice: rollout", "domain/choose", "turn is not None"),
        f"{_SIM_FRESH}a_rollout_comes_to_every_instance_in_its_turn",
        f"{_SIM_FRESH}nobody_beyond_the_share_takes_it",
    ),
)

MUTATIONS = (*_GIT, *_QUORUM, *_RULES, *_CHAIN, *_CHOICE, *OUTSIDE)
