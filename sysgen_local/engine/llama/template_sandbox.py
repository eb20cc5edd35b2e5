"""Renders chat templates in a process of its own, with limited memory and time.

Why: a chat template is a program in a model file that somebody else made. Jinja's sandbox denies
it files, imports and Python's internals, but does not limit memory and time.
Protocol: `python -m sysgen_local.engine.llama.template_sandbox` writes a line of JSON when it is
ready. It reads the template as the first line and the variables of a rendering as each further
line, all in JSON, and answers each with a line: {"text": ...} or {"error": ...}.
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
"""Seconds in which the process must be ready: it loads Python and Jinja, perhaps on a busy
machine."""

RENDER_TIMEOUT = 5.0
"""Seconds that a rendering may take, more than any ordinary template needs."""

MEMORY_LIMIT = 1 << 30
"""Bytes of address space, where the system can limit it."""


class ChatTemplateError(Exception):
    """A template cannot be used, or refuses the messages; the text says why."""


class TemplateSandbox:
    """One template in a process of its own. Raises ChatTemplateError where it cannot be used."""

    def __init__(self, source: str) -> None:
        # A session of its own, so that Ctrl-C reaches only the main program.
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
        """The rendered text. Raises ChatTemplateError where the template raises an error, takes
        longer than RENDER_TIMEOUT or more than MEMORY_LIMIT. After the last two the process has
        ended, and each further call raises the same error."""
        return self._send(variables)

    def close(self) -> None:
        """Ends the process."""
        self._error = self._error or "it was closed"
        self._finalizer()

    def _send(self, what: object) -> str:
        """Sends a value as a line of JSON and returns the text of the reply."""
        return self._exchange(
            RENDER_TIMEOUT, "it takes longer than {:.0f} seconds", json.dumps(what)
        )

    def _exchange(self, seconds: float, timeout_message: str, line: str | None = None) -> str:
        """Sends `line`, if there is one, and returns the text of the reply. Kills the process where
        none comes within `seconds`; `timeout_message` is the error then."""
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
        """A message that the process ended, with the last line of its stderr or its exit code."""
        assert self._process.stderr is not None
        lines = [line.strip() for line in self._process.stderr.read().splitlines()]
        last = next(filter(None, reversed(lines)), f"exit code {self._process.wait()}")
        return f"the process that renders it ended: {last[:200]}"


def _kill_process(process: subprocess.Popen[str]) -> None:
    """Kills the process and closes its streams."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):  # unsent data cannot be flushed any more
                stream.close()


def serve() -> None:
    """The main loop of the process; ends with its input."""
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
    """A sandboxed Jinja environment with what transformers offers to chat templates."""
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks text to train on; here its content is rendered as it is."""

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
    """Plain JSON; Jinja's own filter escapes it for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _limit_resources() -> None:
    """Limits the address space; SIGTERM ends the process at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(ValueError, OSError):  # macOS does not limit address space
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def _raise_template_error(message: str) -> NoReturn:
    """`raise_exception` of chat templates."""
    import jinja2

    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    """A fixed date: some templates write today's, which would change prompts from day to day."""
    return datetime.date(2025, 1, 1).strftime(form)


if __name__ == "__main__":
    serve()
