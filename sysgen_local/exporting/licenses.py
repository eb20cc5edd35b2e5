"""Known licences: what each one requires of the user of the data. Facts, not legal advice.

Identifiers are those of the hub's cards (`license:` in a card's head), in lower case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sysgen_local.core.counted import counted
from sysgen_local.core.errors import UsageError
from sysgen_local.store import IMPORTED, LineageEntry

LicenseKind = Literal["permissive", "share-alike", "terms", "non-commercial", "unknown"]
"""permissive: requires credit at most. share-alike: derived data must have the same licence. terms:
a vendor's own conditions. non-commercial: no commercial use. unknown: not stated or not listed
here."""


@dataclass(frozen=True, slots=True)
class License:
    """`asks` is one sentence: what the user must do with data under this licence, or written by a
    model under it."""

    id: str
    kind: LicenseKind
    asks: str


_CREDIT = "Keep its copyright notice and say where the data comes from."
_NC = "Not for commercial use; data and models made of it inherit that."
_LLAMA = (
    "A model that is trained on its output and distributed must have a name that begins with "
    '"Llama" and show "Built with Llama"; its acceptable use policy goes with it.'
)
_LLAMA_ONLY = "Its output must not be used to improve language models other than Llama's own."
_GEMMA = (
    "A model trained to behave like it on its output counts as a derivative: the Gemma terms and "
    "their use restrictions must be passed on with it."
)
_RAIL = "Its use restrictions must be passed on to everyone who gets the data or a model of it."
_SHARE = "What is made of it must be given on under the same licence, with credit."

_KNOWN: dict[LicenseKind, dict[str, str]] = {
    "permissive": {
        **dict.fromkeys(("apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause"), _CREDIT),
        **dict.fromkeys(("isc", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "odc-by"), _CREDIT),
        **dict.fromkeys(("cdla-permissive-1.0", "cdla-permissive-2.0"), _CREDIT),
        **dict.fromkeys(("cc0-1.0", "pddl", "unlicense"), "Nothing."),
    },
    "share-alike": dict.fromkeys(
        ("cc-by-sa-3.0", "cc-by-sa-4.0", "odbl", "gpl-3.0", "agpl-3.0", "cdla-sharing-1.0"), _SHARE
    ),
    "terms": {
        **dict.fromkeys(("llama3.1", "llama3.2", "llama3.3", "llama4"), _LLAMA),
        **dict.fromkeys(("llama2", "llama3"), _LLAMA_ONLY),
        "gemma": _GEMMA,
        **dict.fromkeys(("openrail", "openrail++", "bigscience-openrail-m"), _RAIL),
        **dict.fromkeys(("bigscience-bloom-rail-1.0", "bigcode-openrail-m"), _RAIL),
        "creativeml-openrail-m": _RAIL,
    },
    "non-commercial": dict.fromkeys(
        ("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
         "cc-by-nc-nd-4.0", "qwen-research", "mrl", "fair-noncommercial-research-license"), _NC
    ),
}  # fmt: skip


_NOT_ON_HUB = ("qwen-research", "mrl")
"""Licences of the list above that the hub's cards have no identifier for."""


def on_hub(id_: str) -> bool:
    """Whether this is an identifier of the hub's cards (`license:`), as far as is known here."""
    return license_of(id_).kind != "unknown" and id_ not in _NOT_ON_HUB


def license_of(name: str | None) -> License:
    """The licence with this identifier; its kind is `unknown` for None and for unlisted ones."""
    id_ = (name or "").strip().lower()
    for kind, members in _KNOWN.items():
        if id_ in members:
            return License(id_, kind, members[id_])
    asks = "Nobody said under which licence it stands: find out before you give anything on."
    if id_ and id_ not in ("unknown", "other"):
        asks = f"The licence {id_} is not known here: read it before you give anything on."
    return License(id_ or "unknown", "unknown", asks)


def permit(lineage: Iterable[LineageEntry], models: Mapping[str, License]) -> None:
    """Raises UsageError if rows or models have a licence that is not permissive, and names them."""
    ways = []
    wrong = [
        f"{counted(part.rows, 'row')}{_of(part)} ({_span(part)}) under {found.id}"
        for part in lineage
        if (found := license_of(part.license)).kind != "permissive"
    ]
    if wrong:
        ways += [
            "leave them out (--where \"license = 'mit'\")",
            "say a source's licence where you know it (`sysgen run INPUT --license ID`)",
        ]
    models = {name: of for name, of in models.items() if of.kind != "permissive"}
    if models:
        ways.append("write or judge with another model")
    wrong += [
        f"all rows were written or judged by {model}, under {found.id}"
        for model, found in models.items()
    ]
    if wrong:
        raise UsageError(
            f"not permissive: {'; '.join(wrong)}",
            hint=", or ".join(ways),
        )


def _span(part: LineageEntry) -> str:
    first, last = part.first, part.last
    return f"row {first}" if first == last else f"rows {first} to {last}"


def _of(part: LineageEntry) -> str:
    return f" with {IMPORTED}" if part.dataset == IMPORTED else f" of {part.dataset}"
