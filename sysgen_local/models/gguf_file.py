"""GGUF files: fingerprint, checks, and the header. It never loads the weights."""

from __future__ import annotations

import glob
import hashlib
import re
import shlex
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysgen_local.core.errors import SysgenError, UsageError
from sysgen_local.core.gguf_parts import parts_of

MAGIC = b"GGUF"
_MIB = 1 << 20
_BLOCK = 64 << 10
_BLOCKS = 64
_SMALL = 8 * _MIB
_AGAIN = "fetch it again (`sysgen models pull NAME --force`) or copy it again"
_LENGTH = struct.Struct("<Q")


def fingerprint(path: Path) -> str:
    """The identity of a GGUF file as 64 hex digits, without reading all of it.

    Of a split GGUF it is a SHA-256 over the identities of its parts. Of a file it is one over the
    size (8 bytes, little endian), the first MiB, the last MiB, and 64 evenly spaced blocks of
    64 KiB between them. For a file smaller than 8 MiB it is over the size and the whole file. The
    first MiB has names and hyperparameters, and the blocks are from all regions of the weights, so
    two models or two quantisations differ. A single changed byte in the weights may not be detected
    (`models pull` compares the full hash).
    """
    parts = [part for part in parts_of(path) if part.is_file()]
    if len(parts) > 1:
        return hashlib.sha256("".join(map(_of_file, parts)).encode()).hexdigest()
    return _of_file(path)


