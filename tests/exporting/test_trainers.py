"""Exports load, as they are, in the tools that they are for: with those tools' own code.

What is not installed is skipped. The model that is trained for a step has random weights.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from builtin_recipe.gguf_tokenizer import write_tokenizer
from sysgen_local.core.pairs import PAIR_RULES, PairRule
from sysgen_local.core.records import (
    Attempt,
    Check,
    Checked,
    Conversation,
    Filtered,
    Generated,
    Phrase,
    Responded,
    Source,
    Turn,
    Verdict,
    Verified,
)
from sysgen_local.core.resources import resource
from sysgen_local.exporting import ExportOptions, export
from sysgen_local.phases.pairs import pair_of
from sysgen_local.store import FORMATS, Store

pytestmark = [
    pytest.mark.e2e,  # the trainers' libraries read files
    pytest.mark.filterwarnings("ignore"),  # the trainers' own
]

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
    "{% generation %}{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}"
    "{% endfor %}{{ m.content }}<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>"
    "{% endif %}\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""With the marks that TRL needs to know the answers, and the arguments of calls as JSON."""
TOOL = '[{"type": "function", "function": {"name": "clock", "parameters": {}}}]'
CALL = '{"name": "clock", "arguments": {"zone": "UTC"}}'


def need(name: str) -> Any:
    """The module, or a skip; a library that is there and does not load is no reason to fail."""
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{name.split('.')[0]} is not here: {error}")


def turns(*said: tuple[str, str]) -> tuple[Turn, ...]:
    return tuple(Turn(role, content) for role, content in said)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Rows of one turn, of several, and with tools."""
    with filled(tmp_path_factory.mktemp("store")) as store:
        yield store


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same after checks: of every conversation the last answer failed once."""
    with filled(tmp_path_factory.mktemp("checked")) as store:
        for row in store.due("check"):
            turn = sum(t.role == "assistant" for t in row.answers)
            failed = Attempt(turn, f"Wrong: {row.row}.", False, 0.1, None, "disagrees")
            store.commit([(row.row, "check", Checked((), (), (failed,), True, 0.5, 2))])
        yield store


@contextmanager
def filled(folder: Path) -> Iterator[Store]:
    conversations = []
    for n in range(8):
        ask, say = ("user", f"What is {n}?"), ("assistant", f"It is {n}.")
        again = (("user", "And then?"), ("assistant", f"Then comes {n + 1}."))
        call = (("function_call", CALL), ("observation", "noon"))
        kinds = [(turns(ask, say), None), (turns(ask, say, *again), None),
                 (turns(ask, *call, say), TOOL)]  # fmt: skip
        conversations.append(Conversation(kinds[n % 3][0], n + 1, None, kinds[n % 3][1]))
    with Store.open(folder / "s.duckdb") as store:
        store.ingest(Source("x", "x", "0"), conversations)
        role = Phrase("role", "You count.")
        for row in store.due("generate"):
            new = tuple(
                Turn(t.role, f"New: {t.content}") if t.role == "assistant" else t
                for t in row.conversation.turns
            )
            store.commit(
                [
                    (row.row, "generate", Generated((role,))),
                    (row.row, "filter", Filtered((role,))),
                    (row.row, "verify", Verified((), f"You count from {row.row}.")),
                    (row.row, "respond", Responded(new)),
                ]
            )
        yield store


def loaded(
    store: Store,
    folder: Path,
    form: Any,
    ending: str = "jsonl",
    checks: bool = False,
    tools: Any = "text",
    pairs: PairRule | None = None,
    **more: Any,
) -> Any:
    """The export as `datasets` reads it, all rows there."""
    load = need("datasets").load_dataset
    [written] = export(
        store,
        folder / f"{form}.{ending}",
        ExportOptions(form, checks=checks, tools=tools, pairs=pairs),
    )
    kind = "json" if ending == "jsonl" else "parquet"
    data = load(
        kind, data_files=str(written.path), split="train", cache_dir=str(folder / "cache"), **more
    )
    assert len(data) == written.rows > 0
    return data


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("form", FORMATS)
def test_datasets_reads_every_format(store: Store, tmp_path: Path, form: Any, ending: str) -> None:
    data = loaded(store, tmp_path, form, ending)
    lines = (
        export(store, tmp_path / "same.jsonl", ExportOptions(form))[0].path.read_text().splitlines()
    )
    # `datasets` gives every message every key.
    assert [there(row) for row in data] == [there(json.loads(line)) for line in lines]


