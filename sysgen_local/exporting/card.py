"""Writes the dataset card: what the data is, how it was made, and what its licences require.

The head is metadata for the Hugging Face hub. The hub shows the card as README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sysgen_local import __version__
from sysgen_local.core.cards import MADE
from sysgen_local.core.counted import counted, decision_word
from sysgen_local.core.pairs import PAIR_RULES, PairRule
from sysgen_local.core.records import KINDS
from sysgen_local.exporting.licenses import License, license_of, on_hub
from sysgen_local.exporting.public_names import (
    files_of,
    model_parts,
    public_facts,
    public_lineage,
    source_names,
)
from sysgen_local.exporting.write import Exported
from sysgen_local.store import PAIR_FORMATS, Format, LineageEntry, Prefer, SourceFile, Variant

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_HOLDS: dict[Variant, str] = {
    "full": "each with a system message of its own and answers that were written under it",
    "system-only": "each with a system message of its own and its original answers",
    "common": "all with one and the same system message and their original answers",
    "original": "as they came, before they were given system messages",
}
_CITATION = """\
@article{jeong2025system,
  title   = {System Message Generation for User Preferences using Open-Source Models},
  author  = {Jeong, Minbyul and Cho, Jungho and Khang, Minsoo and Jung, Dawoon and Hong, Teakgyu},
  journal = {arXiv preprint arXiv:2502.11330},
  year    = {2025}
}"""


_FAILED = "the answer that stays is preferred over one of the same row that failed the checks"
_OBEYS = "the answer that stays, in which rules find nothing broken, is preferred over"
_PREFERRED: dict[Prefer | PairRule, str] = {
    "new": f"{_FAILED}, or over the original one where none did",
    "judged": "of the new answer and the original one, the judge ({judges}) preferred the chosen "
    "one in both orders",
    "checked": _FAILED,
    "best-worst": f"{_OBEYS} the worst other answer of the same turn by the checks",
    "obey-violate": f"{_OBEYS} one of the row that breaks a phrase or the result, or over the "
    "original answer, written without the system message, where a rule shows that it breaks a "
    "phrase",
    "conflict": "a rule added a sentence to the user's turn that asks for the opposite of a phrase "
    f"of the system message; {_OBEYS} one of the row that does the opposite, as rules show. "
    "No answer was written with the sentence in its prompt",
}
_BROKEN = "; `broken` lists what the rejected answer does not do"
_HALVES = "; a pair is two rows, the preferred answer with the label true"
_UNCHECKED = "the new answer is preferred over the original one"


def generators(
    stats: Mapping[str, Any], judges: Iterable[Mapping[str, str]] = ()
) -> dict[str, License]:
    """Model -> its licence, for every model that wrote or judged the rows, and for every LoRA
    adapter of one. `judges` are the facts of judges that chose between answers. A file that was
    given as an absolute path is named by its last part and the hash of its content."""
    found = {}
    made = (recipe["facts"] for recipe in stats["recipes"].values())
    for facts in (*made, *judges):
        if "model" not in facts:
            continue
        base, adapters = model_parts(facts)
        found[base] = license_of(facts.get("model_license"))
        stated = facts.get("lora_license", "").split()
        for adapter, name in zip(adapters, stated, strict=False):
            found[f"LoRA adapter {adapter.name}"] = license_of(name)
    return found


def card(
    stats: Mapping[str, Any],
    written: Sequence[Exported],
    lineage: Sequence[LineageEntry],
    files: Sequence[SourceFile],
    *,
    name: str,
    layout: Format,
    variant: Variant,
    prefer: Prefer | PairRule = "new",
    judges: Sequence[Mapping[str, str]] = (),
    notes: Sequence[str] = (),
) -> str:
    """The whole card as Markdown. `stats` is the result of `Store.stats`, `lineage` the sources of
    the written rows, `files` all sources of the store, `judges` as in `generators`, `notes`
    sentences about rows that were left out. The card has no absolute path: see `public_names`."""
    lineage = public_lineage(lineage, files)
    rows = sum(of.rows for of in written)
    checked = "check" in stats["phases"] and variant == "full"
    lines = [
        "---",
        _head(licenses(stats, lineage, judges), lineage, written, rows, name).strip(),
        "---",
        "",
        f"# {name}",
        "",
        f"{counted(rows, 'row')}, {_HOLDS[variant]}. {MADE} {__version__} by the "
        "SysGen method (arXiv 2502.11330): a model wrote a system message for each row as phrases "
        "under eight functionality tags, the phrases were filtered, each was judged by a model, "
        f"and the row was answered anew under what was left{', and checked' if checked else ''}. "
        f"The layout is `{layout}`{_preferred(layout, prefer, judges, checked)}.",
        "",
        *_adapted(stats),
        *_table("Files", ("file", "rows"), [(f.path.name, f"{f.rows:,}") for f in written]),
        *(f"- {note}" for note in notes),
        *([""] if notes else []),
        *_funnel(stats),
        *(_checks(stats) if checked else ()),
        *_sources(stats, lineage, files),
        *_recipe(stats),
        *_licenses(licenses(stats, lineage, judges)),
        "## Citation",
        "",
        "```bibtex",
        _CITATION,
        "```",
        "",
    ]
    return "\n".join(lines)


def _adapted(stats: Mapping[str, Any]) -> list[str]:
    """A sentence for each model that had LoRA adapters, with the phases that it did."""
    phases: dict[tuple[str, ...], list[str]] = {}
    for phase, recipe in stats["recipes"].items():
        if "lora" in recipe["facts"]:
            base, adapters = model_parts(recipe["facts"])
            phases.setdefault((base, *map(str, adapters)), []).append(phase)
    said = [
        f"The model of {_and(done)} was {base} with the LoRA "
        f"{'adapter' if len(adapters) == 1 else 'adapters'} {_and(adapters)}."
        for (base, *adapters), done in phases.items()
    ]
    return [" ".join(said), ""] if said else []


def _and(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _preferred(
    layout: Format,
    prefer: Prefer | PairRule,
    judges: Sequence[Mapping[str, str]],
    checked: bool,
) -> str:
    if layout not in PAIR_FORMATS:
        return ""
    names = ", ".join(sorted({facts.get("model", "unknown") for facts in judges}))
    says = _UNCHECKED if prefer == "new" and not checked else _PREFERRED[prefer]
    more = _BROKEN if prefer in PAIR_RULES else ""
    more += _HALVES if layout == "kto" else ""
    return f": {says.format(judges=names)}{more}"


def _head(
    every: Mapping[str, License],
    lineage: Sequence[LineageEntry],
    written: Sequence[Exported],
    rows: int,
    name: str,
) -> str:
    from huggingface_hub import DatasetCardData

    splits = [{"split": of.split or "train", "path": of.path.name} for of in written]
    data = DatasetCardData(
        **_license_fields(every, lineage),
        task_categories=["text-generation"],
        tags=["sft", "system-messages", "synthetic", "sysgen"],
        size_categories=next((size for most, size in _SIZES if rows < most), "n>1M"),
        pretty_name=name,
        configs=[{"config_name": "default", "data_files": splits}],
    )
    return str(data.to_yaml())


def _license_fields(
    every: Mapping[str, License], lineage: Sequence[LineageEntry]
) -> dict[str, Any]:
    """The licence in the terms of the hub's cards: its identifier where there is one for all,
    `unknown` where that of no source is known, else `other` with a list of all of them."""
    ids = sorted({of.id for of in every.values()})
    if all(license_of(part.license).id == "unknown" for part in lineage):
        return {"license": "unknown"}
    if len(ids) > 1:
        details = ", ".join(ids)
        return {"license": "other", "license_name": "mixed", "license_details": details}
    if on_hub(ids[0]):
        return {"license": ids[0]}
    return {"license": "other", "license_name": ids[0]}


def _funnel(stats: Mapping[str, Any]) -> list[str]:
    rows = stats["rows"]
    body = [("input", f"{rows['input']:,}", "")]
    if rows["rejected"]:
        body.append(("rejected", f"{rows['rejected']:,}", _reasons(stats["rejects"])))
    for phase, of in stats["phases"].items():
        body.append((f"after {phase}", f"{of['kept']:,}", _reasons(of["dropped"])))
    if rows["pending"]:
        body.append(("not done yet", f"{rows['pending']:,}", ""))
    reviews = stats["reviews"]
    if any(reviews.values()):
        body.append(
            (
                "reviewed by a person",
                "",
                _reasons({decision_word(name): n for name, n in reviews.items()}),
            )
        )
    return _table("How many rows went through", ("step", "rows", "left out, and why"), body)


def _checks(stats: Mapping[str, Any]) -> list[str]:
    """The results of the checks, of all rows that reached that phase."""
    of = stats["checks"]
    facts = stats["recipes"].get("check", {}).get("facts", {})
    lines = [
        "## Checks",
        "",
        "A new answer has to keep what the original one had right and to do what the system "
        "message asks: by rule where a rule can tell (final results, code, what can be counted), "
        "else by the probability that a model gives it. One that fails is written again, the best "
        "stays, and a row none of whose answers passes is dropped. The figures are of all rows "
        "that were checked, dropped ones included.",
        "",
        f"- keeps what the original had right: {_reasons(_shares(of['agrees']))}",
        f"- does what it was told: {_mean(of['obeys'])}",
        f"- answers a row took: {_reasons({f'{n}:': rows for n, rows in of['tries'].items()})}",
    ]
    if of["faults"]:
        lines.append(f"- answers that were not taken: {_reasons(of['faults'])}")
    limits = {"tries": "answers a row may take", "min_agrees": "least probability that it agrees",
              "min_follows": "that it follows a phrase"}  # fmt: skip
    stated = [f"{words} {facts[name]}" for name, words in limits.items() if name in facts]
    if stated:
        lines.append(f"- limits: {', '.join(stated)}")
    body = [
        (KINDS.get(kind, kind), f"{n['looked_at']:,}", f"{n['held'] / n['looked_at']:.1%}")
        for kind, n in of["kinds"].items()
    ]
    table = _table("", ("an answer", "looked at", "held"), body)[1:] if body else [""]
    return [*lines, *table]


def _shares(agrees: Mapping[str, int]) -> dict[str, int]:
    names = {"yes": "yes", "no": "no", "not_checkable": "nothing to look at"}
    return {words: agrees[name] for name, words in names.items()}


def _mean(obeys: float | None) -> str:
    return "nothing to look at" if obeys is None else f"{obeys:.2f} in the mean (0 to 1)"


def _sources(
    stats: Mapping[str, Any], lineage: Sequence[LineageEntry], files: Sequence[SourceFile]
) -> list[str]:
    here = {part.dataset: part.rows for part in lineage}
    names = source_names(files)
    body = []
    for dataset, of in stats["datasets"].items():
        name = names.get(dataset, dataset)
        read = ", ".join(files_of(dataset, files))
        rows = f"{of['input']:,}", f"{here.get(name, 0):,}"
        body.append((_plain(name), _plain(read), of["license"] or "unknown", *rows))
    columns = ("dataset", "files, with their hashes", "licence", "rows in", "rows here")
    return _table("Sources", columns, body)


def _recipe(stats: Mapping[str, Any]) -> list[str]:
    shown = (
        "imported",
        "model",
        "lora",
        "judge",
        "prompt_set",
        "sampling",
        "seed",
        "min_p_good",
        "max_tokens",
        "turns",
        "shown",
        "tries",
        "min_agrees",
        "min_follows",
        "by_model",
    )
    body = []
    for phase, recipe in stats["recipes"].items():
        facts = public_facts(recipe["facts"])
        made_with = ", ".join(f"{key} {_plain(facts[key])}" for key in shown if key in facts)
        body.append((phase, made_with, recipe["fingerprint"][:12]))
    return _table("Recipe", ("phase", "made with", "fingerprint"), body)


def licenses(
    stats: Mapping[str, Any],
    lineage: Sequence[LineageEntry],
    judges: Iterable[Mapping[str, str]] = (),
) -> dict[str, License]:
    """Name -> licence of every dataset with written rows, of imported phrases, and of every model
    that wrote or judged the rows. `judges` as in `generators`."""
    return {part.dataset: license_of(part.license) for part in lineage} | generators(stats, judges)


def _licenses(every: Mapping[str, License]) -> list[str]:
    body = [(_plain(name), of.id, of.kind, of.asks) for name, of in every.items()]
    lines = _table("Licences", ("of", "licence", "kind", "asks of you"), body)
    if any(of.kind == "non-commercial" for of in every.values()):
        lines += ["**Something in the lineage rules out commercial use.**", ""]
    return lines


def _table(title: str, columns: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rule = "|".join("---" for _ in columns)
    rows = [f"| {' | '.join(row)} |" for row in (columns, *body)]
    return [f"## {title}", "", rows[0], f"|{rule}|", *rows[1:], ""]


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {n:,}" for reason, n in reasons.items() if n)


def _plain(text: str) -> str:
    """The text escaped for a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")
