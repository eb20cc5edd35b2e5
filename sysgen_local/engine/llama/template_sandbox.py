"""Jinja in a process of its own, for templates that come inside model files: somebody's programs.

The process sees Jinja's sandbox: no file, no import, nothing of Python's machinery, a limited
memory and a limited time. `python -m sysgen_local.engine.llama.template_sandbox` is that process.
It writes a line of JSON once it is there; then a line for the template and one for each rendering
go in, and a line of JSON comes back for each.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import signal
import subprocess
import sys
import threading
import weakref
from typing import Any, NoReturn

START_TIMEOUT = 60.0
"""Seconds until the process is there: Python and Jinja, on a machine that is busy with more."""

RENDER_TIMEOUT = 5.0
"""Longer than any template takes."""

MEMORY_LIMIT = 1 << 30
"""Bytes of address space, where the system can limit that."""


class ChatTemplateError(Exception):
    """What is wrong with a template, or with what it is to render."""


class TemplateSandbox:
    """One template. Raises TemplateFaultError where it cannot be used."""

    def __init__(self, source: str) -> None:
        # Its own session: Ctrl-C is for the program, not for its helpers.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._error = ""
        self._finalizer = weakref.finalize(self, _kill_process, self._process)
        self._exchange(
            START_TIMEOUT, "the process that renders it did not start within {:.0f} seconds"
        )
        self._send(source)

    def render(self, **variables: Any) -> str:
        """The text. Raises TemplateFaultError where the template refuses, fails, takes longer
        than SECONDS or more than MEMORY; afterwards of those two it cannot be used again."""
        return self._send(variables)

    def close(self) -> None:
        self._error = self._error or "it was closed"
        self._finalizer()

    def _send(self, what: object) -> str:
        return self._exchange(
            RENDER_TIMEOUT, "it takes longer than {:.0f} seconds", json.dumps(what)
        )

    def _exchange(self, seconds: float, timeout_message: str, line: str | None = None) -> str:
        """What the process says, to `line` if there is one; `late` is what is wrong where it says
        nothing for so long."""
        if self._error:
            raise ChatTemplateError(self._error)
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        timed_out = threading.Event()

        def kill() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(seconds, kill)
        timer.start()
        try:
            if line is not None:
                process.stdin.write(line + "\n")
                process.stdin.flush()
            reply = process.stdout.readline()
        except OSError:
            reply = ""
        finally:
            timer.cancel()
        if not reply:
            self._error = (
                timeout_message.format(seconds) if timed_out.is_set() else self._exit_reason()
            )
            raise ChatTemplateError(self._error)
        answer = json.loads(reply)
        if "error" in answer:
            raise ChatTemplateError(answer["error"])
        return str(answer["text"])

    def _exit_reason(self) -> str:
        """That the process ended by itself, and what it said last."""
        assert self._process.stderr is not None
        lines = [line.strip() for line in self._process.stderr.read().splitlines()]
        last = next(filter(None, reversed(lines)), f"exit code {self._process.wait()}")
        return f"the process that renders it ended: {last[:200]}"


def _kill_process(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):  # what was still to be written goes nowhere
                stream.close()


def serve() -> None:
    """The process: everything until its input ends."""
    import jinja2

    _limit_resources()
    environment = _environment()
    template: jinja2.Template | None = None
    print(json.dumps({"text": ""}), flush=True)
    for line in sys.stdin:
        what = json.loads(line)
        try:
            if template is None:
                template = environment.from_string(what)
                answer = {"text": ""}
            else:
                answer = {"text": template.render(**what)}
        except MemoryError:
            print(f"it takes more than {MEMORY_LIMIT >> 20:,} MiB of memory", file=sys.stderr)
            return
        except Exception as error:
            answer = {"error": str(error) or type(error).__name__}
        print(json.dumps(answer), flush=True)


def _environment() -> Any:
    """What templates find, as transformers gives it to them."""
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what a model is trained on; in a prompt it marks nothing."""

        tags = {"generation"}  # noqa: RUF012 - as the base class declares it

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[loopcontrols, Generation],
        autoescape=False,
    )
    environment.globals.update(raise_exception=_raise_template_error, strftime_now=_strftime_now)
    environment.filters["tojson"] = _tojson
    return environment


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is; Jinja's own filter escapes it for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _limit_resources() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(ValueError, OSError):  # macOS does not limit address space
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def _raise_template_error(message: str) -> NoReturn:
    import jinja2

    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    """Some templates write today's date; a fixed one keeps prompts equal from day to day."""
    return datetime.date(2025, 1, 1).strftime(form)


if __name__ == "__main__":
    serve()
