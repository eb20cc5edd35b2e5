"""Finds claims that a tool was run. No tool was run, so the claimed output is invented."""

from __future__ import annotations

import re

from sysgen_local.phases.checks.text import Block, blocks, language_to_split, split

_DID = r"\b(?:I|we)(?:['’]ve| have| just| also| then| quickly)*"
_CLAIMS = re.compile(
    "|".join(
        (
            # the web
            rf"{_DID} (?:searched|browsed) [^.!?\n]{{0,30}}\b(?:web|internet|google"
            r"|wikipedia|bing|online)\b",
            rf"{_DID} googled\b",
            f"{_DID} looked (?:it |this |that |them )?up (?:online|(?:on"
            r"|in) (?:the )?(?:web|internet|google|wikipedia))\b",
            f"{_DID} (?:done|did|run|ran|conducted|performed) (?:a |an )?(?:quick "
            r"|brief )?(?:web|online|internet|google) search\b",
            rf"{_DID} (?:checked|looked) [^.!?\n]{{0,40}}\b(?:online|on (?:the )?(?:web"
            r"|internet|google|wikipedia))\b",
            r"\b(?:after|by|from|upon) (?:searching|browsing|googling"
            r"|checking) (?:the )?(?:web|internet|google|online)\b",
            r"\b(?:according to|based on|from) my (?:web |online |internet "
            r"|google )?search(?: results)?\b",
            r"\bmy (?:web |online |internet |google )?search(?: results)? (?:shows?"
            r"|showed|found|returned|turned up|reveals?|revealed)\b",
            # a calculator
            r"\b(?:according to|based on) (?:my|the) calculator\b",
            r"\b(?:my|the) calculator (?:says|said|shows|showed|gives|gave|returns"
            r"|returned|displays|displayed|tells|told)\b",
            f"{_DID} (?:used|checked (?:it|this|that) (?:with|on)|entered (?:it|this"
            r"|that|these) (?:into|in)) (?:a|my|the) calculator\b",
            # code
            f"{_DID} (?:ran|run|executed|tested) (?:(?:the|this|your|that"
            r"|my) (?:\w+ )?(?:code|script|program|function|query|command|test)s?|it)\b"
            r"[^.!?\n]{0,60}\b(?:output|outputs|printed|prints|returned|returns|got"
            r"|works|worked|gave|gives|result|results)\b",
            r"\b(?:when|after) (?:I|we) (?:ran|executed) (?:the|this|your|it)\b",
            r"\bafter (?:running|executing) (?:the|this|your) (?:code|script"
            r"|program)[^.!?\n]{0,20},? (?:I|we) (?:got|found|see|saw|obtained)\b",
            r"\bthe output (?:of the (?:code|program|script) )?(?:indicates|confirms"
            r"|tells us) that\b",
            # records
            f"{_DID} (?:checked|queried|accessed|consulted|pulled up|looked up"
            "|looked into|searched)"
            " (?:our|your|the) (?:system|database|records|account|order history"
            r"|order status|inventory|calendar|knowledge base)\b",
            r"\b(?:the|my) (?:search engine|web search|database query|api call"
            r"|tool) (?:returned|gave me|told me|found)\b",
            # other languages
            r"\bich habe (?:es |das )?(?:im (?:internet|netz|web)|online"
            r"|bei google)[^.!?\n]{0,30}(?:gesucht|nachgesehen|recherchiert|gefunden)",
            r"\b(?:mein|laut (?:meinem|dem)) taschenrechner\b",
            r"\bj['’]ai (?:cherché|recherché|vérifié|trouvé)[^.!?\n]{0,30}\b(?:sur "
            "(?:internet|le web|google)|en ligne)",
            r"\bhe (?:buscado|consultado|encontrado)[^.!?\n]{0,30}\b(?:en (?:internet"
            "|la web|google|línea))",
            r"我(?:已经?|刚刚?)?(?:上网|在网上|通过网络|用搜索引擎)(?:搜索|查询|查找|查)了?|根据(?:我的)?(?:网络)?搜索结果|计算器(?:显示|得出)",
        )
    ),
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"</?tool_(?:call|response|output|result)s?>|<\|python_tag\|>"
    r"|^[*_# \t\[]*(?:tool|search) (?:output|results?|response)\s?:",
    re.IGNORECASE | re.MULTILINE,
)
_DENIED = re.compile(
    r"\b(?:can(?:not|['’]t)|could(?: not|n['’]t)?|do(?:es)? not|don['’]t"
    "|did(?: not|n['’]t)|have(?: not|n['’]t)|unable|if|would"
    "|should|unless|without|never|as though|pretend|imagine|suppose|until"
    r"|once you|nicht|pas|no he|没有|无法|如果)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"[^\"\n]{1,500}\"|“[^”\n]{1,500}”|«[^»\n]{1,500}»|「[^」\n]{1,500}」")


def claimed_tool_output(answer: str) -> list[str]:
    """The sentences that claim the output of a search, a calculator, a program or a database.

    A denied, conditional or quoted sentence is not a claim, and naming a tool is not one either.
    """
    found = [block for block in blocks(answer) if block.kind != "rule"]
    language = language_to_split(" ".join(block.text for block in found[:20]))
    claims = []
    for i, block in enumerate(found):
        if block.kind == "code":
            if block.info.lower() == "output" and _follows_code(found, i) and _solves(answer):
                claims.append("A block shows the output of code that was not run.")
            continue
        for sentence in split(_QUOTED.sub(" ", block.text), language):
            match = _CLAIMS.search(sentence)
            if match and not _DENIED.search(sentence[: match.end()]):
                claims.append(sentence)
    claims += [match[0].strip() for match in _MARKUP.finditer(answer)]
    return claims


def _follows_code(found: list[Block], i: int) -> bool:
    return i > 0 and found[i - 1].kind == "code"


def _solves(answer: str) -> bool:
    """Whether the answer takes a result from the output, as if the code had been run."""
    return "\\boxed" in answer or "####" in answer
