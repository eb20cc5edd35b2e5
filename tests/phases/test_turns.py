"""What a later turn alone is about is no part of a system message."""

from __future__ import annotations

import pytest

from sysgen_local.core.records import Conversation, Phrase, Turn
from sysgen_local.phases.filter import clean

SCRIPT = "Write a Python script that sends the email to customers without a purchase."
LEARNING = "What is the difference between supervised and unsupervised learning?"
CHAT = (
    Turn("user", SCRIPT), Turn("assistant", "import smtplib\n..."),
    Turn("user", LEARNING), Turn("assistant", "Supervised learning has labels, the other none."),
)  # fmt: skip
TRIP = (
    Turn("user", "We have two days in Lisbon with a toddler. Any ideas?"),
    Turn("assistant", "The tram museum on day one, the aquarium on day two."),
    Turn("user", "And if it rains?"), Turn("assistant", "Take the puppet museum."),
)  # fmt: skip
ROME = (Turn("user", "Why did the Roman empire fall?"), Turn("assistant", "For many reasons."))
MANY = (*TRIP, Turn("user", "What is AR?"), Turn("assistant", "Pictures laid over what one sees."))


@pytest.mark.parametrize(
    ("turns", "phrase", "goes"),
    [
        (CHAT, ("role", "You are an expert in supervised learning."), True),
        (CHAT, ("background", "The user is curious about unsupervised learning."), True),
        (CHAT, ("content", "Explain what labels are for."), True),
        (CHAT, ("role", "You are a Python developer."), False),
        (CHAT, ("role", "You are a patient teacher."), False),  # no word of either turn
        (CHAT, ("style", "Speak of supervised learning with warmth."), False),
        (CHAT, ("task", "Help with Python and with learning."), False),
        (TRIP, ("background", "The family brings a toddler."), False),  # known from the start on
        (TRIP, ("content", "Name museums for rainy days."), False),
        (MANY, ("content", "Describe AR in detail."), True),
        (
            TRIP,
            ("task", "Put short stays together when plans change for museums of puppets."),
            False,
        ),
        (
            (*TRIP, *ROME),
            ("background", "The family asks about the Roman empire and a toddler."),
            True,
        ),
        (
            (*ROME, *TRIP),
            ("background", "The family asks about the Roman empire and a toddler."),
            False,
        ),
        (TRIP[:2], ("content", "Name museums and days."), False),
    ],
)
def test_a_phrase_about_a_later_turn_alone_goes(
    turns: tuple[Turn, ...], phrase: tuple[str, str], goes: bool
) -> None:
    result = clean(Conversation(turns, 1), [Phrase(*phrase)])
    assert [of.reason for of in result.removed] == (["later_turn"] if goes else [])
