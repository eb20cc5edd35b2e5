"""`sysgen evaluate own|ifeval|multi-if|iheval`: benchmarks that rules grade."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sysgen_local.cli import benchmarks as bm
from sysgen_local.cli import hardware, values
from sysgen_local.cli import options as opt


@click.command()
@click.argument("questions", type=bm.QUESTIONS, metavar="FILE")
@opt.options(
    [bm.MODEL, bm.READER, bm.SYSTEM_IN],
    bm.ASKING,
    [bm.RETRY, bm.LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    bm.SHOWING,
    database=bm.DATABASE,
)
def own(questions: Path, as_json: bool, limit: int | None, **given: Any) -> int:
    """Run a test set of your own, graded by rule.

    FILE is what `sysgen testset` writes, or a file of that form: examples/obey.jsonl is one. The
    model answers each item. Rules grade the answer: phrases is the share of demands met, items the
    share of items with all demands met. The answer is also compared with the original one, where a
    rule can: result with a system message, plain without one. A judge reads the phrases that no
    rule can test, if you name one. An empty answer meets nothing. If a run was stopped, the same
    command continues it.

    FILE is JSONL of {"kind": "obey"|"plain"|..., "id", "system", "messages": [{"role": "user",
    "content"}], "checks": [{"phrase", "kind", "text"}], "original"}.

    \b
    Examples:
      sysgen evaluate own test.jsonl --model mine.gguf
      sysgen evaluate own examples/obey.jsonl --model smollm2-135m --max-answer-tokens 256 --json
    """
    from sysgen_local.report.benchmarks import own_table

    scores = bm.run("own", questions, limit=limit, **given)
    if scores is None:
        return 130
    bm.print_scores(scores, as_json, own_table)
    return 0


@click.command()
@click.argument("questions", type=bm.QUESTIONS, metavar="FILE")
@opt.options(
    [bm.MODEL],
    bm.ASKING,
    [bm.RETRY, bm.LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    bm.SHOWING,
    database=bm.DATABASE,
)
def ifeval(questions: Path, as_json: bool, limit: int | None, **given: Any) -> int:
    """Run IFEval: instructions in the prompt that rules can check.

    There are 25 kinds of instructions, such as "no commas" or "at least 300 words". The accuracies
    are those of the authors: of prompts with all instructions followed and of instructions, each
    strict and loose (without the first line, the last line or asterisks). The rules have the faults
    of the authors' rules, and the output names them by kind. An item that no rule can grade is
    named and left out. If a run was stopped, the same command continues it.

    FILE is the published input_data.jsonl (https://huggingface.co/datasets/google/IFEval), or JSONL
    of {"key", "prompt", "instruction_id_list": [...], "kwargs": [{...}]}.

    \b
    Examples:
      sysgen evaluate ifeval ifeval_input_data.jsonl --model mine.gguf
      sysgen evaluate ifeval input_data.jsonl --model mine.gguf --max-answer-tokens 1280 --json
    """
    from sysgen_local.report.rule_benchmarks import ifeval_table

    scores = bm.run("ifeval", questions, limit=limit, **given)
    if scores is None:
        return 130
    bm.print_scores(scores, as_json, ifeval_table)
    return 0


@click.command("multi-if")
@click.argument("questions", type=bm.CSV_QUESTIONS, metavar="FILE")
@opt.options(
    [bm.MODEL],
    bm.ASKING,
    [bm.RETRY, bm.LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    bm.SHOWING,
    database=bm.DATABASE,
)
def multi_if(questions: Path, as_json: bool, limit: int | None, **given: Any) -> int:
    """Run Multi-IF: dialogues of three turns in eight languages, graded by rule.

    Each turn adds an instruction to those before it, and the model sees its own earlier answers.
    The scores are those of the authors, by turn and language: the four accuracies of IFEval, and
    their mean. Words and sentences are counted by the language of the answer. An answer in Thai
    cannot be counted; it is named and left out. If a run was stopped, the same command continues
    it.

    FILE is the published CSV (https://huggingface.co/datasets/facebook/Multi-IF), or JSONL with
    the same keys.

    \b
    Examples:
      sysgen evaluate multi-if multiIF_20241018.csv --model mine.gguf
      sysgen evaluate multi-if multiIF_20241018.csv --model mine.gguf --limit 200 --json
    """
    from sysgen_local.report.rule_benchmarks import multi_if_table

    scores = bm.run("multi-if", questions, limit=limit, **given)
    if scores is None:
        return 130
    bm.print_scores(scores, as_json, multi_if_table)
    return 0


@click.command()
@click.argument("questions", type=values.JSON_PLACE, metavar="PATH")
@opt.options(
    [bm.MODEL, bm.SYSTEM_IN],
    bm.ASKING,
    [bm.RETRY, bm.LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    bm.SHOWING,
    database=bm.DATABASE,
)
def iheval(questions: Path, as_json: bool, limit: int | None, **given: Any) -> int:
    """Run IHEval: does a model obey the system message where the user contradicts it?

    Each task has three settings: aligned, conflict, and reference, where everything is in the
    user's message. The scores are those of the authors, by task and setting, without a judge. The
    tasks follow instructions (single-turn, multi-turn), do a task (verb-extract, translation,
    lang-detect) or keep a password (user-prompt-hijack, system-prompt-extract). Those that need
    tools are left out. If a run was stopped, the same command continues it.

    PATH is the folder benchmark/ of https://github.com/ytyz1307zzh/IHEval, a folder in it, or one
    TASK/SETTING/PROMPT/input_data.json. --limit takes so many items of each file.

    \b
    Examples:
      sysgen evaluate iheval IHEval/benchmark/rule-following --model mine.gguf
      sysgen evaluate iheval IHEval/benchmark --model mine.gguf --limit 50 --json
    """
    from sysgen_local.report.rule_benchmarks import iheval_table

    scores = bm.run("iheval", questions, limit=limit, **given)
    if scores is None:
        return 130
    bm.print_scores(scores, as_json, iheval_table)
    return 0
