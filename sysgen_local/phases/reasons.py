"""The reasons that the phases store, with one type for each place that a reason comes from.

Some words are a reason in two places: `too_long` is a rule about the length of a phrase, and it is
the engine's reason for a request that does not fit into the context (`EngineReason`). `empty` and
`markup` are rules about a phrase, and they are faults of a new answer. The types keep them apart.
"""

from __future__ import annotations

from typing import Literal, get_args

from sysgen_local.running.stage import EngineReason, StageFailure

PhraseRule = Literal[
    "unknown_tag",
    "empty",
    "control_tokens",
    "tag_in_text",
    "placeholder",
    "markup",
    "too_long",
    "too_short",
    "repetition",
    "addresses_user",
    "unfinished",
    "wrong_script",
    "copies_question",
    "copies_answer",
    "leaks_answer",
    "later_turn",
    "lifted",
]
"""Phase 2: the rule by which the filter removed a phrase."""

RepeatedPhrase = Literal["duplicate", "near_duplicate"]
"""Phase 2: how a removed phrase repeats another phrase of its row."""

UnreadablePhrases = Literal["cut_off", "not_json"]
"""Phase 1: why the model's output is not a list of phrases."""

AnswerFault = Literal["looping", "cut_off", "empty", "markup"]
"""Phases 4 and 5: why the model's output cannot be used as an answer."""

CheckFault = Literal["disagrees", "disobeys"]
"""Phase 5: which of the checks an answer did not pass."""

CHECK_FAULTS: tuple[CheckFault, ...] = get_args(CheckFault)

CandidateFault = EngineReason | StageFailure | AnswerFault | CheckFault
"""Phase 5: any reason for which an answer is not taken."""
