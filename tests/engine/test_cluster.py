"""Workers on a Ray cluster: lost, restarted, restarted again; the answers are the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import lora
import pytest
from clusters import BROKEN, DEADLY, all_ready, engine, put_helpers_on_path, request

import sysgen_local
from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.model_files import ModelFiles
from sysgen_local.engine.cluster import connection
from sysgen_local.engine.cluster.loads import Loads
from sysgen_local.engine.cluster.shares import Share, parse_resources, shares
from sysgen_local.engine.options import Options
from sysgen_local.engine.request import (
    Completion,
    Costs,
    Json,
    Load,
    Message,
    Request,
    Sampling,
    Segment,
)

CPU = {"CPU": 8.0, "memory": 1e9}
GPUS = {"CPU": 16.0, "GPU": 4.0}


def test_a_worker_takes_a_gpu_or_else_a_node():
    assert shares([CPU, CPU], Options()) == {Share(8): 2}
    assert shares([CPU, {"CPU": 64.0}], Options()) == {Share(8): 1, Share(64): 1}
    assert shares([GPUS, GPUS, CPU], Options()) == {Share(1, 1): 8}
    assert shares([GPUS], Options(worker_gpus=0, worker_cpus=4)) == {Share(4): 4}
    assert shares([GPUS], Options(worker_gpus=0.5)) == {Share(1, 0.5): 8}
    assert shares([{"memory": 1.0}], Options()) == {}


def test_a_number_of_workers_shares_the_cpus_there_are():
    assert shares([CPU], Options(workers=2)) == {Share(4): 2}
    assert shares([CPU], Options(workers=3)) == {Share(2): 3}
    assert shares([CPU, {"CPU": 64.0}], Options(workers=1)) == {Share(64): 1}
    assert shares([CPU, CPU], Options(workers=2)) == {Share(8): 2}
    with pytest.raises(UsageError, match="no room for 9 workers"):
        shares([CPU], Options(workers=9))
    # Where the share is given, Ray waits for nodes that hold it.
    assert shares([CPU], Options(workers=9, worker_cpus=4)) == {Share(4): 9}


def test_workers_go_where_the_resources_are():
    marked = {**CPU, "big": 2.0}
    others = (("big", 1.0),)
    assert shares([CPU, marked], Options(worker_resources="big=1")) == {Share(8, 0, others): 1}
    assert shares([CPU, marked], Options(worker_resources="big=1", worker_cpus=2)) == {
        Share(2, 0, others): 2
    }
    assert parse_resources("a=1, b=0.5") == (("a", 1.0), ("b", 0.5))


@pytest.mark.parametrize(
    "text", ["big", "=1", "big=", "big=0", "big=-1", "big=x", "a=1,", "big=nan"]
)
def test_resources_that_are_none(text: str):
    with pytest.raises(UsageError, match="--worker-resources cannot be"):
        parse_resources(text)


def test_the_load_of_workers_is_that_of_one_engine_with_all_slots():
    from sysgen_local.engine.request import Workers

    loads = Loads()
    costs = Costs(0.02, 0.001, 0.004)
    one = Load(0, 0, 0, 16, (), costs)
    for seconds in range(1, 11):  # ten steps a second each, 100 tokens read and 50 written
        for worker in "ab":
            done = one._replace(steps=10 * seconds, read=100 * seconds, written=50 * seconds)
            loads.add(worker, done, 2)
    both = loads.sum(Workers(2, 2, 1))
    assert (both.steps, both.read, both.written, both.slots) == (100, 2000, 1000, 32)
    explained = both.costs.fixed * both.steps
    explained += both.costs.read * both.read + both.costs.written * both.written
    assert explained == pytest.approx(100 * 0.02 + 1000 * 0.001 + 500 * 0.004)
    loads.drop("a")
    loads.add("a", one._replace(steps=5), 2)  # counts from the beginning again
    assert loads.sum(Workers(2, 2, 1)).read == 2000


@pytest.mark.parametrize("address", ["rows.jsonl", "ray://host:10001", "host", "host:port"])
def test_what_is_no_address(address: str):
    with pytest.raises(UsageError, match="address"):
        connection.require_form(address)


def test_without_ray_one_sentence_says_what_installs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UsageError, match="--ray needs the library ray") as found:
        connection.connect("local")
    assert found.value.hint == "pip install 'sysgen-local[ray]'"


@pytest.fixture(scope="module")
def local_ray() -> Iterator[Any]:
    """A cluster of this machine, with two CPUs."""
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    with pytest.MonkeyPatch.context() as patch:
        put_helpers_on_path(patch)
        # What `connect` does on a machine with two CPUs.
        patch.setenv("RAY_OVERRIDE_RESOURCES", '{"CPU": 2}')
        connection.connect("local")
        yield ray
        ray.shutdown()


def pids(done: list[Any]) -> set[str]:
    return {completion.text.split()[1] for completion in done}


def answers(done: Iterable[Completion]) -> dict[str, tuple[object, ...]]:
    return {c.id: (c.text, c.finish, c.tokens_in, c.tokens_out) for c in done}


def test_the_answers_are_those_of_one_process(local_ray: Any, builtin: Path):
    from sysgen_local.engine.factory import open_engine

    said = [f"Name {n} things that one finds in a kitchen, and say why." for n in range(2, 14)]
    requests = []
    for n, text in enumerate(said):
        messages = (Message("user", (Segment(text, trusted=False),)),)
        drawn = Sampling(temperature=0.9, top_p=0.95)
        requests.append(Request(f"{n}:text", "text", messages, None, drawn, 60, seed=n))
        grammar = Json('{"type":"array","items":{"type":"string"},"maxItems":4}')
        requests.append(Request(f"{n}:json", "json", messages, grammar, drawn, 60, seed=n))
    alone = open_engine(ModelFiles(builtin), Options(slots=4))
    expected = answers(alone.complete(requests))
    alone.close()
    together: Any = open_engine(ModelFiles(builtin), Options(slots=4, ray="local", workers=2))
    all_ready(together, 2)
    done = answers(together.complete(requests))
    load = together.load()
    together.close()
    assert done == expected
    assert load.slots == 8
    assert "2 workers on 1 node, each with builtin.gguf" in together.description


def test_workers_apply_the_adapters_that_they_find(local_ray: Any, builtin: Path, tmp_path: Path):
    from sysgen_local.engine.factory import open_engine
    from sysgen_local.models import place, resolve
    from sysgen_local.models.copies import finder

    strong = lora.adapter(tmp_path / "strong.gguf", builtin, size=2.0)
    model: Any = resolve(f"builtin+{strong}=0.5")
    asked = [request(n, f"Name {n} colours.") for n in range(2, 6)]
    alone = open_engine(place(model), Options(slots=2))
    expected = answers(alone.complete(asked))
    alone.close()
    options = Options(slots=2, ray="local", workers=1)
    together = open_engine(place(model), options, find=finder(model))
    done = answers(together.complete(asked))
    assert done == expected
    assert "LoRA strong.gguf at scale 0.5" in together.description
    together.close()
    find = finder(model)
    strong.unlink()
    with pytest.raises(UsageError, match=r"worker on [\d.]+: the LoRA adapter .*strong\.gguf does"):
        _ = open_engine(place(model), options, find=find).description


def test_a_killed_worker_loses_and_doubles_nothing(local_ray: Any):
    said: list[str] = []
    one = engine(said=said)
    all_ready(one, 2)
    done = []
    for completion in one.complete(request(n) for n in range(100)):
        done.append(completion)
        if len(done) == 20:
            assert len(pids(done)) == 2
            victim = int(done[-1].text.split()[1])
            os.kill(victim, signal.SIGKILL)
    assert sorted(c.id for c in done) == sorted(request(n).id for n in range(100))
    assert "is lost" in said[0]
    assert "handed out again" in said[0]
    all_ready(one, 2)  # Ray restarted it
    assert str(one.workers) == "2 workers on 1 node"
    one.close()


@pytest.mark.parametrize("stalls", [False, True])
def test_the_requests_of_a_row_stay_with_one_worker(local_ray: Any, stalls: bool):
    """Also where one worker stands still while the other does many rows."""
    one = engine()
    all_ready(one, 2)
    rows: dict[str, set[str]] = {}
    ready = [request(n) for n in range(80)]
    stalled: str | None = None

    def source() -> Iterator[Request | None]:
        while len(rows) < 80 or ready:
            yield ready.pop(0) if ready else None

    for number, completion in enumerate(one.complete(source())):
        row, part = completion.id.split(":")
        worker = completion.text.split()[1]
        rows.setdefault(row, set()).add(worker)
        if int(part) < 3:
            ready.insert(0, request(int(row), part=int(part) + 1))
        if stalls and number == 20:
            stalled = worker
            os.kill(int(stalled), signal.SIGSTOP)
        if stalled and number == 140:
            os.kill(int(stalled), signal.SIGCONT)
    assert all(len(workers) == 1 for workers in rows.values())
    assert len(set.union(*rows.values())) == 2
    one.close()


def test_what_is_dropped_does_not_come_later(local_ray: Any):
    one = engine()
    first = one.complete(request(n, "first") for n in range(50))
    next(first)
    first.close()
    done = list(one.complete(request(n, "second") for n in range(50)))
    assert len(done) == 50
    assert all(c.text.startswith("second") for c in done)
    taken = 0
    for _ in one.complete(request(n) for n in range(500)):
        taken += 1
        one.cancel()
    assert taken < 50
    one.close()


def test_waiting_for_a_worker_can_be_cancelled(local_ray: Any):
    """There is no room for it: the first Ctrl-C ends the wait."""
    one = engine(workers=1, worker_cpus=1000)
    one.cancel()
    assert one.slot_tokens == 0
    assert one.description == "0 of 1 worker on 0 nodes"
    assert not list(one.complete([request(1)]))
    one.close()


def test_a_request_that_kills_its_workers_ends_alone(local_ray: Any):
    one = engine(workers=2)
    wanted = [request(n, DEADLY if n == 7 else "hello") for n in range(30)]
    done = {completion.id: completion for completion in one.complete(wanted)}
    assert len(done) == 30
    assert done["7:0"].finish == "failed"
    assert done["7:0"].text == "4 workers died while they worked on it"
    assert sum(c.finish == "failed" for c in done.values()) == 1
    one.close()


def test_an_engine_that_fails_ends_the_run_with_its_sentence(local_ray: Any):
    one = engine()
    with pytest.raises(SysgenError, match=r"worker on [\d.]+: the weights are damaged"):
        list(one.complete([request(1), request(2, BROKEN)]))
    one.close()


def test_another_version_is_named(local_ray: Any, monkeypatch: pytest.MonkeyPatch):
    here = sysgen_local.__version__
    monkeypatch.setattr(sysgen_local, "__version__", "9.9.9")
    with pytest.raises(UsageError, match=f"has sysgen-local {here}, and this machine has 9.9.9"):
        _ = engine().description
    with pytest.raises(UsageError, match=r"the node .* has sysgen-local"):
        connection.require_versions(local_ray)


def test_a_worker_that_comes_back_with_another_version_is_left_out(
    local_ray: Any, monkeypatch: pytest.MonkeyPatch
):
    said: list[str] = []
    one = engine(said=said)
    all_ready(one, 2)
    monkeypatch.setattr(sysgen_local, "__version__", "9.9.9")
    done = []
    for completion in one.complete(request(n) for n in range(200)):
        done.append(completion)
        if len(done) == 10:
            os.kill(int(done[-1].text.split()[1]), signal.SIGKILL)
    assert len({completion.id for completion in done}) == 200
    assert "and this machine has 9.9.9" in said[-1]
    assert str(one.workers) == "1 worker on 1 node"
    one.close()


def test_a_model_that_a_node_does_not_have(local_ray: Any, builtin: Path, tmp_path: Path):
    from sysgen_local.engine.factory import open_engine
    from sysgen_local.models.copies import find_copy

    options = Options(ray="local", workers=1)
    nowhere = partial(find_copy, str(tmp_path / "none.gguf"), "0" * 64)
    with pytest.raises(UsageError, match=r"worker on [\d.]+: cannot read .*none.gguf"):
        _ = open_engine(ModelFiles(builtin), options, find=nowhere).description
    other = partial(find_copy, str(builtin), "0" * 64)
    with pytest.raises(UsageError, match=r"worker on [\d.]+: .*builtin.gguf is another file"):
        _ = open_engine(ModelFiles(builtin), options, find=other).description
