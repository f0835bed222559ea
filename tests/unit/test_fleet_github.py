"""A comment and an issue that are kept up to date, with a stand-in of the few calls of GitHub's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from fleet import __main__ as command
from fleet.errors import FleetError
from fleet.github import Repository

TOKEN = "of-a-test"
MARK = "<!-- python -m fleet issue -->\n"


class GitHub(ThreadingHTTPServer):
    """Issues, pull requests among them, and comments of one repository; lists have two on a page."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.issues: list[dict[str, Any]] = []
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, into: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
        number = 1 + sum(map(len, self.comments.values())) + len(self.issues)
        into.append(
            {"id": number, "number": number, "state": "open", "html_url": f"#{number}", **values}
        )
        return into[-1]


class Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = dict(pair.split("=") for pair in query.split("&"))
        page = int(asked.pop("page", 1))
        found = [each for each in self._list(path) if each["state"] == "open"]
        links = {}
        if found[2 * page :]:
            links["Link"] = f'<{self.server.url}{path}?{query}&page={page + 1}>; rel="next"'
        self._answer(200, found[2 * page - 2 : 2 * page], links)

    def do_POST(self) -> None:
        self._answer(201, self.server.add(self._list(self.path), **self._body()))

    def do_PATCH(self) -> None:
        number = int(self.path.rpartition("/")[2])
        everything = [*self.server.issues, *chain(*self.server.comments.values())]
        (found,) = [each for each in everything if each["id"] == number]
        found |= self._body()
        self._answer(200, found)

    def _list(self, path: str) -> list[dict[str, Any]]:
        *_, kind, number, last = ["", "", *path.split("/")]
        if last == "comments":
            return self.server.comments.setdefault(int(number), [])
        assert (kind, number, last) == ("alice", "plex", "issues")
        return self.server.issues

    def _body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def _answer(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        self.server.asked.append(self.command)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status, body = 401, {"message": "Bad credentials"}
        text = json.dumps(body).encode()
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(text))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with GitHub() as server:
        # All of them before there is a thread: libfaketime reads the environment whenever one waits.
        monkeypatch.setenv("GITHUB_API_URL", server.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", "alice/plex")
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setenv("GITHUB_RUN_ID", "")
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def report(**problems: list[str]) -> str:
    stacks = [{"stack": name, "problems": found} for name, found in problems.items()]
    return json.dumps({"stacks": stacks})


def test_a_pull_request_has_one_comment_with_the_newest_text(
    github: GitHub, tmp_path: Path
) -> None:
    github.comments[7] = []
    for text in ("Please look.", "Thanks.", "Whatever."):
        github.add(github.comments[7], body=text)
    path = tmp_path / "preview.md"
    for content in ("the first", "the second"):
        path.write_text(content)
        assert command.main(["comment", "7", str(path)]) == 0

    bodies = [each["body"] for each in github.comments[7]]
    assert bodies == [
        "Please look.",
        "Thanks.",
        "Whatever.",
        "<!-- python -m fleet comment -->\nthe second",
    ]


def test_an_issue_is_opened_updated_and_closed(
    github: GitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        github.add(github.issues, title=f"Somebody's own {number}", body=None)
    github.add(github.issues, title="A pull request", body=MARK, pull_request={})
    path = tmp_path / "status.json"

    def run(text: str) -> str:
        path.write_text(text)
        assert command.main(["issue", str(path)]) == 0
        return capsys.readouterr().out.split()[0]

    assert run(report(alice=[], bob=[])) == "none"
    assert run(report(alice=["no  answer\nat all"], bob=[])) == "opened"
    assert run(report(alice=["no answer"], bob=["the disk is full"])) == "updated"
    (issue,) = [each for each in github.issues if each["title"] == "A server needs a look"]
    assert issue["body"] == (
        f"{MARK}`python -m fleet status` says:\n\n- **alice**: no answer\n- **bob**: the disk is full\n"
    )
    assert run(report(alice=[], bob=[])) == "closed"
    assert issue["state"] == "closed"
    assert [each["body"] for each in github.comments[issue["number"]]] == ["All is well again."]
    assert [each["state"] for each in github.issues[:4]] == ["open"] * 4
    # The next one is another.
    assert run(report(alice=["no answer"], bob=[])) == "opened"


def test_in_a_workflow_the_issue_leads_to_the_run(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_RUN_ID", "42")
    (tmp_path / "status.json").write_text(report(alice=["no answer"]))
    assert command.main(["issue", str(tmp_path / "status.json")]) == 0
    assert "https://github.com/alice/plex/actions/runs/42" in github.issues[0]["body"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"stacks": [{}]}', "fleet: no stack"])
def test_what_is_no_report_closes_nothing(
    github: GitHub, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    github.add(github.issues, title="A server needs a look", body=MARK)
    (tmp_path / "status.json").write_text(text)
    assert command.main(["issue", str(tmp_path / "status.json")]) == 2
    assert "is not what `status --json` prints" in capsys.readouterr().err
    assert github.issues[0]["state"] == "open"


def test_an_empty_text_is_no_comment(
    github: GitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "preview.md").touch()
    assert command.main(["comment", "7", str(tmp_path / "preview.md")]) == 2
    assert command.main(["comment", "7", str(tmp_path / "missing.md")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err
    assert github.asked == []


def test_a_refusal_is_told_and_never_the_token(github: GitHub) -> None:
    with pytest.raises(
        FleetError, match=r"GitHub answered 401 to GET .*Bad credentials"
    ) as refused:
        Repository("alice/plex", "another-token", github.url).comment(7, "text")
    assert "another-token" not in str(refused.value)


def test_without_a_repository_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    (tmp_path / "preview.md").write_text("text")
    assert command.main(["comment", "7", str(tmp_path / "preview.md")]) == 2
    assert "GITHUB_TOKEN" in capsys.readouterr().err
