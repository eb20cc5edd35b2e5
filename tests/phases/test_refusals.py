"""An answer that refuses its request is found, and no other."""

from __future__ import annotations

import pytest

from sysgen_local.phases.answer_checks import AnswerChecks
from sysgen_local.phases.checks.refusals import is_refusal
from sysgen_local.sources import find, read

REFUSALS = [
    "Sorry, but I can't assist with that.",
    "I'm sorry, but I can’t help with this request.",
    "I’m sorry, I cannot fulfill that request as it goes against my guidelines.",
    "I apologize, but I am not able to provide that information.",
    "Unfortunately, I'm unable to directly access your account.",
    "I'm sorry, but as an AI language model, I cannot provide a partial response.",
    "As an AI, I don't have the ability to order food.",
    "I cannot assist with that.",
    "I can't provide legal advice.",
    "Es tut mir leid, aber ich kann dabei nicht helfen.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "Je suis désolé, mais je ne peux pas répondre à cette question.",
    "Desculpe, mas não posso ajudar com isso.",
    "Mi dispiace, ma non posso aiutarti.",
    "很抱歉，我无法回答这个问题。",
    "对不起，我不能帮助您。",
    "申し訳ありませんが、お手伝いできません。",
    "죄송합니다만, 도와드릴 수 없습니다.",
    "Извините, но я не могу помочь с этим.",
]
ANSWERS = [
    "I'm sorry, but I can't make it to your party on Saturday.",
    "Dear Ann,\nI am sorry that I cannot come.",
    "I'm sorry to hear that you cannot sleep. Here are some tips.",
    "Unfortunately, the shop cannot provide a refund after thirty days.",
    "I can't believe it! We won.",
    "You can't help with that if you are away.",
    "A model cannot answer what it does not know. " * 9 + "I'm sorry, but I can't assist.",
    "Sorry seems to be the hardest word. It is a song by Elton John.",
    "Es tut mir leid, dass Sie warten mussten. Ihr Paket ist da.",
    "Lo siento mucho. Su pedido llega mañana.",
    "抱歉让您久等了，您的订单已发货。",
    "",
]


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_refusal_is_found(answer):
    assert is_refusal(answer)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_none(answer):
    assert not is_refusal(answer)


@pytest.mark.parametrize("answer", REFUSALS)
def test_it_disagrees_with_an_original_that_answers_and_with_no_other(answer):
    checks = AnswerChecks(1, "Rewrite the last message.", "+ Why is that?", ())
    [found] = [check for check in checks.by_rule(answer) if check.kind == "agrees"]
    assert (found.by, found.p, found.detail) == ("rule", 0.0, "it refuses")
    original = "I'm sorry, but I can't assist with booking flights."
    checks = AnswerChecks(1, "Book a flight.", original, ())
    assert "it refuses" not in [check.detail for check in checks.by_rule(answer)]


def test_original_answers_of_public_rows_are_refusals_only_where_they_say_so(shared_data):
    found, count = [], 0
    for path in sorted((shared_data / "sft").glob("*")):
        for source in find([str(path)]):
            for record in read(source):
                for turn in getattr(record, "turns", ()):
                    if turn.role == "assistant":
                        count += 1
                        found += [turn.content] if is_refusal(turn.content) else []
    assert count > 3000
    said = ("sorry", "As an AI", "apologize")
    assert all(any(word in text[:60] for word in said) for text in found)
    assert 30 <= len(found) <= 60
