"""`sysgen evaluate`: benchmarks for models, counted as their authors count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from sysgen_local.cli import options as opt


@click.group()
def evaluate() -> None:
    """How well a model follows system messages, by the benchmarks that the paper used."""


@evaluate.command()
@click.option("--structure", type=opt.PATH, help="Score verdicts made elsewhere: what was judged.")
@click.option("--verdicts", type=opt.PATH, help="... and what was said of each criterion.")
@click.option("--json", "as_json", is_flag=True, help="Every number in full precision.")
def sysbench(structure: Path | None, verdicts: Path | None, as_json: bool) -> None:
    """SysBench: five-turn dialogues under a system message, judged criterion by criterion.

    \b
    Example:
      sysgen evaluate sysbench --structure structure.jsonl --verdicts verdicts.jsonl --json
    """
    from sysgen_local.evaluate.sysbench import score
    from sysgen_local.evaluate.verdicts import read_verdicts

    if structure is None or verdicts is None:
        raise click.UsageError("--structure and --verdicts belong together")
    _tell(score(read_verdicts(structure, verdicts)), as_json)


def _tell(scores: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(scores, ensure_ascii=False))
        return
    from rich.console import Console

    from sysgen_local.report.benchmarks import sysbench_table

    Console().print(sysbench_table(scores))


@evaluate.command()
@click.argument("instances", type=opt.PATH, required=False)
@click.option("--replies", type=opt.PATH, help="Score judge's replies made elsewhere.")
@click.option("--sources", type=opt.PATH, help="Table of source -> benchmark: .json or .csv.")
@click.option("--json", "as_json", is_flag=True, help="Every number in full precision.")
def multifacet(
    instances: Path | None, replies: Path | None, sources: Path | None, as_json: bool
) -> None:
    """Multifacet: answers under unusual system messages, rated from 1 to 5 by rubrics."""
    from dataclasses import asdict

    from sysgen_local.evaluate import multifacet as counting
    from sysgen_local.evaluate.instances import read_instances, read_replies, read_sources

    known = read_instances(instances) if instances else None
    table = read_sources(sources) if sources else None
    assert replies
    found = read_replies(replies, known)
    scores = counting.score([rated for rated, _ in found], table)
    scores["replies"] = [
        {"id": rated.id, "rubric": i, **asdict(reply)}
        for rated, of in found
        for i, reply in enumerate(of, 1)
    ]
    click.echo(json.dumps(scores, ensure_ascii=False))
