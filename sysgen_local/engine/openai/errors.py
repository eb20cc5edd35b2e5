"""Errors of a server's client: which requests they affect, whether to retry, and a message.

The classes are those of the `openai` package. It is imported in the functions, because it is slow
to import and only needed once something has failed.
"""

from __future__ import annotations

from sysgen_local.core.errors import (
    ServerBusyError,
    ServerSlowError,
    SysgenError,
    UsageError,
)


def is_refusal(error: Exception) -> bool:
    """Whether the server rejects the request itself as invalid (HTTP 400, 413 or 422)."""
    import openai

    return isinstance(error, openai.APIStatusError) and error.status_code in (400, 413, 422)


def is_context_overflow(error: Exception) -> bool:
    """Whether a refusal means that the prompt is too long. Servers have no common code for this,
    so the words of the message decide."""
    text = str(error).lower()
    return any(word in text for word in ("context", "too long", "too large", "maximum length"))


def affects_every_request(error: Exception) -> bool:
    """Whether any other request would fail in the same way: a wrong key, model or address, nothing
    paid, or what the server never does (HTTP 401, 402, 403, 404, 405, 501)."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code in (401, 402, 403, 404, 405, 501)
    return isinstance(error, SysgenError)


def is_retryable(error: Exception) -> bool:
    """Whether the same request may succeed later."""
    return not (affects_every_request(error) or is_refusal(error))


def may_be_request_specific(error: Exception) -> bool:
    """Whether this one request may be what makes the server fail. It may not where the server is
    out of reach or says that it is busy (HTTP 429, 502, 503, 504)."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code not in (429, 502, 503, 504)
    return not is_unreachable(error)


def is_busy(error: Exception) -> bool:
    """Whether the server answers that it cannot do it now, or takes too long."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code == 429 or (error.status_code >= 500 and error.status_code != 501)
    return isinstance(error, openai.APITimeoutError)


def is_unreachable(error: Exception) -> bool:
    """Whether no connection was made. After another timeout the server has taken the request."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        # By name: it is a class of httpx or httpx2, as the version of openai has it.
        return type(error.__cause__).__name__ == "ConnectTimeout"
    return isinstance(error, openai.APIConnectionError)


def retry_after(error: Exception) -> float:
    """Seconds of the reply's Retry-After header, at most 600; 0 where there is no such number."""
    import openai

    if not isinstance(error, openai.APIStatusError):
        return 0.0
    try:
        return min(600.0, float(error.response.headers.get("retry-after", 0)))
    except ValueError:
        return 0.0


def to_sysgen_error(url: str, model: str, error: Exception, key: str) -> SysgenError:
    """The client's error as one sentence with a hint. `key`: the environment variable with the
    server's key. A SysgenError is returned unchanged."""
    import openai

    if isinstance(error, SysgenError):
        return error
    message = next(iter(str(error).splitlines()), "") or type(error).__name__
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return UsageError(f"{url} wants a key, or another one", hint=f"set {key}")
    if isinstance(error, openai.NotFoundError):
        return UsageError(
            f"{url} has no model {model}, or is no OpenAI-compatible address",
            hint="write http://HOST:PORT/v1#MODEL",
        )
    if is_refusal(error):
        return UsageError(
            f"{url} refuses what it is asked: {message}",
            hint="where this names a parameter, leave out the option; else look at its log",
        )
    if isinstance(error, openai.RateLimitError):
        return ServerBusyError(f"{url} lets through no more requests for now")
    if isinstance(error, openai.APIStatusError):
        return SysgenError(
            f"{url} answered {error.status_code}: {message}",
            hint="look at the server's log; the same command takes it up again",
        )
    if is_unreachable(error):
        if "CERTIFICATE_VERIFY_FAILED" in str(error.__cause__):
            return UsageError(
                f"the certificate of {url} is not trusted",
                hint="name the file of its authority in the environment variable SSL_CERT_FILE",
            )
        return SysgenError(
            f"{url} cannot be reached",
            hint="is the server running? The same command takes it up again",
        )
    if isinstance(error, openai.APITimeoutError):
        return ServerSlowError(f"{url} did not answer in time")
    return SysgenError(
        f"{url} gave no answer that can be read: {message}",
        hint="is it an OpenAI-compatible address? The same command takes it up again",
    )
