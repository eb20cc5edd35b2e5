"""Nodes of a Ray cluster: one is removed, others join, and one cannot be used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import all_ready, engine, put_helpers_on_path, request

from sysgen_local.core.errors import UsageError
from sysgen_local.engine.request import Request


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without CPUs, to which nodes can be added."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    from ray.cluster_utils import Cluster

    put_helpers_on_path(monkeypatch)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield started
    __import__("ray").shutdown()
    started.shutdown()


@pytest.mark.parametrize("workers", [None, 2])
def test_a_node_is_removed_and_others_join(cluster: Any, workers: int | None):
    cluster.add_node(num_cpus=1)
    second = cluster.add_node(num_cpus=1)
    one = engine(ray=cluster.address, workers=workers)
    all_ready(one, 2)
    assert str(one.workers) == "2 workers on 2 nodes"
    done, removed, joined, wanted = [], False, False, workers or 3

    def source() -> Iterator[Request]:
        number = 0
        while number < 50 or not joined or one.workers.ready < wanted:
            number += 1
            assert number < 5000, one.workers
            yield request(number)
        asked.append(number)

    asked: list[int] = []
    for completion in one.complete(source()):
        done.append(completion.id)
        if len(done) == 20:
            removed = not cluster.remove_node(second, allow_graceful=False)
        elif removed and not joined and one.workers.nodes == 1:
            assert one.workers.ready == 1
            cluster.add_node(num_cpus=1)
            joined = bool(cluster.add_node(num_cpus=1))
    assert sorted(done) == sorted(request(n + 1).id for n in range(asked[0]))
    # Without a number, each node has a worker; with one, the lost worker comes back.
    all_ready(one, wanted)
    assert str(one.workers) == ("2 workers on 2 nodes" if workers else "3 workers on 3 nodes")
    one.close()


def test_a_node_without_the_package_is_named(cluster: Any, tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['sysgen_local'] = None\n"  # as where it is not installed
    )
    cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(tmp_path)})
    began = time.monotonic()
    with pytest.raises(UsageError, match="has no Python module sysgen_local") as found:
        engine(ray=cluster.address)
    assert "pip install 'sysgen-local[ray]==" in found.value.hint
    assert time.monotonic() - began < 60