def there(value: Any) -> Any:
    """Without the keys that hold null."""
    if isinstance(value, dict):
        return {key: there(of) for key, of in value.items() if of is not None}
    return [there(of) for of in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("form", "checks"),
    [("messages", False), ("messages", True), ("sharegpt", False), ("sharegpt", True),
     ("alpaca", False)],
)  # fmt: skip
def test_types_do_not_hang_on_which_rows_come_first(
    tmp_path: Path, form: Any, checks: bool
) -> None:
    """`datasets` takes the types from the first piece of a JSONL file, unless it is told them, or
    that piece has them all; here the pieces are small."""
    long = turns(("user", "q " * 4000), ("assistant", "a"))
    several = turns(("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b"))
    with Store.open(tmp_path / "s.duckdb") as store:
        last = Conversation(several, 9, None, TOOL)
        store.ingest(Source("x", "x", "0"), [*(Conversation(long, n) for n in range(1, 9)), last])
        for row in store.due("generate"):
            store.commit(
                [
                    (row.row, "generate", Generated()),
                    (row.row, "filter", Filtered()),
                    (row.row, "verify", Verified((), "S")),
                    (row.row, "respond", Responded(row.conversation.turns)),
                ]
            )
        seen = Checked((), (Check(1, "code", "", "rule", 1.0, ""),), agrees=True, obeys=0.5)
        if checks:
            store.commit([(n, "check", seen if n == 9 else Checked()) for n in range(1, 10)])
        again = loaded(store, tmp_path, form, "parquet", checks=checks)
        typed = {"features": again.features} if checks or form == "alpaca" else {}
        data = loaded(store, tmp_path, form, checks=checks, chunksize=1 << 14, **typed)
    asked = ["agrees", "obeys", "checks"] if checks else []
    first = "history" if form == "alpaca" else "tools"
    assert data.column_names[-1 - len(asked) :] == [first, *asked]
    assert list(data) == list(again)
    if checks:
        kinds = [[check["kind"] for check in row["checks"]] for row in data]
        assert sorted(kinds) == [*[[]] * 8, ["code"]]


def tokenizer(folder: Path, template: str = CHATML) -> Any:
    """The built-in model's, as a trainer loads it."""
    write_tokenizer(resource("builtin_model/builtin.gguf"), folder / "tokenizer.json")
    return need("transformers").PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), eos_token="<|im_end|>", pad_token="<|pad|>",
        chat_template=template,
    )  # fmt: skip


def model() -> Any:
    transformers = need("transformers")
    config = transformers.LlamaConfig(
        vocab_size=10240, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=256,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def options(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder / "out"), "max_steps": 1, "per_device_train_batch_size": 4,
        "use_cpu": True, "bf16": False, "report_to": "none", "save_strategy": "no",
        "disable_tqdm": True, "gradient_checkpointing": False, "max_length": 256,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["messages", "prompt-completion"])
def test_trl_fine_tunes(store: Store, tmp_path: Path, form: Any) -> None:
    trl = need("trl")
    trainer = trl.SFTTrainer(
        model=model(), args=trl.SFTConfig(**options(tmp_path)),
        processing_class=tokenizer(tmp_path), train_dataset=loaded(store, tmp_path, form),
    )  # fmt: skip
    text = trainer.processing_class.decode(trainer.train_dataset[0]["input_ids"])
    assert "<|im_start|>system\nYou count from 1.<|im_end|>" in text
    assert "New: It is 0.<|im_end|>" in text
    assert math.isfinite(trainer.train().training_loss)


