"""Services of others over HTTP and JSON: every answer is a document, or an error that says who can mend it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from steps.jobs import Away, Refused

if TYPE_CHECKING:
    import httpx2

LIMIT_S = 10.0  # of a call; a claim is good for 30 s
_AWAY = (408, 425, 429, 500, 502, 503, 504)
_SAID_MAX = 1000  # characters of what a service says for itself


class Rest:
    """One service at one address.

    name      as people call it
    url       without a closing slash
    token     gives what opens it, asked for each call, since tokens run out and are kept anew
    reason    finds the service's own words in the JSON of an error
    """

    def __init__(self, name: str, url: str, token: Callable[[], str], reason: Callable[[Any], str]) -> None:
        self._name = name
        self._url = url
        self._token = token
        self._reason = reason

    def get(self, path: str, /, **query: Any) -> Any:
        """What is there. Raises Refused, Away."""
        return self._ask("GET", path, params=query)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to a document. Raises Refused, Away: it may have been carried out all the same."""
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **parts: Any) -> Any:
        import httpx2  # a service that is never asked for costs nothing

        host = urlsplit(self._url).netloc
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            answer = httpx2.request(
                method, self._url + path, headers=headers, timeout=LIMIT_S, follow_redirects=False, **parts
            )
        except httpx2.HTTPError as error:
            raise Away(f"{self._name} at {host} does not answer ({type(error).__name__})") from None
        except httpx2.InvalidURL:
            raise Refused(f"'{self._url}' is no address of {self._name}") from None
        if answer.is_success:
            try:
                return answer.json() if answer.content else {}
            except json.JSONDecodeError:
                raise Away(f"{self._name} at {host} answered {method} {path} with what is no JSON") from None
        self._raise(host, f"{method} {path}", answer)
        return None

    def _raise(self, host: str, asked: str, answer: httpx2.Response) -> None:
        try:
            said = self._reason(answer.json())
        except (json.JSONDecodeError, AttributeError, KeyError, TypeError):
            said = answer.text
        said = said.strip()[:_SAID_MAX]
        words = f"{said} ({self._name} at {host} answered {answer.status_code} to {asked})".strip()
        if answer.status_code in _AWAY:
            raise Away(words, _seconds(answer.headers.get("retry-after", "")))
        raise Refused(words, status=answer.status_code)


def _seconds(retry_after: str) -> float | None:
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        return None
