"""One HTTP request that tells somebody something, and whether it arrived."""

import httpx

TIMEOUT = httpx.Timeout(10.0)


class Undelivered(Exception):
    """The notice did not arrive, for a reason in one line. `retry_after` in seconds, where the other side named it."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


async def post(url: str, body: bytes, headers: dict[str, str]) -> None:
    """Raises Undelivered unless the answer is 2xx."""
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client:
            answer = await client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:  # a name that no resolver is asked for: UnicodeError
        raise Undelivered(f"{type(exc).__name__}: {exc}") from exc
    if not answer.is_success:
        raise Undelivered(f"HTTP status {answer.status_code}", _retry_after(answer))


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
