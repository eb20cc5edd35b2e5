"""SQL expressions that turn a finished row into the columns of each training file format.

The expressions read a subquery with these columns: `system`, `turns`, `old_turns`, `failed` (the
new answers that failed the checks) and, for preference pairs, `pair`, where a judge decides
`judged`, where rules do `made` and `no_pair`, and for KTO `label`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from sysgen_local.core.pairs import PAIR_RULES, PairRule

Format = Literal["messages", "sharegpt", "alpaca", "prompt-completion", "dpo", "kto"]
FORMATS: tuple[Format, ...] = get_args(Format)

OBJECT_FORMATS: tuple[Format, ...] = ("messages", "prompt-completion", "dpo", "kto")
"""The formats that can have tools and arguments as objects. In sharegpt they are always text."""

PAIR_FORMATS: tuple[Format, ...] = ("dpo", "kto")
"""The formats of preference pairs. In kto a pair is two rows."""

CHECKED_FORMATS: tuple[Format, ...] = ("messages", "sharegpt")
"""The formats that can have columns with the results of the checks."""

_LISTED = """
    CASE WHEN {0}.role <> 'function_call' OR NOT coalesce(json_valid({0}.content), false) THEN []
         WHEN json_type({0}.content) = 'ARRAY' THEN json_extract({0}.content, '$[*]')
         WHEN json_type({0}.content) = 'OBJECT' THEN [{0}.content::JSON] ELSE [] END"""
_NAMED = "coalesce(c->>'$.function.name', c->>'$.name')"
_CALLS = f"""
    CASE WHEN list_bool_and([{_NAMED} IS NOT NULL FOR c IN ({_LISTED})])
         THEN ({_LISTED}) ELSE [] END
"""
"""The calls in a turn {0}, each as JSON; an empty list where the content is text and no calls."""

OPTIONAL_MEMBERS = {
    "tool_calls": f"len([t FOR t IN turns IF t.call <> '' OR t.name <> '' "
    f"OR len({_CALLS.format('t')}) > 0]) > 0",
    "reasoning": "len([t FOR t IN turns IF t.thought <> '']) > 0",
    "words": "len([t FOR t IN turns IF t.words <> '']) > 0",
}
"""What a turn may have besides role and content -> the SQL condition for rows that have it."""

_ARGUMENTS = """
    CASE json_type(coalesce(c->'$.function.arguments', c->'$.arguments'))
        WHEN 'VARCHAR' THEN coalesce(c->>'$.function.arguments', c->>'$.arguments')
        ELSE coalesce(c->'$.function.arguments', c->'$.arguments', '{}'::JSON)::VARCHAR END"""
_OBJECT = f"""
    CASE WHEN coalesce(json_valid({_ARGUMENTS}), false) AND json_type({_ARGUMENTS}) = 'OBJECT'
         THEN ({_ARGUMENTS})::JSON ELSE to_json({_ARGUMENTS}) END"""
"""The arguments of a call as an object; text that is none stays text."""


def _tool_calls(turn: str, objects: bool) -> str:
    """The calls in a turn as OpenAI's `tool_calls`, with the arguments as text or as objects."""
    return f"""
        [{{'id': coalesce(c->>'$.id', printf('call%03d%02d', i, k)), 'type': 'function',
           'function': {{'name': {_NAMED}, 'arguments': {_OBJECT if objects else _ARGUMENTS}}}}}
         FOR c, k IN ({_CALLS.format(turn)})]"""


_BEFORE = "list_max([j FOR j IN range(1, i) IF turns[j].role = 'function_call'])"
_CALLED = f"""
    CASE WHEN t.role = 'observation' THEN coalesce(nullif(t.call, ''),
        CASE WHEN len({_CALLS.format(f"turns[{_BEFORE}]")}) > 0
             THEN printf('call%03d%02d', {_BEFORE}, i - {_BEFORE}) END) END"""
"""The id of the call that a tool result answers. A call without an id gets one from its place, of
nine letters and digits, because some chat templates require that length."""