def _of_file(path: Path) -> str:
    size = path.stat().st_size
    digest = hashlib.sha256(size.to_bytes(8, "little"))
    with path.open("rb") as file:
        if size < _SMALL:
            digest.update(file.read())
            return digest.hexdigest()
        digest.update(file.read(_MIB))
        room = size - 2 * _MIB - _BLOCK
        for i in range(_BLOCKS):
            file.seek(_MIB + room * i // (_BLOCKS - 1))
            digest.update(file.read(_BLOCK))
        file.seek(size - _MIB)
        digest.update(file.read(_MIB))
    return digest.hexdigest()


def require_gguf(path: Path) -> None:
    """Raises UsageError unless `path` is a readable file that begins with GGUF's magic bytes."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a GGUF file", hint=_inside(path))
    try:
        magic = _magic(path)
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}",
            hint="`sysgen models list` shows the models known by name",
        ) from error
    if magic != MAGIC:
        _refuse_piece(path)
        raise UsageError(
            f"{path} is not a GGUF file",
            hint="llama.cpp's convert_hf_to_gguf.py makes one from a model's safetensors",
        )


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


# Names of pieces on hubs: m.gguf-split-a, m.gguf.part1of2, m.gguf.aa, m.gguf.001, m.part2.gguf
_PIECE = re.compile(
    r"(?P<whole>.+\.gguf)[._-]?(split[._-]?|part[._-]?)?([a-z]{1,2}|\d+)([._-]?of[._-]?\d+)?"
    r"|(?P<stem>.+?)[._-](part[._-]?\d+([._-]?of[._-]?\d+)?|\d+[._-]of[._-]\d+)\.gguf",
    re.IGNORECASE,
)


def _refuse_piece(path: Path) -> None:
    """Raises UsageError where the name of a broken file is that of a piece of a GGUF file that was
    cut at arbitrary bytes."""
    found = _PIECE.fullmatch(path.name)
    if found is None:
        return
    whole = found["whole"] or f"{found['stem']}.gguf"
    begin = path.name[: len(found["whole"] or found["stem"])]
    beside = sorted(
        p.name for p in path.parent.glob(f"{glob.escape(begin)}*")
        if (other := _PIECE.fullmatch(p.name))
        and (other["whole"] or f"{other['stem']}.gguf") == whole
    )  # fmt: skip
    if found["stem"] and all(_magic(path.with_name(name)) == MAGIC for name in beside):
        return  # parts that llama.cpp's own split made
    pieces = " ".join(map(shlex.quote, beside))
    into = whole if whole not in beside else f"whole-{whole}"
    raise UsageError(
        f"{path} is a raw piece of a GGUF that was cut up: llama.cpp cannot load pieces",
        hint=f"put all of them together in their order, `cat {pieces} > {shlex.quote(into)}`, and "
        "name that file",
    )


def _inside(folder: Path) -> str:
    """The hint for a folder: which file in it to name."""
    files = [p for p in sorted(folder.glob("*.gguf")) if not _LATER_PART.search(p.name)]
    if files:
        more = f", or another of the {len(files)} in it" if len(files) > 1 else ""
        return f"name the file in it: {files[0]}{more}"
    if (folder / "config.json").exists() or any(folder.glob("*.safetensors")):
        return (
            "it holds a model for other programs: llama.cpp's convert_hf_to_gguf.py makes a GGUF "
            "of it; `sysgen models list` shows models that come as one"
        )
    return "there is no .gguf file in it; `sysgen models list` shows the models known by name"


_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$")


@dataclass(frozen=True, slots=True)
class GgufInfo:
    """Data from the header of a GGUF file; of a split one, from those of all parts.

    `size` is in bytes, `context` in tokens. `kind` is `model`, or what accessory of a model it is.
    `embeds`: it is an embedding model. `has_template`: it has a chat template.
    """

    path: Path
    size: int
    name: str
    kind: str
    embeds: bool
    has_template: bool
    architecture: str
    parameters: int
    quantisation: str
    context: int | None
    vocabulary: int
    tensors: int
    thinking: bool
    license: str | None


def check(path: Path) -> GgufInfo:
    """Reads the header and compares the offsets of the tensors with the file's size.

    Raises UsageError where the file is no GGUF, no chat model, or no language model, and
    SysgenError where it is cut short or damaged. Each error has a hint.
    """
    info = read_info(path)
    if info.kind == "adapter":
        raise UsageError(
            f"{path} is no language model but an accessory of one (adapter)",
            hint=f"name its base, and the adapter behind it: MODEL+{path.name}, or --lora {path}",
        )
    if info.kind != "model":
        raise UsageError(
            f"{path} is no language model but an accessory of one ({info.kind})",
            hint="name the main GGUF of the model",
        )
    if info.embeds:
        raise UsageError(
            f"{path} is an embedding model ({info.architecture}): it cannot write text",
            hint="`sysgen models list` shows models that can",
        )
    if not info.has_template:
        raise UsageError(
            f"{path} has no chat template, so it is no chat model",
            hint="take the instruct (chat) version of the model, or a newer GGUF of it",
        )
    return info


def read_info(path: Path) -> GgufInfo:
    """The data of any GGUF. Raises UsageError where the file is no GGUF or not the first of all its
    parts, and SysgenError where it is cut short or damaged."""
    require_gguf(path)
    header = read_header(path)

    def value(key: str) -> Any:
        field = header.get_field(key)
        try:
            return None if field is None else field.contents()
        except UnicodeDecodeError as error:
            raise _damaged(path, f"{key}: {error}") from error

    parts = _parts(path, value("split.count"))
    headers = [header, *map(read_header, parts[1:])]
    arch = str(value("general.architecture") or "unknown")
    template = str(value("tokenizer.chat_template") or "")
    tokens = header.get_field("tokenizer.ggml.tokens")
    return GgufInfo(
        path=path,
        size=sum(part.stat().st_size for part in parts),
        name=str(value("general.name") or path.stem),
        kind="image encoder" if arch == "clip" else str(value("general.type") or "model"),
        embeds=_embeds(arch, value),
        has_template=bool(template),
        architecture=arch,
        parameters=sum(int(tensor.n_elements) for of in headers for tensor in of.tensors),
        quantisation=_quantisation(value("general.file_type")),
        context=_integer(value(f"{arch}.context_length")),
        vocabulary=0 if tokens is None else int(tokens.parts[-1][0]),
        tensors=sum(len(of.tensors) for of in headers),
        thinking="enable_thinking" in template,
        license=str(value("general.license") or "") or None,
    )


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The tensors of a GGUF, of all its parts: name -> shape, the dimension that is contiguous in
    memory first. Raises as `read_info`."""
    require_gguf(path)
    first = read_header(path)
    count = first.get_field("split.count")
    parts = _parts(path, None if count is None else count.contents())
    headers = [first, *map(read_header, parts[1:])]
    return {of.name: tuple(map(int, of.shape)) for header in headers for of in header.tensors}


def read_header(path: Path) -> Any:
    """The header of this file, read with the `gguf` package's reader. Raises SysgenError where it
    is cut short or damaged.

    Two of the reader's private methods are overridden. `_get` reads past the end of a file that is
    cut short, and here it raises EOFError. `_get_field_parts` makes an object for each item of an
    array, which takes 10 s for a vocabulary of 150,000 tokens, and here arrays are skipped. The
    overrides can go when the reader checks the file's size and skips arrays itself; a faster reader
    was proposed in https://github.com/ggml-org/llama.cpp/pull/10159.
    """
    import numpy as np
    from gguf import GGUFReader, GGUFValueType

    size = path.stat().st_size

    class Header(GGUFReader):
        def _get(self, offset: Any, dtype: Any, count: Any = 1, override_order: Any = None) -> Any:
            end = int(offset) + np.dtype(dtype).itemsize * int(count)
            if end > size:
                raise EOFError(end)
            return super()._get(offset, dtype, count, override_order)

        def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
            if raw_type != GGUFValueType.ARRAY:
                return super()._get_field_parts(orig_offs, raw_type)
            items = GGUFValueType(self._get(orig_offs, np.uint32)[0])
            count = self._get(orig_offs + 4, np.uint64)
            end = self._after(orig_offs + 12, items, int(count[0]))
            return end - orig_offs, [count], [], [GGUFValueType.ARRAY, items]

        def _after(self, offset: int, items: GGUFValueType, count: int) -> int:
            if items != GGUFValueType.STRING:
                return offset + int(np.dtype(self.gguf_scalar_to_np[items]).itemsize) * count
            raw: Any = self.data
            for _ in range(count):
                if offset + 8 > size:
                    raise EOFError(offset + 8)
                offset += 8 + int(_LENGTH.unpack_from(raw, offset)[0])
            return offset

    try:
        return Header(path)
    except EOFError as error:
        _refuse_piece(path)
        beyond = f"it ends at byte {size:,}, its data at byte {error.args[0]:,} or later"
        raise SysgenError(f"{path} is cut short: {beyond}", hint=_AGAIN) from error
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, why: object) -> SysgenError:
    return SysgenError(f"{path} has a damaged header: {why}", hint=_AGAIN)


def _embeds(arch: str, value: Any) -> bool:
    named = "bert" in arch or "embed" in arch or arch == "t5encoder"
    return (
        named or bool(value(f"{arch}.pooling_type")) or value(f"{arch}.attention.causal") is False
    )


def _parts(path: Path, count: object) -> list[Path]:
    """All parts of a split GGUF. `count` is their number; a file is its only part where that is
    below 2 or no number. Raises UsageError unless `path` is the first, with all parts beside it."""
    if not isinstance(count, int) or count < 2:
        return [path]
    stem = path.name.rsplit("-", 3)[0]
    parts = [path.with_name(f"{stem}-{i:05}-of-{count:05}.gguf") for i in range(1, count + 1)]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise UsageError(
            f"{path} is one of {count} parts and {missing[0]} is not beside it",
            hint="put all parts into one folder",
        )
    if path.name != parts[0].name:
        raise UsageError(f"{path} is not the first of its {count} parts", hint=f"name {parts[0]}")
    return parts


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _quantisation(file_type: Any) -> str:
    from gguf import LlamaFileType

    try:
        return LlamaFileType(file_type).name.removeprefix("MOSTLY_").removeprefix("ALL_").lower()
    except ValueError:
        return "unknown"
