"""The dashboard's words, in the languages of Belgium and in English."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Language(StrEnum):
    """The languages, as browsers name them."""

    FR = "fr"
    NL = "nl"
    DE = "de"
    EN = "en"

    @property
    def own_name(self) -> str:
        """As those call it who speak it."""
        return _OWN_NAMES[self]


_F, _N, _D, _E = Language.FR, Language.NL, Language.DE, Language.EN
_OWN_NAMES = {_F: "Français", _N: "Nederlands", _D: "Deutsch", _E: "English"}

_WORDS: Mapping[str, tuple[str, str, str, str]] = {
    "agent": ("Agent", "Agent", "Agent", "Agent"),
    "all": ("Toutes", "Alle", "Alle", "All"),
    "as_of": ("État à", "Toestand om", "Stand um", "As of"),
    "fleet": ("Flotte", "Vloot", "Flotte", "Fleet"),
    "instances": ("Instances", "Instanties", "Instanzen", "Instances"),
    "language": ("Langue", "Taal", "Sprache", "Language"),
    "log_in": ("Se connecter", "Aanmelden", "Anmelden", "Log in"),
    "log_out": ("Se déconnecter", "Afmelden", "Abmelden", "Log out"),
    "name": ("Nom", "Naam", "Name", "Name"),
    "newest": (
        "sur la version la plus récente",
        "op de nieuwste versie",
        "auf der neuesten Version",
        "on the newest version",
    ),
    "nobody": (
        "Aucune instance n'a encore rapporté.",
        "Nog geen enkele instantie heeft zich gemeld.",
        "Noch keine Instanz hat sich gemeldet.",
        "No instance has reported yet.",
    ),
    "of_reporting": (
        "des {count} instances qui rapportent",
        "van de {count} instanties die zich melden",
        "der {count} Instanzen, die sich melden",
        "of the {count} instances that report",
    ),
    "password": ("Mot de passe", "Wachtwoord", "Passwort", "Password"),
    "presence": (
        "Qui rapporte, et qui non",
        "Wie zich meldt, en wie niet",
        "Wer sich meldet, und wer nicht",
        "Who reports, and who does not",
    ),
    "skip": ("Aller au contenu", "Naar de inhoud", "Zum Inhalt", "Skip to content"),
    "state": ("État", "Toestand", "Zustand", "State"),
    "states": ("États", "Toestanden", "Zustände", "States"),
    "too_often": (
        "Trop d'essais. Réessayez dans une minute.",
        "Te veel pogingen. Probeer het over een minuut opnieuw.",
        "Zu viele Versuche. Versuchen Sie es in einer Minute wieder.",
        "Too many tries. Try again in a minute.",
    ),
    "unknown": ("inconnue", "onbekend", "unbekannt", "unknown"),
    "unverified": ("non vérifiées", "niet geverifieerd", "nicht verifiziert", "unverified"),
    "verified": ("vérifiées", "geverifieerd", "verifiziert", "verified"),
    "version": ("Version", "Versie", "Version", "Version"),
    "versions_now": (
        "Versions en ce moment",
        "Versies op dit moment",
        "Versionen jetzt",
        "Versions now",
    ),
    "wrong": (
        "Ce nom et ce mot de passe ne vont pas ensemble.",
        "Deze naam en dit wachtwoord horen niet bij elkaar.",
        "Dieser Name und dieses Passwort gehören nicht zusammen.",
        "This name and this password do not belong together.",
    ),
    # states, as instances report them, and of those that do not
    "current": ("à jour", "bijgewerkt", "aktuell", "up to date"),
    "updating": ("en mise à jour", "wordt bijgewerkt", "wird aktualisiert", "updating"),
    "rolled_back": ("revenue en arrière", "teruggezet", "zurückgesetzt", "rolled back"),
    "held": ("HELD : il faut quelqu'un", "HELD: iemand nodig", "HELD: braucht jemanden", "HELD"),
    "stale": ("STALE : peut-être dépassée", "STALE: misschien verouderd", "STALE", "STALE"),
    "paused": ("suspendue", "gepauzeerd", "angehalten", "on hold"),
    "empty": ("vide", "leeg", "leer", "empty"),
    "reporting": ("rapportent", "melden zich", "melden sich", "report"),
    "late": ("en retard", "te laat", "verspätet", "late"),
    "silent": ("muettes", "stil", "stumm", "silent"),
}


def words(language: Language) -> dict[str, str]:
    """Every word in a language."""
    place = tuple(Language).index(language)
    return {key: each[place] for key, each in _WORDS.items()}


def preferred(header: str) -> Language:
    """The best language for an `Accept-Language`; French where none of ours is asked for."""
    asked = []
    for number, part in enumerate(header.split(",")[:20]):
        name, _, weight = part.strip().partition(";q=")
        known = name.strip()[:2].lower()
        if known in set(Language):
            asked.append((-_weight(weight), number, Language(known)))
    return min(asked)[2] if asked else Language.FR


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0
