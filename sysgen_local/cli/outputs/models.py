"""The forms about models and the machine: `models`, `doctor`, `bench`."""

from __future__ import annotations

from typing import Any, Literal

from sysgen_local.cli.outputs.form import Output

Fit = Literal["yes", "part", "no"]


class EngineSettings(Output):
    """How the engine is set."""

    slots: int
    batch: int
    """The most tokens of a step."""
    overlap: bool
    """While half of the slots are decoded, the others are sampled."""
    on_device: bool
    """The device chooses the most probable tokens."""


class Measurement(Output):
    """One measurement of the speed of a model file on this machine."""

    file: str
    fingerprint: str
    by: Literal["bench", "settings", "run"]
    """`sysgen bench` and the search for the fastest settings estimate the rows an hour; of a run
    the rows were counted."""
    checked: bool
    """Whether the rows an hour include the checks of phase 5."""
    rows_an_hour: float
    read: float
    """Tokens/s of prompts: of `bench` while it only reads, of a run over its whole time."""
    written: float
    """Tokens/s of answers, likewise."""
    load_seconds: float
    rows: int
    """Rows that were counted; 0 for estimates."""
    device: str
    version: str
    """Of sysgen-local."""
    date: str
    """In UTC, in ISO 8601."""
    settings: EngineSettings | None
    """The fastest ones."""


class Measured(Output):
    """The newest measurement of each kind."""

    run: Measurement | None
    """Of a run without checks."""
    checked: Measurement | None
    """Of a run with checks."""
    bench: Measurement | None
    settings: Measurement | None
    """With the fastest settings, which runs take."""


class ModelEntry(Output):
    name: str
    title: str
    parameters: str
    size: int | None
    """Bytes of the file that the name without a quantisation means."""
    gigabytes: float | None
    """The same in units of 10^9 bytes."""
    context: int | None
    license: str | None
    here: dict[str, str]
    """Quantisation -> path, of the files on this machine; `file` for a model with one file."""
    package: str | None
    """The Python package that holds the model, if it is not installed."""
    install: str | None
    """The command that installs this package."""
    fits: Fit | None
    """Whether it fits into the memory that is free now; `part`: with a part of its layers on the
    GPU."""
    measured: Measured | None
    servers: list[str]
    """The addresses of servers that serve it."""


class ModelServer(Output):
    """A server that runs on this machine at a usual port."""

    name: str
    url: str
    models: list[str]
    parallel: int | None
    """How many requests at a time it is set to; null if it does not say."""


class ModelList(Output):
    models: list[ModelEntry]
    servers: list[ModelServer]


class ModelFile(Output):
    quantisation: str | None
    file: str | None
    gigabytes: float | None
    default: bool
    path: str | None
    """null if it is not on this machine."""


class CatalogueFacts(Output):
    """What the catalogue says about a model, and where its files are."""

    name: str
    title: str
    parameters: str
    repository: str | None
    servers: list[str]
    """The addresses of servers that serve it."""
    key_env: str | None
    """The environment variable with their key, if another than OPENAI_API_KEY."""
    package: str | None
    """The Python package that holds the model."""
    package_version: str | None
    """null if it is not installed."""
    license: str
    context: int | None
    system_role: bool
    thinking: bool
    sampling: dict[str, float]
    prompts: str
    checked: bool
    """Whether repository and files were confirmed."""
    files: list[ModelFile]


class FileFacts(Output):
    """What a GGUF file says about itself, and what follows for this machine."""

    path: str
    name: str
    architecture: str
    parameters: int
    quantisation: str
    context: int | None
    template: str
    """Whether the chat template can be used, and whether it has a system role, as a sentence."""
    license: str | None
    """As the file states it, else as the repository does."""
    bytes: int
    fits: Fit
    memory_free: int
    """Bytes."""
    gpu_memory_free: int
    """Bytes; 0 if no GPU can be used."""
    fingerprint: str
    prompts: str
    """The prompt set that is used."""
    measured: Measured | None


class ModelFacts(Output):
    entry: CatalogueFacts | None
    """null for a file or a repository that the catalogue does not name."""
    file: FileFacts | None
    """null if the file is not on this machine."""


class ModelPath(Output):
    name: str
    path: str


class LabelSet(Output):
    labels: list[str]
    by_first_token: bool
    """Whether their first tokens differ. Else their whole sequences of tokens are compared."""


class CheckedModel(Output):
    path: str
    bytes: int
    tensors: int
    name: str
    architecture: str
    parameters: int
    quantisation: str
    context: int | None
    vocabulary: int
    license: str | None
    fingerprint: str
    system_role: bool
    thinking_switch: bool
    template_kwargs: dict[str, Any]
    """Variables of the chat template that switch thinking off."""
    generation_prompt: str
    answer_ends: list[str]
    template_end: str | None
    """The end of an answer that only the chat template names."""
    closes_thinking: bool
    """Whether the prompt ends a thought that the template begins."""
    generation_tags: bool
    """Whether the template marks text to train on."""
    label_sets: list[LabelSet]
    """The labels of each kind of verdict."""


class Device(Output):
    name: str
    description: str
    kind: str
    free: int
    total: int


class Machine(Output):
    """Memory and disk in bytes."""

    versions: dict[str, str]
    platform: str
    backends: list[str]
    gpu_offload: bool
    cpu_features: list[str]
    cores: int | None
    threads: int | None
    memory_free: int
    memory_total: int
    disk_free: int
    devices: list[Device]
    models: dict[str, str]
    """Model that comes with sysgen or as a package -> its path, or why it is missing."""
    servers: list[ModelServer]
    amx: Literal["used", "left out"] | None
    """The matrix unit of newer Xeon processors; null where the build or the processor has none."""
    rebuild: str | None
    """The command that builds a faster llama-cpp-python; null where none is known."""
    wheels: str | None
    """The package index with llama-cpp-python's ready-made wheels for this machine."""
    advice: list[str]


class Rate(Output):
    slots: int
    prefill: float
    """Tokens/s that are read."""
    decode: float
    """Tokens/s that are written."""
    load_seconds: float
    """Time to load the model."""
    device: str
    """`cpu`, or `gpu` with the number of layers there."""
    rows_an_hour: float
    settings: EngineSettings | None
    """With `--settings`: what was tried."""


class Speed(Output):
    model: str
    rates: list[Rate]
    settings: EngineSettings | None
    """With `--settings`: the fastest ones, which runs take."""