def _messages(members: frozenset[str], objects: bool) -> str:
    """The turns as OpenAI messages, with these of the OPTIONAL_MEMBERS. `objects` as in
    `columns`."""
    plain = """{'role': CASE t.role WHEN 'function_call' THEN 'assistant'
                                    WHEN 'observation' THEN 'tool' ELSE t.role END,
                'content': """
    if not members:
        return f"{_HEAD} || [{plain} t.content}} FOR t IN turns]"
    more = []
    if "reasoning" in members:
        more.append("'reasoning_content': nullif(t.thought, '')")
    content = "t.content"
    if "tool_calls" in members:
        calls = _CALLS.format("t")
        content = f"""CASE WHEN len({calls}) > 0 THEN t.words
            WHEN t.words <> '' THEN t.words || chr(10) || t.content ELSE t.content END"""
        more += [
            f"'tool_calls': CASE WHEN len({calls}) > 0 THEN {_tool_calls('t', objects)} END",
            f"'tool_call_id': {_CALLED}",
            "'name': CASE WHEN t.role = 'observation' THEN nullif(t.name, '') END",
        ]
    nothing = ", ".join(f"{member.split(':')[0]}: NULL" for member in more)
    head = _HEAD.replace("system}]", f"system, {nothing}}}]")
    return f"{head} || [{plain} {content}, {', '.join(more)}}} FOR t, i IN turns]"


_HEAD = "CASE WHEN system IS NULL THEN [] ELSE [{'role': 'system', 'content': system}] END"


def _thinking(turn: str) -> str:
    """The content of a turn with its thought before it, in <think> tags as models write them."""
    return (
        f"CASE WHEN {turn}.thought <> '' THEN '<think>' || chr(10) || {turn}.thought || chr(10) || "
        f"'</think>' || chr(10) || chr(10) ELSE '' END || {turn}.content"
    )


def _sharegpt(members: frozenset[str]) -> str:
    """The turns in ShareGPT's form. It has no place for text beside a tool call, so that text is in
    a key `words` of its own."""
    value = _thinking("t") if "reasoning" in members else "t.content"
    words = ", 'words': nullif(t.words, '')" if "words" in members else ""
    return f"""
        [{{'from': CASE t.role WHEN 'user' THEN 'human' WHEN 'assistant' THEN 'gpt'
                               ELSE t.role END,
           'value': {value}{words}}} FOR t IN turns]"""


TOOLS = """
    CASE WHEN NOT coalesce(json_valid(tools), false) THEN '[]'
         WHEN json_type(tools) = 'ARRAY' THEN tools
         WHEN json_type(tools) = 'OBJECT' THEN '[' || tools || ']' ELSE '[]' END"""
"""The tools as a JSON list in every row. Text that is no JSON becomes an empty list, because
trainers cannot read it. Never null: a reader that infers the columns' types from the first rows
would take the column for one of nulls."""
TOOL_OBJECTS = f"CASE WHEN ({TOOLS}) <> '[]' THEN ({TOOLS})::JSON END"
"""The tools as a list of objects. Null in a row without tools, because some chat templates (that of
Llama 3.1 is one) write the words for tools even if the list is empty."""

Prefer = Literal["new", "judged", "checked"]
PREFERENCES: tuple[Prefer, ...] = get_args(Prefer)
"""Which answer of a preference pair is the chosen one. new: the new answer, over the first one that
failed the checks, else over the original answer. judged: the one that the judge preferred, which
may be the original answer. checked: the new answer, over one that failed the checks only."""

_ANSWERS = "[i FOR i IN range(1, len(turns) + 1) IF turns[i].role = 'assistant']"
_FAILED = f"""
    [f FOR f IN [{{'at': ({_ANSWERS})[a.turn], 'chosen': turns[({_ANSWERS})[a.turn]].content,
                   'rejected': a.content}} FOR a IN failed]
     IF f.rejected <> f.chosen
     AND NOT list_has_any([t.role FOR t IN turns[:f.at]], ['function_call', 'observation'])][1]"""
_ANSWERED = "turns[2].role = 'assistant'"
_DIFFERENT = f"{_ANSWERED} AND turns[2].content <> old_turns[2].content"
_NEW_FIRST = """{'at': 2::BIGINT, 'chosen': turns[2].content, 'rejected': old_turns[2].content}"""
_OLD_FIRST = """{'at': 2::BIGINT, 'chosen': old_turns[2].content, 'rejected': turns[2].content}"""
_MADE = "CASE WHEN made.at IS NOT NULL THEN made END"
PAIRS: dict[Prefer | PairRule, str] = {
    "new": f"coalesce({_FAILED}, CASE WHEN {_DIFFERENT} THEN {_NEW_FIRST} END)",
    "judged": f"""
        CASE WHEN {_DIFFERENT} AND judged = 'new' THEN {_NEW_FIRST}
             WHEN {_DIFFERENT} AND judged = 'original' THEN {_OLD_FIRST} END""",
    "checked": _FAILED,
    **dict.fromkeys(PAIR_RULES, _MADE),
}
"""A preference pair: `at`, the place of the answer, and the texts `chosen` and `rejected`. A failed
answer is the first one with no tool call before it. The original answer, and what a judge compared,
is that of the first turn. Pairs that rules made are there already, with `asks` and `broken`."""

