"""Recipes in tables of their own, by fingerprint, also those that an older version noted."""

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
    """The number that this recipe has in the table, among these numbers by fingerprint. One that
    an older version noted as `older` goes by this fingerprint and these facts from now on."""
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
