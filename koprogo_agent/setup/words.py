"""What the first configuration asks, in the operator's language."""

from __future__ import annotations

from enum import StrEnum


class Language(StrEnum):
    """The languages of Belgium, and English."""

    EN = "en"
    FR = "fr"
    NL = "nl"
    DE = "de"


class Question(StrEnum):
    """What is asked, or said before it is asked."""

    STACK = "stack"
    YES_OR_NO = "yes or no"
    WHICH = "which"
    NO_STACK = "no stack"
    NOTHING_RESTARTS = "nothing restarts"
    IMAGE_TAG = "image tag"
    PROBE = "probe"
    NO_PROBE = "no probe"
    TRUST = "trust"
    SHA256 = "sha256"
    NOTIFY = "notify"
    NO_ADDRESS = "no address"
    REPORTS = "reports"
    YES_NO_OR_SHOW = "yes, no or show"
    REPORT = "report"


_E, _F, _N, _D = Language.EN, Language.FR, Language.NL, Language.DE

_WORDS: dict[Question, dict[Language, str]] = {
    Question.STACK: {
        _E: "Keep the stack {name} in {folder} current?",
        _F: "Tenir à jour la pile {name} dans {folder} ?",
        _N: "De stack {name} in {folder} bijhouden?",
        _D: "Den Stack {name} in {folder} aktuell halten?",
    },
    Question.YES_OR_NO: {_E: "[Y/n]", _F: "[O/n]", _N: "[J/n]", _D: "[J/n]"},
    Question.WHICH: {
        _E: "Several stacks run here. Which one is to be kept current?",
        _F: "Plusieurs piles tournent ici. Laquelle faut-il tenir à jour ?",
        _N: "Hier draaien meerdere stacks. Welke moet worden bijgehouden?",
        _D: "Hier laufen mehrere Stacks. Welcher soll aktuell gehalten werden?",
    },
    Question.NO_STACK: {
        _E: "No stack runs here yet: the agent will install KoproGo in {folder}.",
        _F: "Aucune pile ne tourne encore ici : l'agent installera KoproGo dans {folder}.",
        _N: "Hier draait nog geen stack: de agent installeert KoproGo in {folder}.",
        _D: "Hier läuft noch kein Stack: Der Agent installiert KoproGo in {folder}.",
    },
    Question.IMAGE_TAG: {
        _E: "The registry has the images under {found}, so the configuration says: {pattern}",
        _F: "Le registre a les images sous {found} ; la configuration contient donc : {pattern}",
        _N: "Het register heeft de images onder {found}; in de configuratie staat dus: {pattern}",
        _D: "Die Registry hat die Images unter {found}; die Konfiguration enthält daher: {pattern}",
    },
    Question.PROBE: {
        _E: "Users count as in when {url} answers for {host}, so the configuration says that.",
        _F: "Les utilisateurs sont considérés comme servis quand {url} répond pour {host} ; la"
        " configuration le dit donc.",
        _N: "Gebruikers kunnen binnen wanneer {url} antwoordt voor {host}; dat staat dus in de"
        " configuratie.",
        _D: "Benutzer kommen herein, wenn {url} für {host} antwortet; so steht es daher in der"
        " Konfiguration.",
    },
    Question.NO_PROBE: {
        _E: "The ingress did not answer as users ask, so nothing asks it: add url and host to a"
        " [[probe]].",
        _F: "Le point d'entrée n'a pas répondu comme aux utilisateurs ; rien ne l'interroge :"
        " ajoutez url et host à un [[probe]].",
        _N: "De ingress antwoordde niet zoals gebruikers vragen, dus niets bevraagt hem: voeg url"
        " en host toe aan een [[probe]].",
        _D: "Der Ingress hat nicht so geantwortet, wie Benutzer fragen; daher fragt ihn nichts:"
        " Ergänzen Sie url und host in einem [[probe]].",
    },
    Question.NOTHING_RESTARTS: {
        _E: "It is adopted as it runs; nothing is restarted.",
        _F: "Elle est reprise telle quelle ; rien n'est redémarré.",
        _N: "Hij wordt overgenomen zoals hij draait; niets wordt herstart.",
        _D: "Er wird übernommen, wie er läuft; nichts wird neu gestartet.",
    },
    Question.TRUST: {
        _E: "These people decide what runs here. Compare the SHA-256 with the one that the"
        " association publishes.",
        _F: "Ces personnes décident de ce qui tourne ici. Comparez le SHA-256 avec celui que"
        " l'association publie.",
        _N: "Deze mensen bepalen wat hier draait. Vergelijk de SHA-256 met die van de vereniging.",
        _D: "Diese Personen bestimmen, was hier läuft. Vergleichen Sie den SHA-256 mit dem, den"
        " der Verein veröffentlicht.",
    },
    Question.SHA256: {
        _E: "The SHA-256 that is published",
        _F: "Le SHA-256 publié",
        _N: "De gepubliceerde SHA-256",
        _D: "Der veröffentlichte SHA-256",
    },
    Question.NOTIFY: {
        _E: "Whom to tell when something happens: an Apprise address such as mailto://… or"
        " ntfy://…, or nothing",
        _F: "Qui prévenir quand il se passe quelque chose : une adresse Apprise comme mailto://…"
        " ou ntfy://…, ou rien",
        _N: "Wie moet het weten als er iets gebeurt: een Apprise-adres zoals mailto://… of"
        " ntfy://…, of niets",
        _D: "Wem etwas mitgeteilt wird: eine Apprise-Adresse wie mailto://… oder ntfy://…,"
        " oder nichts",
    },
    Question.NO_ADDRESS: {
        _E: "{given} is no such address: there is :// in each of them. Enter alone: nobody.",
        _F: "{given} n'est pas une telle adresse : chacune contient ://. Entrée seule : personne.",
        _N: "{given} is niet zo'n adres: in elk ervan staat ://. Enkel Enter: niemand.",
        _D: "{given} ist keine solche Adresse: In jeder steht ://. Nur Enter: niemand.",
    },
    Question.REPORTS: {
        _E: "May the association know how this instance stands: versions, state, how updates went?"
        " No name, address or content.",
        _F: "L'association peut-elle savoir où en est cette instance : versions, état, déroulement"
        " des mises à jour ? Ni nom, ni adresse, ni contenu.",
        _N: "Mag de vereniging weten hoe het met deze instantie staat: versies, toestand, verloop"
        " van updates? Geen naam, adres of inhoud.",
        _D: "Darf der Verein wissen, wie es um diese Instanz steht: Versionen, Zustand, Verlauf der"
        " Aktualisierungen? Kein Name, keine Adresse, kein Inhalt.",
    },
    Question.YES_NO_OR_SHOW: {
        _E: "y: yes, n: no, ?: show all of it",
        _F: "o : oui, n : non, ? : tout montrer",
        _N: "j: ja, n: nee, ?: alles tonen",
        _D: "j: ja, n: nein, ?: alles zeigen",
    },
    Question.REPORT: {
        _E: "Such a report, with every member that there is; yours, at any time:",
        _F: "Un tel rapport, avec tous ses membres ; le vôtre, à tout moment :",
        _N: "Zo'n rapport, met al wat erin kan staan; het uwe, op elk moment:",
        _D: "Ein solcher Bericht, mit allem, was darin stehen kann; Ihrer, jederzeit:",
    },
}


def say(question: Question, language: Language, **values: str) -> str:
    """The words for it."""
    return _WORDS[question][language].format(**values)