ASKING = """
    [CASE WHEN i = pair.at - 1 AND pair.asks <> ''
          THEN struct_update(t, content := t.content || pair.asks) ELSE t END
     FOR t, i IN turns]"""
"""The turns with what the user asks for besides, where rules made the pair."""


def columns(
    layout: Format,
    members: frozenset[str],
    listed: Callable[[str], str],
    *,
    objects: bool = False,
    broken: bool = False,
) -> dict[str, str]:
    """Column -> its SQL expression, with these of the OPTIONAL_MEMBERS. `listed` converts a list of
    structs to what the file holds: `as_structs` or `without_nulls`. `objects`: the arguments of
    calls in messages are objects, and not JSON text. `broken`: what the rejected answer of a pair
    breaks, where rules made it."""
    match layout:
        case "messages":
            return {"messages": listed(_messages(members, objects))}
        case "sharegpt":
            return {
                "conversations": listed(_sharegpt(members)), "system": "coalesce(system, '')",
            }  # fmt: skip
        case "alpaca":
            answer = _thinking if "reasoning" in members else "{}.content".format
            return {
                "system": "coalesce(system, '')",
                "instruction": "turns[-2].content",
                "input": "''",
                "output": answer("turns[-1]"),
                "history": f"""
                    [[turns[2 * i + 1].content, {answer("turns[2 * i + 2]")}]
                     FOR i IN range(len(turns) // 2 - 1)]""",
            }
        case "prompt-completion":
            whole = _messages(members, objects)
            return {"prompt": listed(f"({whole})[:-2]"), "completion": listed(f"({whole})[-1:]")}
        case "dpo":
            return {
                **_prompt(members, listed, objects),
                "chosen": "[{'role': 'assistant', 'content': pair.chosen}]",
                "rejected": "[{'role': 'assistant', 'content': pair.rejected}]",
                **({"broken": "pair.broken"} if broken else {}),
            }
        case "kto":
            said = "CASE WHEN label THEN pair.chosen ELSE pair.rejected END"
            faults = "CASE WHEN label THEN []::VARCHAR[] ELSE pair.broken END"
            return {
                **_prompt(members, listed, objects),
                "completion": f"[{{'role': 'assistant', 'content': {said}}}]",
                "label": "label",
                **({"broken": faults} if broken else {}),
            }


def _prompt(members: frozenset[str], listed: Callable[[str], str], objects: bool) -> dict[str, str]:
    """The turns before the answers of a pair."""
    place = "pair.at - CASE WHEN system IS NULL THEN 1 ELSE 0 END"
    return {"prompt": listed(f"({_messages(members, objects)})[:{place}]")}


def as_structs(messages: str) -> str:
    """The list as it is."""
    return messages


def without_nulls(messages: str) -> str:
    """The list with each struct as JSON, without the members that are null."""
    return f"[json_merge_patch('{{}}', to_json(m)) FOR m IN ({messages})]"


CONDITIONS: dict[Format, str] = {
    # Alpaca has questions and answers only, so the turns must be user, assistant, user, ...
    "alpaca": "[t.role FOR t IN turns] = "
    "flatten([['user', 'assistant'] FOR i IN range(len(turns) // 2)])",
    # A preference needs two answers to one prompt.
    **dict.fromkeys(PAIR_FORMATS, "pair IS NOT NULL"),
}
"""Format -> the SQL condition for rows that it can hold, where it cannot hold all."""

_NO_PAIR: dict[Prefer, dict[str, str]] = {
    "new": {
        "no new answer failed the checks, and the first turn calls a tool": f"NOT {_ANSWERED}",
        "no new answer failed the checks, and the new first answer is the old one": "true",
    },
    "judged": {
        "the judge's choice changed with the order of the answers (a tie)": "judged = 'tie'",
        "the first turn calls a tool, and judges compare first answers": f"NOT {_ANSWERED}",
        "no judge compared the answers": "judged IS NULL",
        "the new first answer is the old one": "true",
    },
    "checked": {
        "no new answer failed the checks": "len(failed) = 0",
        "the answer that failed the checks follows a tool call, or is the text of the new one": (
            "true"
        ),
    },
}
_NO_PLACE = {"it knows question and answer only, and a tool is called": "true"}


def outside(layout: Format, prefer: Prefer) -> dict[str, str]:
    """Why rows that do not meet the condition of this format are left out -> the SQL condition of
    these rows. The first condition that a row meets is the reason."""
    if layout in PAIR_FORMATS:
        return _NO_PAIR[prefer]
    return _NO_PLACE if layout == "alpaca" else {}
