"""Counts parts of an answer: sentences, words, paragraphs, list items, headings.

Many texts can be counted in two ways ("state-of-the-art" is one word or four). So a count is a
`Span` of the smallest and the largest count, and a demand is met if one of them meets it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from sentencex import segment  # type: ignore[attr-defined]

from sysgen_local.core.language import language_of

BlockKind = Literal["text", "item", "heading", "table", "code", "rule"]
ListMark = Literal["bullet", "number", ""]


class Span(NamedTuple):
    """A count: the smallest and the largest number that a reader may count."""

    low: int
    high: int


class Block(NamedTuple):
    """A part of an answer, found by its lines. `info` is the text behind an opening code fence."""

    kind: BlockKind
    text: str
    mark: ListMark = ""
    indent: int = 0
    info: str = ""
    closed: bool = True


_FENCE = re.compile(r"^([ \t>]*)(`{3,}|~{3,})[ \t]*([^`\n]*)$")
_TABLE = re.compile(r"^\s*\|.*\|.*$|^\s*:?-{3,}:?(\s*\|\s*:?-{3,}:?)+\s*$")
_RULE = re.compile(r"^\s*(?:(?:-[ \t]?){3,}|(?:\*[ \t]?){3,}|(?:_[ \t]?){3,})\s*$")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s*[^\s#].*$")
_BOLD_LINE = re.compile(r"^\s*(?:\*\*[^*]+\*\*|__[^_]+__):?\s*$")
_BULLET = re.compile(r"^(\s*)(?:[-+*•‣◦▪■●○·–]|・)\s+(?=\S)|^(\s*)[•●▪・](?=\S)")
_NUMBER = re.compile(
    r"^(\s*)(?:\*\*|__)?(?:[(（]?\d{1,3}(?:[.)](?=\s|\*\*)|[)）、．](?=\S| ))|[①-⑳]"
    r"|[ivxIVX]{1,5}[.)]\s|[(（][a-zA-Z一-十][)）]|[a-zA-Z][.)]\s|[一二三四五六七八九十]{1,3}[、．.])\s*(?=\S)"
)
_STEP = re.compile(
    r"^(\s*)(?:[*_#]+\s*)?(?:(?:step|schritt|étape|etape|paso|passo|шаг|चरण|الخطوة|단계|步骤|步驟"
    r"|ステップ|手順)\s*(?:\d{1,3}|one|two|three|four|five|six|[一二三四五六七八九十]{1,3})"
    r"|第\s?[\d一二三四五六七八九十]{1,3}步)\b",
    re.IGNORECASE,
)
_STOP = re.compile(r"[.!?…。．！？।॥۔؟։።][\"'”’»)\]）」』*_`$\s]*$")
_MARKUP = re.compile(r"\*\*|__|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|`|</?[a-zA-Z][^<>\n]{0,80}>")
_INNER_STOP = re.compile(
    r"[.!?…][\"'”’»)\]]*\s+[\"'“‘«(\[]*(?=[^\W\d_a-z])|[。！？।۔؟][\"”’」』]*(?=\S)"
)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_WORD = re.compile(r"\w+")
_CHUNK = re.compile(r".{1,5000}(?:(?<=[.!?。！？] )|(?<=[。！？])|$)|.{1,5000}", re.DOTALL)
"""Maximum number of characters that are split at once: the library takes quadratic time for
unclosed quotation marks."""
_TEASER = re.compile(r"[:：]\s*$")
_SPLIT_BY = frozenset("de fr es it pt nl pl ru uk cs sv da fi el tr ar fa hi zh ja".split())


def blocks(text: str) -> list[Block]:
    """The blocks of the answer in order. Blank lines separate blocks of text."""
    found: list[Block] = []
    lines: list[str] = []

    def flush() -> None:
        if lines:
            found.append(Block("text", "\n".join(lines)))
            lines.clear()

    rows = iter(text.splitlines())
    for row in rows:
        fence = _FENCE.match(row)
        if fence:
            flush()
            found.append(_code(rows, fence))
            continue
        block = _line(row)
        if block.kind == "text" and block.text:
            if found and not lines and found[-1].kind == "item" and row[:1] in " \t":
                found[-1] = found[-1]._replace(text=found[-1].text + "\n" + row.strip())
            else:
                lines.append(row.strip())
            continue
        flush()
        if block.text:
            found.append(block)
    flush()
    return found


def _code(rows: Iterator[str], fence: re.Match[str]) -> Block:
    """A fenced block, from the line after its opening fence to its closing fence or the end."""
    mark, inside, closed = fence[2], [], False
    for row in rows:
        bare = row.strip(" \t>")
        if len(bare) >= len(mark) and not bare.strip(mark[0]):
            closed = True
            break
        inside.append(row)
    return Block("code", "\n".join(inside), info=fence[3].strip(), closed=closed)


def _line(row: str) -> Block:
    if not row.strip():
        return Block("text", "")
    row = re.sub(r"^\s{0,3}>\s?", "", row)
    if _RULE.match(row):
        return Block("rule", row)
    if _STEP.match(row):
        return Block("item", row.strip(), "number", len(row) - len(row.lstrip()))
    bullet, number = _BULLET.match(row), _NUMBER.match(row)
    if bullet or number:
        match = bullet or number
        assert match is not None
        mark: ListMark = "bullet" if bullet else "number"
        return Block("item", row[match.end() :].strip(), mark, len(match[1] or ""))
    if _HEADING.match(row) or (_BOLD_LINE.match(row) and len(row.split()) <= 14):
        return Block("heading", row.strip())
    if _TABLE.match(row):
        return Block("table", row.strip())
    return Block("text", row.strip())


def prose(text: str) -> str:
    """The answer without its code blocks."""
    return "\n\n".join(block.text for block in blocks(text) if block.kind != "code")


def unmarked(text: str) -> str:
    """The text without Markdown signs for bold, italics and code, and without HTML tags."""
    return _MARKUP.sub("", text)


def sentences(text: str) -> list[str]:
    """The sentences of text and list items. An item or paragraph without a full stop is a
    sentence."""
    parts = [block.text for block in blocks(text) if block.kind in ("text", "item")]
    splitter = language_to_split(" ".join(parts)) if parts else ""
    return [sentence for part in parts for sentence in split(part, splitter)]


def language_to_split(text: str) -> str:
    """The language whose abbreviations are used for splitting into sentences."""
    code = language_of(text[:400])
    return code if code in _SPLIT_BY else "en"


def split(part: str, language: str) -> list[str]:
    """The sentences of one paragraph, without Markdown signs."""
    whole = " ".join(unmarked(part).split()).encode(errors="replace").decode()  # lone surrogates
    found = [s for chunk in _CHUNK.findall(whole) for s in _segments(chunk, language)]
    return [sentence.strip() for sentence in found if _WORD.search(sentence)]


def _segments(chunk: str, language: str) -> list[str]:
    try:
        return list(segment(language, chunk))
    except BaseException as error:
        # The library is written in Rust. The error that it raises for its own faults (for
        # unusual spaces, which are removed here) is not an Exception. It must not end a run.
        if type(error).__name__ != "PanicException":
            raise
        return [chunk]


def is_complete(sentence: str) -> bool:
    """Whether it is a full sentence: three words (or ten letters without spaces) and a full
    stop."""
    long = len(_WORD.findall(sentence)) >= 3 or len(_UNSPACED.findall(sentence)) >= 4
    return long and bool(_STOP.search(sentence))


def count_sentences(text: str) -> Span:
    """The number of sentences. One without a full stop, or one that an abbreviation may end, counts
    only in the larger number."""
    found = sentences(text)
    sure = [
        s for s in found if _STOP.search(s) and (" " in s or len(s) > 12 or s[-1] in "!?。！？")
    ]
    fragments = [s for s in found if not _STOP.search(s) and not _TEASER.search(s)]
    low = len(sure) + sum(len(s.split()) >= 4 for s in fragments)
    naive = sum(len(_INNER_STOP.findall(sentence)) for sentence in found)
    lines = sum(block.text.count("\n") for block in blocks(text) if block.kind == "text")
    return Span(min(low, len(found)), len(found) + naive + lines)


def count_words(text: str) -> Span:
    """The number of words: separated by spaces and without code, or every run of letters. Each CJK
    character is a word."""
    plain = unmarked(prose(text))
    unspaced = len(_UNSPACED.findall(plain))
    rest = _UNSPACED.sub(" ", plain)
    spaced = sum(any(map(str.isalnum, word)) for word in rest.split())
    runs = len(_WORD.findall(_UNSPACED.sub(" ", text)))
    return Span(spaced + unspaced // 2, max(runs, spaced) + len(_UNSPACED.findall(text)))


def count_han(text: str) -> Span:
    """The number of Chinese or Japanese characters: without or with punctuation and Latin
    letters."""
    return Span(len(_UNSPACED.findall(text)), sum(not c.isspace() for c in text))


def count_characters(text: str) -> Span:
    """The number of characters: without or with spaces."""
    text = text.strip()
    return Span(sum(not c.isspace() for c in text), len(text))


def count_paragraphs(text: str) -> Span:
    """The number of paragraphs: only text, or also lists, tables, code and single lines."""
    found = blocks(text)
    plain = [block for block in found if block.kind == "text"]
    # Lines of a poem and continuations of an item are not paragraphs; long single lines may be.
    lines = sum(sum(len(line) > 60 for line in block.text.split("\n")) or 1 for block in plain)
    others = sum(
        block.kind in ("table", "code", "item", "heading")
        and (i == 0 or found[i - 1].kind != block.kind)
        for i, block in enumerate(found)
    )
    teasers = sum(bool(_TEASER.search(block.text)) for block in plain)
    return Span(max(len(plain) - teasers, min(1, len(plain))), max(lines, len(plain)) + others)


def count_lines(text: str) -> Span:
    """The number of lines that are not empty: without headings and code, or all."""
    found = [block for block in blocks(text) if block.kind != "code"]
    bare = sum(
        block.text.count("\n") + 1 for block in found if block.kind not in ("heading", "rule")
    )
    return Span(bare, sum(1 for line in text.splitlines() if line.strip()))


def items(text: str, mark: ListMark = "") -> list[Block]:
    """The list items with this mark, at the outermost level that has such items."""
    found = [b for b in blocks(text) if b.kind == "item" and mark in ("", b.mark)]
    outer = min((block.indent for block in found), default=0)
    return [block for block in found if block.indent <= outer + 1]


def count_items(text: str) -> Span:
    """The number of list items: those of the outermost level by mark, or all."""
    found = [block for block in blocks(text) if block.kind == "item"]
    counts = [len(items(text)), len(items(text, "number")), len(items(text, "bullet"))]
    return Span(min((n for n in counts if n), default=0), len(found))


def headings(text: str) -> list[str]:
    """Headings, bold lines, and short lines that end with a colon and stand before a block."""
    return [block.text for block in blocks(text) if block.kind == "heading"]


def code_blocks(text: str) -> list[Block]:
    """The fenced code blocks."""
    return [block for block in blocks(text) if block.kind == "code"]


def first_line(text: str) -> str:
    """The first line that is not empty."""
    return next((line.strip() for line in text.splitlines() if line.strip(" \t`*_-=")), "")


def last_line(text: str) -> str:
    """The last line that is not empty."""
    lines = reversed(text.splitlines())
    return next((line.strip() for line in lines if line.strip(" \t`*_-=")), "")


def last_sentence(text: str) -> str:
    """The last sentence; the last line if it is a heading, a table row or an equation."""
    lines = last_line(text)
    found = sentences(text[-2000:])
    if not found:
        return unmarked(lines)
    return found[-1] if unmarked(lines).endswith(found[-1][-10:]) else unmarked(lines)