@pytest.mark.parametrize("rows", ["store", "checked"])
def test_trl_learns_preferences(rows: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    trl = need("trl")
    store = request.getfixturevalue(rows)
    trainer = trl.DPOTrainer(
        model=model(), ref_model=model(), args=trl.DPOConfig(**options(tmp_path)),
        processing_class=tokenizer(tmp_path), train_dataset=loaded(store, tmp_path, "dpo"),
    )  # fmt: skip
    assert math.isfinite(trainer.train().training_loss)


@contextmanager
def ruled(folder: Path, rule: PairRule) -> Iterator[Store]:
    """A store with pairs of this rule, the first one with a user who asks for the opposite where
    that is the rule."""
    phrase = Phrase("format", "Answer in one sentence.")
    verdict = Verdict(phrase.tag, phrase.text, "good", 1.0, 0.0, 0.0)
    with Store.open(folder / "r.duckdb") as store:
        talks = [
            Conversation(
                turns(("user", f"How do I cook {n} potatoes?"),
                      ("assistant", f"Wash {n}. Cut them. Boil them. Eat them.")), n,
            )
            for n in range(1, 9)
        ]  # fmt: skip
        store.ingest(Source("x", "x", "0"), talks)
        for row in store.due("generate"):
            answer = Turn("assistant", f"Boil all {row.row} of them in water.")
            worse = Attempt(1, "Wash them. Boil them.", False, None, 0.1, "disobeys")
            store.commit(
                [
                    (row.row, "generate", Generated((phrase,))),
                    (row.row, "filter", Filtered((phrase,))),
                    (row.row, "verify", Verified((verdict,), phrase.text)),
                    (row.row, "respond", Responded((row.conversation.turns[0], answer))),
                    (row.row, "check", Checked((), (), (worse,), True, 0.5, 2)),
                ]
            )
        selection = ExportOptions("dpo", pairs=rule).selection()
        with store.paired(selection, lambda row: pair_of(row, rule)):
            yield store


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("rule", PAIR_RULES)
def test_trl_learns_pairs_that_rules_made(tmp_path: Path, rule: PairRule, ending: str) -> None:
    """DPO, with what the user asks for in the prompt, and without the column `broken`."""
    trl = need("trl")
    with ruled(tmp_path, rule) as store:
        data = loaded(store, tmp_path, "dpo", ending, pairs=rule)
    assert data["broken"][0] == ["sentences: exactly 1 sentence"]
    speaks = tokenizer(tmp_path)
    trainer = trl.DPOTrainer(
        model=model(), ref_model=model(), args=trl.DPOConfig(**options(tmp_path)),
        processing_class=speaks, train_dataset=data,
    )  # fmt: skip
    row = trainer.train_dataset[0]
    prompt = speaks.decode(row["prompt_ids"])
    assert "<|im_start|>system\nAnswer in one sentence.<|im_end|>" in prompt
    assert ("at least 3 sentences" in prompt) == (rule == "conflict")
    assert "Boil all 1 of them in water.<|im_end|>" in speaks.decode(row["chosen_ids"])
    worst = "Wash 1. Cut them." if rule == "conflict" else "Wash them. Boil them."
    assert worst in speaks.decode(row["rejected_ids"])
    assert math.isfinite(trainer.train().training_loss)


@pytest.mark.parametrize("rule", [None, *PAIR_RULES])
def test_trl_learns_labels(tmp_path: Path, rule: PairRule | None) -> None:
    """KTO: both answers of each pair, with their labels."""
    trl = need("trl")
    kto = trl if hasattr(trl, "KTOTrainer") else need("trl.experimental.kto")
    with ruled(tmp_path, rule or "conflict") as store:
        data = loaded(store, tmp_path, "kto", pairs=rule)
    assert sorted(data["label"]) == [False] * 8 + [True] * 8
    trainer = kto.KTOTrainer(
        model=model(), ref_model=model(), args=kto.KTOConfig(**options(tmp_path)),
        processing_class=tokenizer(tmp_path), train_dataset=data,
    )  # fmt: skip
    assert sorted(trainer.train_dataset["label"]) == [False] * 8 + [True] * 8
    assert math.isfinite(trainer.train().training_loss)


@pytest.mark.parametrize("tools", ["text", "objects"])
def test_trl_learns_the_answers_alone(store: Store, tmp_path: Path, tools: Any) -> None:
    """`assistant_only_loss`, with all answers of a row; arguments are JSON only as objects."""
    trl, datasets = need("trl"), need("datasets")
    listed = datasets.List(datasets.Json())
    types = {"messages": listed, "tools": datasets.Value("string") if tools == "text" else listed}
    rows = loaded(store, tmp_path, "messages", tools=tools, features=datasets.Features(types))
    trainer = trl.SFTTrainer(
        model=model(), args=trl.SFTConfig(assistant_only_loss=True, **options(tmp_path)),
        processing_class=tokenizer(tmp_path, MARKED), train_dataset=rows,
    )  # fmt: skip
    assert math.isfinite(trainer.train().training_loss)
    learnt = [
        trainer.processing_class.decode(
            [t for t, kept in zip(row["input_ids"], mask_of(row), strict=True) if kept]
        )
        for row in trainer.train_dataset
    ]
    assert learnt[1] == "New: It is 1.<|im_end|>New: Then comes 2.<|im_end|>"
    called = json.dumps('{"zone":"UTC"}') if tools == "text" else '{"zone": "UTC"}'
    assert learnt[2] == f"{called}<|im_end|>New: It is 2.<|im_end|>"


def mask_of(row: Any) -> list[bool]:
    """Which tokens of a row TRL computes the loss on."""
    if "labels" in row:
        return [label != -100 for label in row["labels"]]
    return [bool(kept) for kept in row["assistant_masks"]]


def in_a_folder(store: Store, folder: Path, tools: Any = "objects") -> str:
    """The rows in three splits of a folder."""
    splits = {"train": 0.5, "valid": 0.25, "test": 0.25}
    written = export(store, f"{folder}/{tools}/", ExportOptions(splits=splits, tools=tools))
    assert sum(of.rows for of in written) == 8
    assert all(of.rows for of in written)
    return f"{folder}/{tools}"


def test_mlx_lm_reads_a_folder(store: Store, tmp_path: Path) -> None:
    """With --mask-prompt it learns the last answer of a row. Tools as text stop it."""
    mlx = need("mlx_lm.tuner.datasets")
    speaks = tokenizer(tmp_path)
    config = SimpleNamespace(train=True, test=True, mask_prompt=True)
    config.data = in_a_folder(store, tmp_path)
    seen = []
    for split in mlx.load_dataset(config, speaks):
        for row in split:
            tokens, prompt = split.process(row)
            seen.append((speaks.decode(tokens[:prompt]), speaks.decode(tokens[prompt:])))
    assert len(seen) == 8
    for n in range(8):
        [(before, learnt)] = [of for of in seen if f"system\nYou count from {n + 1}." in of[0]]
        last = f"Then comes {n + 1}." if n % 3 == 1 else f"It is {n}."
        assert learnt.strip() == f"New: {last}<|im_end|>"
        assert before.endswith("<|im_start|>assistant\n")
    config.data = in_a_folder(store, tmp_path, "text")
    [split, *_] = mlx.load_dataset(config, speaks)
    with pytest.raises(ValueError, match="Tools should"):
        split.process(split[0])


def model_folder(folder: Path) -> str:
    """The model and its tokenizer, as a trainer loads them by the name of a folder."""
    place = folder / "model"
    place.mkdir()
    tokenizer(place).save_pretrained(place)
    model().save_pretrained(place)
    return str(place)


def ran(*words: str, cwd: Path) -> str:
    """What the trainer prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words], cwd=cwd, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_mlx_lm_trains_on_a_folder(store: Store, tmp_path: Path) -> None:
    need("mlx_lm.lora")
    words = (
        "-m mlx_lm lora --train --test --mask-prompt --iters 1 --batch-size 1 --num-layers 1 "
        "--adapter-path adapters"
    ).split()
    place, data = model_folder(tmp_path), in_a_folder(store, tmp_path)
    assert "Test loss" in ran(*words, "--model", place, "--data", data, cwd=tmp_path)
    assert (tmp_path / "adapters" / "adapters.safetensors").exists()


UNSLOTH = r"""
import json, sys
from unsloth import FastLanguageModel
from unsloth.chat_templates import train_on_responses_only
from datasets import Features, Json, List, load_dataset
from trl import SFTConfig, SFTTrainer

place, data = sys.argv[1:]
model, tokenizer = FastLanguageModel.from_pretrained(place, max_seq_length=256, load_in_4bit=False)
model = FastLanguageModel.get_peft_model(model, r=4)
types = Features({"messages": List(Json()), "tools": List(Json())})
files = {name: f"{data}/{name}.jsonl" for name in ("train", "valid", "test")}
rows = load_dataset("json", data_files=files, features=types, cache_dir="cache")

def text(row):
    said = tokenizer.apply_chat_template(row["messages"], tools=row["tools"], tokenize=False)
    return {"text": said}

rows = rows.map(text, remove_columns=["messages", "tools"])
trainer = SFTTrainer(
    model=model, processing_class=tokenizer, train_dataset=rows["train"],
    eval_dataset=rows["valid"],
    args=SFTConfig(output_dir="out", max_steps=1, per_device_train_batch_size=1, report_to="none",
                   save_strategy="no"),
)
trainer = train_on_responses_only(
    trainer, instruction_part="<|im_start|>user\n", response_part="<|im_start|>assistant\n"
)
loss = trainer.train().training_loss
learnt = [tokenizer.decode([t for t in row["labels"] if t != -100])
          for row in trainer.train_dataset]
print(json.dumps([loss, learnt]))
"""


def test_unsloth_fine_tunes(store: Store, tmp_path: Path) -> None:
    """On the answers alone. In a process of its own, because it changes other libraries."""
    if importlib.util.find_spec("unsloth") is None:
        pytest.skip("unsloth is not here")
    place, data = model_folder(tmp_path), in_a_folder(store, tmp_path)
    printed = ran("-c", UNSLOTH, place, data, cwd=tmp_path)
    loss, learnt = json.loads(printed.splitlines()[-1])
    assert math.isfinite(loss)
    assert learnt
    for answers in learnt:
        assert answers.startswith("New: It is")
        assert "What is" not in answers
        assert "You count" not in answers


class Config(dict):
    """Axolotl's configuration as its strategies take it: what is not set is None."""

    __getattr__ = dict.get


AXOLOTL = Config(sequence_len=512, chat_template="tokenizer_default", train_on_inputs=False)


@pytest.mark.parametrize(
    ("form", "dataset"),
    [
        ("messages", {}),
        (
            "sharegpt",
            {
                "field_messages": "conversations",
                "message_property_mappings": {"role": "from", "content": "value"},
                "roles": {
                    "user": ["human"],
                    "assistant": ["gpt", "function_call"],
                    "tool": ["observation"],
                },
            },
        ),
    ],
)
def test_axolotl_reads_conversations(
    store: Store, tmp_path: Path, form: Any, dataset: dict[str, Any]
) -> None:
    strategies = need("axolotl.prompt_strategies.chat_template")
    speaks = tokenizer(tmp_path)
    strategy = strategies.load(speaks, AXOLOTL, dataset)
    rows = loaded(store, tmp_path, form)
    assert len(rows)
    for row, given in enumerate(rows):
        made = strategy.tokenize_prompt(given)
        text = speaks.decode(made["input_ids"])
        learnt = speaks.decode([token for token in made["labels"] if token != -100])
        assert f"<|im_start|>system\nYou count from {row + 1}.<|im_end|>" in text
        assert f"New: It is {row}.<|im_end|>" in learnt
        assert "What is" not in learnt
        assert ("<|im_start|>tool\nnoon" in text) == (row % 3 == 2)


def test_axolotl_reads_alpaca_and_preferences(store: Store, tmp_path: Path) -> None:
    alpaca = need("axolotl.prompt_strategies.alpaca_w_system")
    preferences = need("axolotl.prompt_strategies.dpo.chat_template")
    speaks = tokenizer(tmp_path)
    given = loaded(store, tmp_path, "alpaca")[0]
    text = speaks.decode(alpaca.load(speaks, AXOLOTL).tokenize_prompt(given)["input_ids"])
    assert "You count from 1." in text
    assert "New: It is 0." in text
    config = Config(AXOLOTL, datasets=[{"field_messages": "prompt"}])
    transform, _ = preferences.default(config)
    pair = transform(loaded(store, tmp_path, "dpo")[0], tokenizer=speaks)
    assert "<|im_start|>system\nYou count from 1.<|im_end|>" in pair["prompt"]
    assert pair["chosen"].startswith("New: It is 0.")
    assert pair["rejected"].startswith("It is 0.")


def test_axolotl_reads_preferences_over_answers_that_failed(checked: Store, tmp_path: Path) -> None:
    preferences = need("axolotl.prompt_strategies.dpo.chat_template")
    transform, _ = preferences.default(Config(AXOLOTL, datasets=[{"field_messages": "prompt"}]))
    speaks = tokenizer(tmp_path)
    pairs = [transform(row, tokenizer=speaks) for row in loaded(checked, tmp_path, "dpo")]
    one, several = pairs[:2]
    assert one["chosen"].startswith("New: It is 0.")
    assert one["rejected"].startswith("Wrong: 1.")
    assert "New: It is 1.<|im_end|>" in several["prompt"]
    assert several["chosen"].startswith("New: Then comes 2.")
    assert several["rejected"].startswith("Wrong: 2.")


LLAMA_FACTORY = {
    "sharegpt": {
        "file_name": "sharegpt.jsonl", "formatting": "sharegpt",
        "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
    },
    "alpaca": {
        "file_name": "alpaca.jsonl",
        "columns": {"prompt": "instruction", "query": "input", "response": "output",
                    "system": "system", "history": "history"},
    },
    "messages": {
        "file_name": "messages.jsonl", "formatting": "sharegpt",
        "columns": {"messages": "messages", "tools": "tools"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user",
                 "assistant_tag": "assistant", "observation_tag": "tool",
                 "system_tag": "system"},
    },
}  # fmt: skip
"""dataset_info.json. docs/trainers.md has the one for sharegpt."""


@pytest.mark.parametrize("form", LLAMA_FACTORY)
def test_llama_factory_reads_conversations(store: Store, tmp_path: Path, form: Any) -> None:
    parser = need("llamafactory.data.parser")
    converter = need("llamafactory.data.converter")
    [attributes] = parser.get_dataset_list([form], LLAMA_FACTORY)
    convert = converter.get_dataset_converter(attributes.formatting, attributes, None)
    made = [convert(row) for row in loaded(store, tmp_path, form)]
    for number, row in enumerate(made, 1):
        assert row["_response"][0]["content"].startswith("New: ")
        assert row["_prompt"][0]["role"] == "user"
        if form != "alpaca":
            assert row["_system"] == f"You count from {number}."
            assert json.loads(row["_tools"]) == (json.loads(TOOL) if number % 3 == 0 else [])
    assert {row["_system"] for row in made} <= {f"You count from {n}." for n in range(1, 9)}
    assert {len(row["_prompt"]) for row in made} == {1, 3}


def test_llama_factory_reads_preferences_with_one_message_a_side(
    store: Store, tmp_path: Path
) -> None:
    """It wants `chosen` and `rejected` as messages, and the export has lists of one message."""
    parser = need("llamafactory.data.parser")
    converter = need("llamafactory.data.converter")
    pairs = {"file_name": "dpo.jsonl", "ranking": True, **LLAMA_FACTORY["messages"]}
    pairs["columns"] = {"messages": "prompt", "chosen": "chosen", "rejected": "rejected"}
    [attributes] = parser.get_dataset_list(["dpo"], {"dpo": pairs})
    convert = converter.get_dataset_converter(attributes.formatting, attributes, None)
    row = loaded(store, tmp_path, "dpo")[0]
    made = convert({**row, "chosen": row["chosen"][0], "rejected": row["rejected"][0]})
    assert made["_system"] == "You count from 1."
    assert [of["content"] for of in made["_response"]] == ["New: It is 0.", "It is 0."]
