"""Writes the dataset card: what the data is, how it was made, and what its licences require.

The head is metadata for the Hugging Face hub. The hub shows the card as README.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sysgen_local import __version__
from sysgen_local.core.records import KINDS
from sysgen_local.exporting.licenses import License, LicenseKind, license_of
from sysgen_local.exporting.write import Exported
from sysgen_local.store import LineageEntry, Variant

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_STRICTEST: tuple[LicenseKind, ...] = (
    "unknown",
    "non-commercial",
    "terms",
    "share-alike",
    "permissive",
)
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


_PREFERRED = (
    ": the answer that stays is preferred over one of the same row that failed the checks, or over "
    "the original one where none did"
)


def generators(stats: Mapping[str, Any]) -> dict[str, License]:
    """Model -> its licence, for every model that wrote or judged the rows."""
    facts = (recipe["facts"] for recipe in stats["recipes"].values())
    return {
        fact["model"]: license_of(fact.get("model_license")) for fact in facts if "model" in fact
    }


def card(
    stats: Mapping[str, Any],
    written: Sequence[Exported],
    lineage: Sequence[LineageEntry],
    *,
    name: str,
    layout: str,
    variant: Variant,
    notes: Sequence[str] = (),
) -> str:
    """The whole card as Markdown. `stats` is the result of `Store.stats`, `lineage` the sources of
    the written rows, `notes` sentences about rows that were left out."""
    rows = sum(of.rows for of in written)
    checked = "check" in stats["phases"] and variant == "full"
    lines = [
        "---",
        _head([*licenses(stats, lineage).values()], written, rows, name).strip(),
        "---",
        "",
        f"# {name}",
        "",
        f"{rows:,} rows, {_HOLDS[variant]}. Made with sysgen-local {__version__} by the SysGen "
        "method (arXiv 2502.11330): a model wrote a system message for each row as phrases under "
        "eight functionality tags, the phrases were filtered, each was judged by a model, and the "
        f"row was answered anew under what was left{', and checked' if checked else ''}. The "
        f"layout is `{layout}`{_PREFERRED if layout == 'dpo' and checked else ''}.",
        "",
        *_table("Files", ("file", "rows"), [(f.path.name, f"{f.rows:,}") for f in written]),
        *(f"- {note}" for note in notes),
        *([""] if notes else []),
        *_funnel(stats),
        *(_checks(stats) if checked else ()),
        *_sources(stats, lineage),
        *_recipe(stats),
        *_licenses(stats, lineage),
        "## Citation",
        "",
        "```bibtex",
        _CITATION,
        "```",
        "",
    ]
    return "\n".join(lines)


def _head(every: list[License], written: Sequence[Exported], rows: int, name: str) -> str:
    from huggingface_hub import DatasetCardData

    strictest = min(every, key=lambda of: _STRICTEST.index(of.kind), default=license_of(None))
    one = len({of.id for of in every}) == 1 and strictest.kind != "unknown"
    splits = [{"split": of.split or "train", "path": of.path.name} for of in written]
    data = DatasetCardData(
        license=strictest.id if one else "other",
        license_name=None if one else "mixed",
        task_categories=["text-generation"],
        tags=["sft", "system-messages", "synthetic", "sysgen"],
        size_categories=next((size for most, size in _SIZES if rows < most), "n>1M"),
        pretty_name=name,
        configs=[{"config_name": "default", "data_files": splits}],
    )
    return str(data.to_yaml())


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
        body.append(("reviewed by a person", "", _reasons(reviews)))
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


def _sources(stats: Mapping[str, Any], lineage: Sequence[LineageEntry]) -> list[str]:
    here = {part.dataset: part.rows for part in lineage}
    body = [
        (_plain(name), of["license"] or "unknown", f"{of['input']:,}", f"{here.get(name, 0):,}")
        for name, of in stats["datasets"].items()
    ]
    return _table("Sources", ("dataset", "licence", "rows in", "rows here"), body)


def _recipe(stats: Mapping[str, Any]) -> list[str]:
    shown = (
        "imported",
        "model",
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
        facts = recipe["facts"]
        made_with = ", ".join(f"{key} {_plain(facts[key])}" for key in shown if key in facts)
        body.append((phase, made_with, recipe["fingerprint"][:12]))
    return _table("Recipe", ("phase", "made with", "fingerprint"), body)


def licenses(stats: Mapping[str, Any], lineage: Sequence[LineageEntry]) -> dict[str, License]:
    """Name -> licence of every dataset with written rows, of imported phrases, and of every model
    that wrote or judged the rows."""
    return {part.dataset: license_of(part.license) for part in lineage} | generators(stats)


def _licenses(stats: Mapping[str, Any], lineage: Sequence[LineageEntry]) -> list[str]:
    every = licenses(stats, lineage)
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
