"""`sysgen evaluate`: runs benchmarks and scores them as the official code of each does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from sysgen_local.cli import benchmarks as bm
from sysgen_local.cli import by_rule, hardware
from sysgen_local.cli import options as opt
from sysgen_local.cli.harness import harness


@click.group()
def evaluate() -> None:
    """Measure how well a model follows system messages.

    A judge grades the benchmarks of the SysGen paper (sysbench, multifacet) and AdvancedIF
    (advancedif). Rules grade a test set of your own (own), IFEval, Multi-IF and IHEval (ifeval,
    multi-if, iheval). harness runs tasks of lm-evaluation-harness. Use it before and after
    training, or use `sysgen study` to compare several models at once.

    \b
    Example:
      sysgen evaluate sysbench dialogues.json --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate multifacet bench.jsonl --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate own test.jsonl --model mine.gguf
      sysgen evaluate ifeval input_data.jsonl --model mine.gguf
    """


@evaluate.command()
@click.argument("dialogues", type=bm.QUESTIONS, required=False)
@bm.HISTORY
@opt.options(
    [bm.MODEL, bm.JUDGE, bm.SYSTEM_IN],
    bm.ASKING,
    [bm.JUDGE_TOKENS, bm.RETRY, bm.JUDGE_PROMPT, bm.LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    bm.SHOWING,
    database=bm.DATABASE,
)
@click.option(
    "--structure",
    type=bm.QUESTIONS,
    help="Score verdicts of another program. FILE is JSONL of the judged dialogues: turns and "
    "types of criteria.",
)
@click.option(
    "--verdicts",
    type=bm.QUESTIONS,
    help="The verdicts on each turn, as JSONL.",
)
def sysbench(
    dialogues: Path | None,
    structure: Path | None,
    verdicts: Path | None,
    as_json: bool,
    limit: int | None,
    **given: Any,
) -> int:
    """Run SysBench: dialogues under a system message, judged by criteria.

    A dialogue has five turns. The model answers each turn. The judge gives a verdict on each
    criterion of an answer. CSR, ISR and SSR are computed as in the official code. With --structure
    and --verdicts, no model is asked and verdicts of another program are scored. If a run was
    stopped, the same command continues it.

    DIALOGUES is SysBench's own JSON, or JSONL of {"system_id", "system", "multi_turn":
    "dependent"|"parallel", "turns": [{"user", "alignment": "aligned"|"misaligned", "gold_answer",
    "criteria": [{"type", "text"}]}]}.

    \b
    Examples:
      sysgen evaluate sysbench dialogues.json --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate sysbench dialogues.json --model mine.gguf --history gold --json
      sysgen evaluate sysbench --structure structure.jsonl --verdicts verdicts.jsonl --json
    """
    from sysgen_local.report.benchmarks import sysbench_table

    if dialogues is None:
        from sysgen_local.evaluation.benchmarks.sysbench import score
        from sysgen_local.evaluation.benchmarks.verdicts import read_verdicts

        if structure is None or verdicts is None:
            raise click.UsageError("name DIALOGUES, or both --structure and --verdicts")
        scores = score(read_verdicts(structure, verdicts))
    else:
        if structure or verdicts:
            raise click.UsageError("--structure and --verdicts go without DIALOGUES")
        found = bm.run("sysbench", dialogues, limit=limit, **given)
        if found is None:
            return 130
        scores = found
    bm.print_scores(scores, as_json, sysbench_table)
    return 0


@evaluate.command()
@click.argument("instances", type=bm.QUESTIONS, required=False)
@opt.options(
    [bm.MODEL, bm.JUDGE, bm.SYSTEM_IN],
    bm.ASKING,
    [bm.JUDGE_TOKENS, bm.RETRY, bm.JUDGE_PROMPT, bm.SEES, bm.SOURCES, bm.LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    bm.SHOWING,
    database=bm.DATABASE,
)
@click.option(
    "--replies",
    type=bm.QUESTIONS,
    help="Score a judge's replies from another program. No model is asked.",
)
def multifacet(
    instances: Path | None,
    replies: Path | None,
    sources: Path | None,
    as_json: bool,
    limit: int | None,
    **given: Any,
) -> int:
    """Run Multifacet: answers under unusual system messages, rated by rubrics.

    The judge rates each answer from 1 to 5 by four rubrics. The score of an instance is the mean of
    its rubrics, and the average is over the instances.

    INSTANCES is JSON or JSONL of {"source", "system", "prompt", "reference_answer", "rubrics":
    [{"criteria", "score_descriptions": {"1": ..., "5": ...}}]}.

    --replies scores replies of a judge (one on each line, or by instance id). They are read as the
    official parser reads them. The output names the replies for which that parser would crash, or
    would count a score outside 1 to 5.

    \b
    Examples:
      sysgen evaluate multifacet bench.jsonl --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate multifacet bench.jsonl --model mine.gguf --system-in user
      sysgen evaluate multifacet bench.jsonl --replies replies.json --json
    """
    from sysgen_local.evaluation.benchmarks.instances import read_sources
    from sysgen_local.report.benchmarks import multifacet_table

    if replies is not None:
        table = read_sources(sources) if sources else None
        scores = _score_replies(replies, instances, table)
    elif instances is None:
        raise click.UsageError("name INSTANCES, or --replies")
    else:
        found = bm.run("multifacet", instances, limit=limit, sources=sources, **given)
        if found is None:
            return 130
        scores = found
    bm.print_scores(scores, as_json, multifacet_table)
    return 0


def _score_replies(
    path: Path, instances: Path | None, table: Mapping[str, str] | None
) -> dict[str, Any]:
    """The scores of a judge's replies in a file, and what was read from each reply. `table`: source
    -> benchmark."""
    from dataclasses import asdict

    from sysgen_local.evaluation.benchmarks.instances import read_instances, read_replies
    from sysgen_local.evaluation.benchmarks.multifacet import score

    found = read_replies(path, read_instances(instances) if instances else None)
    return {
        **score([rated for rated, _ in found], table),
        "replies": [
            {"id": rated.id, "rubric": number, **asdict(reply)}
            for rated, replies in found
            for number, reply in enumerate(replies, 1)
        ],
    }


@evaluate.command()
@click.argument("questions", type=bm.CSV_QUESTIONS, metavar="FILE")
@opt.options(
    [bm.MODEL, bm.JUDGE, bm.SYSTEM_IN],
    bm.ASKING,
    [bm.RETRY, bm.JUDGE_PROMPT, bm.LIMIT],
    hardware.MACHINE,
    hardware.CLUSTER,
    bm.SHOWING,
    database=bm.DATABASE,
)
def advancedif(questions: Path, as_json: bool, limit: int | None, **given: Any) -> int:
    """Run AdvancedIF: expert rubrics on system messages and on what earlier turns asked for.

    The model answers the last turn of each conversation. The judge says of each rubric whether the
    answer meets it; its yes or no is read off the logits. An answer passes if it meets all rubrics.
    The shares are computed as in the authors' code, by area: complex (many instructions in one
    turn), context (instructions of earlier turns), system (instructions of the system message).
    The authors' judge is o3-mini, so figures of a small judge are not comparable with theirs. If a
    run was stopped, the same command continues it.

    FILE is the published CSV (https://huggingface.co/datasets/facebook/AdvancedIF), or JSONL with
    the same keys.

    \b
    Examples:
      sysgen evaluate advancedif if_oss_full_data.csv --model mine.gguf --judge qwen2.5-7b
      sysgen evaluate advancedif if_oss_full_data.csv --model mine.gguf --limit 100 --json
    """
    from sysgen_local.report.benchmarks import advancedif_table

    scores = bm.run("advancedif", questions, limit=limit, **given)
    if scores is None:
        return 130
    bm.print_scores(scores, as_json, advancedif_table)
    return 0


for command in (by_rule.own, by_rule.ifeval, by_rule.multi_if, by_rule.iheval, harness):
    evaluate.add_command(command)
