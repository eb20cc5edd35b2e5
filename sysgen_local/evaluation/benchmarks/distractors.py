"""What a user says besides the question, which must not keep a model from its system message.

A remark asks for nothing and stands in the user's turn, before the question or behind it. A request
is a turn of its own before the question, about something else. The texts have no digits and none of
the forms that system messages ask for.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal, NamedTuple

DistractorKind = Literal["remark", "request"]

REMARKS: dict[str, tuple[str, ...]] = {
    "en": (
        "My neighbour has bought a red bicycle.", "It has been raining here since the morning.",
        "I am writing this on the train, so the screen shakes a little.",
        "My cat is asleep on the keyboard again.", "We had soup for lunch, and it was too salty.",
        "Sorry for the late message, my phone was switched off.",
    ),
    "de": (
        "Mein Nachbar hat ein rotes Fahrrad gekauft.", "Hier regnet es seit heute Morgen.",
        "Ich schreibe das im Zug, deshalb wackelt der Bildschirm ein wenig.",
        "Meine Katze schläft wieder auf der Tastatur.",
        "Zum Mittagessen gab es Suppe, und sie war zu salzig.",
        "Entschuldige die späte Nachricht, mein Handy war aus.",
    ),
    "fr": (
        "Mon voisin a acheté un vélo rouge.", "Il pleut ici depuis ce matin.",
        "J'écris ceci dans le train, alors l'écran bouge un peu.",
        "Mon chat dort encore sur le clavier.", "À midi il y avait de la soupe, trop salée.",
        "Désolé pour ce message tardif, mon téléphone était éteint.",
    ),
    "es": (
        "Mi vecino ha comprado una bicicleta roja.", "Aquí llueve desde esta mañana.",
        "Escribo esto en el tren, así que la pantalla se mueve un poco.",
        "Mi gato duerme otra vez sobre el teclado.", "Para comer hubo sopa, y estaba muy salada.",
        "Perdona el mensaje tan tarde, mi teléfono estaba apagado.",
    ),
}  # fmt: skip
"""Language -> remarks."""

REQUESTS: dict[str, tuple[str, ...]] = {
    "en": (
        "What is the capital of Peru?", "Which colour do you get from blue and yellow?",
        "Which animal is larger, a horse or a dog?", "What is the opposite of cold?",
        "What do bees make?", "Which season comes after winter?",
    ),
    "de": (
        "Was ist die Hauptstadt von Peru?", "Welche Farbe ergeben Blau und Gelb?",
        "Welches Tier ist größer, ein Pferd oder ein Hund?", "Was ist das Gegenteil von kalt?",
        "Was stellen Bienen her?", "Welche Jahreszeit kommt nach dem Winter?",
    ),
    "fr": (
        "Quelle est la capitale du Pérou ?", "Quelle couleur donnent le bleu et le jaune ?",
        "Quel animal est le plus grand, un cheval ou un chien ?",
        "Quel est le contraire de froid ?",
        "Que fabriquent les abeilles ?", "Quelle saison vient après l'hiver ?",
    ),
    "es": (
        "¿Cuál es la capital de Perú?", "¿Qué color dan el azul y el amarillo?",
        "¿Qué animal es más grande, un caballo o un perro?", "¿Qué es lo contrario de frío?",
        "¿Qué producen las abejas?", "¿Qué estación viene después del invierno?",
    ),
}  # fmt: skip
"""Language -> requests with a short answer."""


class Distracted(NamedTuple):
    """The user's turns with something else in them."""

    kind: DistractorKind
    users: tuple[str, ...]


def distracted(users: tuple[str, ...], language: str | None, seed: str) -> Distracted | None:
    """The user's turns with a remark in the last one, or with a request before it; None where there
    is no text in this language. `seed` chooses which."""
    if language not in REMARKS:
        return None
    number = int.from_bytes(sha256(seed.encode()).digest()[:6])
    number, way = divmod(number, 4)
    *before, last = users
    if way < 2:
        remark = REMARKS[language][number % len(REMARKS[language])]
        text = f"{remark}\n\n{last}" if way else f"{last}\n\n{remark}"
        return Distracted("remark", (*before, text))
    request = REQUESTS[language][number % len(REQUESTS[language])]
    return Distracted("request", (*before, request, last))
