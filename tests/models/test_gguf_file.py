"""A GGUF's identity, and whether it is sound and can chat."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.gguf_parts import size_of
from sysgen_local.core.resources import resource
from sysgen_local.models import check, fingerprint

BUILTIN = resource("builtin_model/builtin.gguf")
MIB = 1 << 20


def test_the_fingerprint_sees_every_region(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    content = bytearray(os.urandom(12 * MIB))
    file.write_bytes(content)
    seen = {fingerprint(file)}
    # first MiB, a block between, last MiB, and the size
    for place in (100, MIB, 11 * MIB - 1, 12 * MIB - 1):
        content[place] ^= 1
        file.write_bytes(content)
        seen.add(fingerprint(file))
    file.write_bytes(content + b"\0")
    seen.add(fingerprint(file))
    assert len(seen) == 6


def test_the_fingerprint_of_a_small_file_is_exact(tmp_path: Path) -> None:
    file = tmp_path / "small.gguf"
    file.write_bytes(b"GGUF" + bytes(3 * MIB))
    before = fingerprint(file)
    assert re.fullmatch("[0-9a-f]{64}", before)
    content = bytearray(file.read_bytes())
    content[2 * MIB] = 1
    file.write_bytes(content)
    assert fingerprint(file) != before


def test_the_fingerprint_of_a_split_model_sees_all_its_parts(tmp_path: Path) -> None:
    first, second = (tmp_path / f"m-0000{i}-of-00002.gguf" for i in (1, 2))
    first.write_bytes(b"GGUF one")
    alone = fingerprint(first)
    second.write_bytes(b"GGUF two")
    whole = fingerprint(first)
    second.write_bytes(b"GGUF three")
    assert len({alone, whole, fingerprint(first)}) == 3
    assert size_of(first) == size_of(second) == 18


def gguf(path: Path, architecture: str = "llama", template: str | None = "{{ x }}", **more: object):
    """A small GGUF with real structure and no sense."""
    import numpy as np
    from gguf import GGUFWriter

    writer = GGUFWriter(path, architecture)
    writer.add_context_length(2048)
    writer.add_file_type(15)
    writer.add_token_list(["a", "bb", "ccc"])
    if template is not None:
        writer.add_chat_template(template)
    for key, value in more.items():
        if isinstance(value, bool):
            writer.add_bool(key.replace("__", "."), value)
        elif isinstance(value, int):
            writer.add_uint16(key.replace("__", "."), value)
        else:
            writer.add_string(key.replace("__", "."), str(value))
    writer.add_tensor("output.weight", np.zeros((32, 64), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _text(path: Path) -> Path:
    path.write_text("hello")
    return path


def test_check_reads_the_header(tmp_path: Path) -> None:
    report = check(gguf(tmp_path / "m.gguf", template="{% if enable_thinking %}x{% endif %}"))
    assert (report.architecture, report.quantisation) == ("llama", "q4_k_m")
    assert (report.context, report.vocabulary) == (2048, 3)
    assert (report.parameters, report.tensors, report.thinking) == (2048, 1, True)
    assert check(BUILTIN).vocabulary == 10240


@pytest.mark.parametrize("kept", [6, 100, 20_000, 2_000_000, -1])
def test_check_notices_a_file_cut_anywhere(tmp_path: Path, kept: int) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(BUILTIN.read_bytes()[:kept])
    with pytest.raises(SysgenError, match=r"short\.gguf is cut short") as raised:
        check(short)
    assert "fetch it again" in str(raised.value.hint)


def test_check_notices_a_damaged_header(tmp_path: Path) -> None:
    content = bytearray(BUILTIN.read_bytes())
    content[4] = 99
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(content)
    with pytest.raises(SysgenError, match=r"bad\.gguf has a damaged header"):
        check(bad)


def test_check_refuses_what_cannot_chat(tmp_path: Path) -> None:
    refused = {
        "has no chat template": gguf(tmp_path / "base.gguf", template=None),
        "is an embedding model \\(nomic-bert\\)": gguf(tmp_path / "bert.gguf", "nomic-bert"),
        "is an embedding model \\(qwen3\\)": gguf(
            tmp_path / "embed.gguf", "qwen3", qwen3__pooling_type=3
        ),
        "accessory of one \\(image encoder\\)": gguf(tmp_path / "mmproj.gguf", "clip"),
        "accessory of one \\(adapter\\)": gguf(tmp_path / "lora.gguf", general__type="adapter"),
        "is not a GGUF file": _text(tmp_path / "text.gguf"),
        "is one of 2 parts and m-00002": gguf(tmp_path / "m-00001-of-00002.gguf", split__count=2),
    }
    for message, path in refused.items():
        with pytest.raises(UsageError, match=message) as raised:
            check(path)
        assert str(path) in raised.value.message
        assert raised.value.hint
    gguf(tmp_path / "m-00002-of-00002.gguf", split__count=2)
    both = [tmp_path / f"m-0000{i}-of-00002.gguf" for i in (1, 2)]
    whole = check(both[0])
    assert whole.tensors == 2
    assert whole.size == sum(part.stat().st_size for part in both)
    with pytest.raises(UsageError, match="not the first of its 2 parts"):
        check(tmp_path / "m-00002-of-00002.gguf")
