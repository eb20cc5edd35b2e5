"""Recipes in tables of their own, found by fingerprint, also by the one of an older version."""

from __future__ import annotations

from collections.abc import Mapping

from sysgen_local.store.database import Database


def number(
    db: Database,
    table: str,
    key: str,
    numbers: Mapping[str, int],
    fingerprint: str,
    facts: Mapping[str, str],
    older: str | None,
) -> int | None:
    """The number of the recipe with this fingerprint, or None where the table has none.

    `numbers` maps the fingerprints in the table to their numbers. Where only `older` is there, the
    fingerprint that an older version gave to the same recipe, its row gets the new fingerprint and
    the new facts.
    """
    if fingerprint in numbers or older not in numbers:
        return numbers.get(fingerprint)
    assert older is not None
    with db.transaction():
        db.do(
            f"UPDATE {table} SET fingerprint = $1, facts = $2::MAP(VARCHAR, VARCHAR) "
            f"WHERE {key} = $3",
            fingerprint,
            dict(facts),
            numbers[older],
        )
    return numbers[older]
