"""Who gets into a batch: nobody who writes waits, and short stretches cost no pass of their own."""

from types import SimpleNamespace

from sysgen_local.engine.scheduler import TRICKLE, Scheduler


def lengths(batch_size: int, *waiting: int) -> list[int]:
    scheduler = Scheduler(batch_size)
    scheduler.running = [SimpleNamespace(waiting=n, slot=i) for i, n in enumerate(waiting)]
    shares = {share.sequence.slot: share.length for share in scheduler.schedule()}
    return [shares.get(slot, 0) for slot in range(len(waiting))]


def test_those_who_write_get_in_before_long_prompts():
    assert lengths(10, 100, 1, 1, 50) == [0, 1, 1, 8]


def test_a_short_stretch_goes_in_piecemeal_beside_others():
    assert lengths(512, 1, 3, 1) == [1, 1, 1]
    assert lengths(512, 1, TRICKLE + 1) == [1, TRICKLE + 1]


def test_and_whole_where_nobody_writes():
    assert lengths(512, 3, 60) == [3, 60]
