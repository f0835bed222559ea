"""One comment on a pull request, and one issue, that are kept up to date: at GitHub, by its API."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import requests

from fleet.errors import FleetError

_SECONDS = 30


class Repository:
    """A repository at GitHub.

    Args:
        name: with its owner's.
        token: which may write its issues, or its pull requests.
        api: the address of the API.
    """

    def __init__(self, name: str, token: str, api: str = "https://api.github.com") -> None:
        self._url = f"{api}/repos/{name}"
        self._http = requests.Session()
        self._http.headers.update(
            {
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "X-GitHub-Api-Version": "2022-11-28",
            }
        )

    @classmethod
    def of_the_environment(cls) -> Repository:
        """The one that GitHub's workflows name in their environment.

        Raises:
            FleetError: it is not there.
        """
        name, token = (os.environ.get(key, "") for key in ("GITHUB_REPOSITORY", "GITHUB_TOKEN"))
        if not name or not token:
            raise FleetError(
                "Set GITHUB_REPOSITORY to OWNER/NAME, and GITHUB_TOKEN to a token that may write its issues "
                "(`gh auth token` prints yours)."
            )
        return cls(name, token, os.environ.get("GITHUB_API_URL") or "https://api.github.com")

    def comment(self, number: int, text: str) -> str:
        """Put a text under an issue or a pull request, in the place of the one before; where it is now."""
        mark = "<!-- python -m fleet comment -->"
        body = {"body": f"{mark}\n{text}"}
        for each in self._all(f"/issues/{number}/comments"):
            if (each["body"] or "").startswith(mark):
                return str(self._ask("PATCH", f"/issues/comments/{each['id']}", body)["html_url"])
        return str(self._ask("POST", f"/issues/{number}/comments", body)["html_url"])

    def issue(self, title: str, text: str) -> str:
        """Have one open issue with this text, or none if it is empty; what was done."""
        mark = "<!-- python -m fleet issue -->"
        body = {"title": title, "body": f"{mark}\n{text}"}
        found = [
            each
            for each in self._all("/issues?state=open")
            if "pull_request" not in each and (each["body"] or "").startswith(mark)
        ]
        if not text:
            for each in found:
                path = f"/issues/{each['number']}"
                self._ask("POST", f"{path}/comments", {"body": "All is well again."})
                self._ask("PATCH", path, {"state": "closed", "state_reason": "completed"})
            return "closed " + " ".join(each["html_url"] for each in found) if found else "none"
        if found:
            changed = self._ask("PATCH", f"/issues/{found[0]['number']}", body)
            return f"updated {changed['html_url']}"
        return f"opened {self._ask('POST', '/issues', body)['html_url']}"

    def _all(self, path: str) -> Iterator[dict[str, Any]]:
        url = f"{self._url}{path}{'&' if '?' in path else '?'}per_page=100"
        while url:
            answer = self._send("GET", url)
            yield from answer.json()
            url = answer.links.get("next", {}).get("url", "")

    def _ask(self, method: str, path: str, body: dict[str, str]) -> Any:
        return self._send(method, f"{self._url}{path}", body).json()

    def _send(self, method: str, url: str, body: dict[str, str] | None = None) -> requests.Response:
        try:
            answer = self._http.request(method, url, json=body, timeout=_SECONDS)
        except requests.RequestException as error:
            raise FleetError(f"GitHub does not answer: {type(error).__name__}") from error
        if not answer.ok:
            raise FleetError(
                f"GitHub answered {answer.status_code} to {method} {url}: {answer.text[:200]}"
            )
        return answer
