"""Rules about an answer as a whole: its language, its case, how it begins and ends."""

from __future__ import annotations

from sysgen_local.core.language import language_of


def detected(answer: str) -> str | None:
    """The language of an answer; None where it cannot be told.

    The reference uses langdetect, which is random unless it is seeded, and takes many short texts
    for another language. `core.language` is used here, so verdicts differ where langdetect errs.
    Text in capital letters is read as if it were not.
    """
    return language_of(answer.lower() if answer.isupper() else answer)


def response_language(answer: str, *, language: str) -> bool:
    """The answer is in this language. An answer whose language cannot be told is.

    Known fault: one language is told for the whole text, so a sentence in another one passes. See
    `detected` for how the language is told.
    """
    return detected(answer) in (language.split("-")[0], None)


def english_capital(answer: str) -> bool:
    """In English, without a lower-case letter.

    Known fault: the language is told from text in capital letters, for which langdetect was not
    made. See `detected`.
    """
    return answer.isupper() and detected(answer) in ("en", None)


def english_lowercase(answer: str) -> bool:
    """In English, without a capital letter.

    Known fault: as in `english_capital`, the language of a short text is a guess.
    """
    return answer.islower() and detected(answer) in ("en", None)


def two_responses(answer: str) -> bool:
    """Two different answers, separated by six asterisks.

    Known fault: answers that differ in one character are different.
    """
    parts = [part.strip() for part in answer.split("******")]
    said = [part for part in parts if part]
    return all(parts[1:-1]) and len(said) == 2 and said[0] != said[1]


def repeat_prompt(answer: str, *, prompt_to_repeat: str) -> bool:
    """The answer begins with the request, in upper or lower case.

    Known fault: whether anything follows is not tested.
    """
    return answer.strip().lower().startswith(prompt_to_repeat.strip().lower())


def end_checker(answer: str, *, end_phrase: str) -> bool:
    """The answer ends with these words, in upper or lower case, with or without quotation marks
    behind them.

    Known fault: the phrase may be the end of a longer word.
    """
    return answer.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def quotation(answer: str) -> bool:
    """The answer is in double quotation marks.

    Known fault: only straight marks count, and the first and the last may belong to two quotations.
    """
    text = answer.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'
