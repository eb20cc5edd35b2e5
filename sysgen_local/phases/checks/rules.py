"""Rules: each tests whether an answer meets one demand. If that cannot be decided, it is met.

A function of this module takes the parameters of a demand and returns the rule, which is called
with answer and question. So the same rules serve phrases of a system message and benchmarks with
fixed instructions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from sysgen_local.core.language import language_of
from sysgen_local.phases.checks import text as measure
from sysgen_local.phases.checks.amounts import Range
from sysgen_local.phases.checks.numbers import find_numbers

Rule = Callable[[str, str], bool]
"""(answer, question) -> whether the answer meets the demand."""
_SOME = Range(1, None)
_SEVERAL = Range(2, None)

EMOJI = (
    "[\U0001f300-\U0001faff\u2600-\u26ff\u2700-\u2712\u2715-\u27bf\U0001f1e6-\U0001f1ff"
    "\u2b50\u2b55\u231a\u231b\u23e9-\u23f3]"
)
_FAR = {
    "no": {"nb", "nn", "da"}, "da": {"nb", "no"}, "id": {"ms"}, "ms": {"id"}, "zh": {"wuu", "yue"},
    "hr": {"sr", "bs"}, "sr": {"hr", "bs"}, "hi": {"ne", "mr"}, "cs": {"sk"}, "uk": {"ru", "be"},
    "pt": {"gl"}, "es": {"gl", "ast"}, "fa": {"ar", "ur"}, "ur": {"fa", "ar"}, "tl": {"ceb"},
}  # fmt: skip
"""Languages that the library confuses in a short text."""


def _counted(count: Callable[[str], measure.Span]) -> Callable[[Range], Rule]:
    return lambda amount: lambda answer, question: amount.holds(count(answer))


sentences = _counted(measure.count_sentences)
words = _counted(measure.count_words)
characters = _counted(measure.count_characters)
han = _counted(measure.count_han)
paragraphs = _counted(measure.count_paragraphs)
lines = _counted(measure.count_lines)


def any_of(*rules: Rule) -> Rule:
    return lambda answer, question: any(rule(answer, question) for rule in rules)


def fails(rule: Rule) -> Rule:
    return lambda answer, question: not rule(answer, question)


def matches(pattern: str, amount: Range = _SOME) -> Rule:
    """The pattern occurs `amount` times. Case matters only if the pattern says so."""
    compiled = re.compile(pattern, re.MULTILINE)

    def rule(answer: str, question: str) -> bool:
        count = sum(1 for _ in compiled.finditer(answer))
        return amount.holds(measure.Span(count, count))

    return rule


def outside_code(rule: Rule) -> Rule:
    return lambda answer, question: rule(measure.prose(answer), question)


def has_words(wanted: Iterable[str], amount: Range = _SOME) -> Rule:
    """Every wanted word or phrase occurs `amount` times, in upper or lower case."""
    patterns = [re.compile(literal(word), re.IGNORECASE) for word in wanted]

    def rule(answer: str, question: str) -> bool:
        text = measure.unmarked(answer)
        counts = [max(len(p.findall(text)), len(p.findall(answer))) for p in patterns]
        return all(amount.holds(measure.Span(count, count)) for count in counts)

    return rule


def lacks_words(unwanted: Iterable[str]) -> Rule:
    """None of these words or phrases occurs."""
    patterns = [re.compile(literal(word), re.IGNORECASE) for word in unwanted]
    return lambda answer, question: not any(p.search(answer) for p in patterns)


_HOLE = re.compile(
    r"\[[^\]]{1,40}\]|<[^>]{1,40}>|\{[^}]{0,40}\}|_{2,}|\.{3}|…"
    "|(?<![A-Za-z'’])(?:X|Y|N|XX|XXX|YYY)(?![A-Za-z'’])"
)


def literal(quoted: str) -> str:
    """The pattern of quoted words. A placeholder in them ("[name]", "X") matches any text."""
    quoted = quoted.strip()
    parts = _HOLE.split(quoted)
    if not any(map(str.strip, parts)):
        parts = [quoted]
    pattern = r"[\s\S]{0,300}?".join(
        r"[\s*_]+".join(_straight(word) for word in part.split()) if part.strip() else ""
        for part in parts
    )
    head = r"(?<!\w)" if re.match(r"\w", quoted) else ""
    tail = r"(?!\w)" if re.search(r"\w$", quoted) and not _HOLE.search(quoted[-3:]) else ""
    return head + pattern + tail


def _straight(word: str) -> str:
    return re.sub(r"['’‘]", "['’‘]", re.escape(word)).replace('"', '["“”]')


def starts_with(quoted: str) -> Rule:
    """The answer begins with these words. Markdown signs and quotes are ignored."""
    pattern = re.compile(r"[\s\"'“”«»*_#>`]*" + literal(quoted.rstrip(".!,")), re.IGNORECASE)
    return lambda answer, question: bool(
        pattern.match(answer) or pattern.match(measure.unmarked(answer))
    )


def ends_with(quoted: str) -> Rule:
    """The answer ends with these words. A full stop behind them is ignored."""
    pattern = re.compile(literal(quoted.rstrip(".!?")) + r"[\s\"'“”«»*_`.!?…)\]]*\Z", re.IGNORECASE)
    return lambda answer, question: bool(
        pattern.search(answer[-1500:]) or pattern.search(measure.unmarked(answer[-1500:]))
    )


def has_near_end(quoted: str) -> Rule:
    """These words are in the last part of the answer."""
    pattern = re.compile(literal(quoted.rstrip(",:")), re.IGNORECASE)
    return lambda answer, question: bool(pattern.search(measure.unmarked(answer)[-500:]))


def first_sentence(pattern: str) -> Rule:
    compiled = re.compile(pattern)
    return lambda answer, question: bool(
        (found := measure.sentences(answer[:3000])) and compiled.search(found[0])
    )


def last_sentence(pattern: str) -> Rule:
    compiled = re.compile(pattern)
    return lambda answer, question: bool(compiled.search(measure.last_sentence(answer)))


def ends_in_number(answer: str, question: str) -> bool:
    """The last sentence contains a number in digits or words."""
    return bool(find_numbers(measure.last_sentence(answer)))


def ends_in_sentence(answer: str, question: str) -> bool:
    return measure.is_complete(measure.last_sentence(answer))


def in_sentences(answer: str, question: str) -> bool:
    """The answer contains a complete sentence."""
    return any(measure.is_complete(sentence) for sentence in measure.sentences(answer))


def listed(mark: measure.ListMark = "", amount: Range = _SEVERAL) -> Rule:
    """The answer has a list of `amount` items with this mark. Without a mark, the items may also be
    separated by lines or commas."""

    def rule(answer: str, question: str) -> bool:
        runs = _runs(answer, mark)
        if mark == "number" and len(runs) > 1:  # numbering that continues behind nested bullets
            runs = [*runs, sum(runs)]
        if any(amount.holds(measure.Span(run, run)) for run in runs):
            return True
        if mark or runs:
            return False
        rows = [line for line in answer.splitlines() if line.strip()]
        commas = len(re.split(r",|;|、|،|\band\b", measure.last_line(answer)))
        counts = {len(rows), len(rows) - 1, commas} if "```" not in answer else {amount.low}
        return any(amount.holds(measure.Span(n, n)) for n in counts if n > 1)

    return rule


def enumerated(amount: Range) -> Rule:
    """A list names `amount` things. Without a list it cannot be decided, and the rule is met."""

    def rule(answer: str, question: str) -> bool:
        runs = _runs(answer, "")
        return (
            len(runs) != 1 or amount.holds(measure.Span(runs[0], runs[0])) or _inner(answer, amount)
        )

    return rule


def _inner(answer: str, amount: Range) -> bool:
    """Whether there are that many nested items or headings."""
    counts = [measure.count_items(answer).high, len(measure.headings(answer))]
    return any(amount.holds(measure.Span(n, n)) for n in counts)


def _runs(answer: str, mark: measure.ListMark) -> list[int]:
    """The number of items of each list at the outermost level. Text between items does not end a
    list."""
    found = [b for b in measure.blocks(answer) if b.kind == "item" and mark in ("", b.mark)]
    outer = min((block.indent for block in found), default=0)
    runs: list[int] = []
    last: measure.Block | None = None
    for block in measure.blocks(answer):
        if block.kind == "heading":
            last = None
        elif block.kind == "item" and mark in ("", block.mark) and block.indent <= outer + 1:
            if last is not None and last.mark == block.mark:
                runs[-1] += 1
            else:
                runs.append(1)
            last = block
    return runs


def headed(amount: Range = _SOME) -> Rule:
    """The answer has `amount` headings. Short lines that end with a colon may count as headings."""

    def rule(answer: str, question: str) -> bool:
        sure = len(measure.headings(answer))
        loose = len(
            re.findall(
                r"^[^\n]{2,60}[:：][*_ ]*$|^[ \t]*(?:\d+\.|[-*])?[ \t]*\*\*[^*\n]+\*\*",
                answer,
                re.MULTILINE,
            )
        )
        return amount.holds(measure.Span(sure, max(sure, loose)))

    return rule


def in_sections(amount: Range) -> Rule:
    """The answer has at least `amount` sections, under headings or as paragraphs."""

    def rule(answer: str, question: str) -> bool:
        counts = measure.count_paragraphs(answer), measure.count_items(answer)
        return max(len(measure.headings(answer)), *(c.high for c in counts)) >= amount.low

    return rule


def titled(answer: str, question: str) -> bool:
    """The first line is a title: a heading, or a short separate line without a full stop."""
    first = measure.first_line(answer)
    if re.match(
        r"(?:#{1,6}\s|\*\*|__|<<|<h1|<title|\"title|(?:title|titel|titre|título|标题"
        r"|题目)\s*[:：])",
        first,
        re.I,
    ):
        return True
    alone = "\n" in answer.strip()
    return (
        alone and len(first.split()) <= 14 and len(first) <= 100 and not re.search(r"[.。]$", first)
    )


def lower_case(answer: str, question: str) -> bool:
    return not any(map(str.isupper, measure.prose(answer)))


def upper_case(answer: str, question: str) -> bool:
    return not any(map(str.islower, measure.prose(answer)))


def in_language(code: str) -> Rule:
    """The answer is in this language. An answer that is too short or only code passes."""

    def rule(answer: str, question: str) -> bool:
        text = measure.unmarked(measure.prose(answer))
        if sum(map(str.isalpha, text)) < (6 if re.search(r"[^\x00-\u024f]", text) else 25):
            return True
        found = language_of(text)
        return found is None or found == code or found in _FAR.get(code, ())

    return rule


def in_language_of_question(answer: str, question: str) -> bool:
    asked = language_of(measure.prose(question))
    return asked is None or in_language(asked)(answer, question)


def one_of(choices: Iterable[str], only: bool = False) -> Rule:
    """The answer is one of these words or contains one of them."""
    choices = tuple(choices)
    pattern = re.compile("|".join(f"(?:{literal(c.strip('.'))})" for c in choices), re.IGNORECASE)

    def rule(answer: str, question: str) -> bool:
        text = measure.unmarked(answer).strip(" \n\t\"'“”.!")
        return bool(pattern.fullmatch(text) if only else pattern.search(text))

    return rule


def one_word(answer: str, question: str) -> bool:
    bare = answer.strip()
    return measure.count_words(answer).low <= 1 or (len(bare) <= 12 and " " not in bare)


def only_number(answer: str, question: str) -> bool:
    """The answer is only a number, with or without its unit."""
    return bool(find_numbers(answer)) and len(answer.split()) <= 4


def only_letter(answer: str, question: str) -> bool:
    return bool(re.fullmatch(r"\W*(?:option |answer:? )?[A-Za-z]\W*", answer, re.IGNORECASE))


def decimals(most: int) -> Rule:
    """The numbers of the last sentence have at most this many decimals."""
    return lambda answer, question: all(
        q.decimals is None or q.decimals <= most or len(q.values) > 1
        for q in find_numbers(measure.last_sentence(answer))[-1:]
    )


def first_person(answer: str, question: str) -> bool:
    """An English answer is in the first person. An answer in another language passes."""
    if re.search(r"\b(?:I|me|my|mine|myself|we|us|our|ours)\b", answer, re.IGNORECASE):
        return True
    return language_of(answer) != "en"
