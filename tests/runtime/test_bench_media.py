"""The benchmark of the mount on a small library: what each set asks of the bucket, slow computer or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.media import flags, measure
from benchmarks.media.library import Library, Made
from benchmarks.media.measure import Course, Endpoint, Figure, endpoint

pytestmark = pytest.mark.heavy

_SMALL = Library(folders=30, in_each=3, analysed=20, film=120_000_000, stream=10_000_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def made(folder: Path) -> Made:
    return Made(folder / "b2", _SMALL)


@pytest.fixture(scope="module")
def server(made: Made, folder: Path) -> Iterator[Endpoint]:
    del made
    with endpoint(folder / "b2") as running:
        yield running


@pytest.fixture(scope="module")
def sets(folder: Path) -> dict[str, list[str]]:
    return flags.sets(folder)


@pytest.fixture(scope="module")
def figures(
    server: Endpoint, made: Made, folder: Path, sets: dict[str, list[str]]
) -> dict[tuple[str, str], Figure]:
    return {
        (name, figure.work): figure
        for name in ("article", "ours")
        for figure in Course(server, made, folder / "course", "near").run(name, sets[name])
    }


def test_scans_list_nothing_once_it_is_warm(figures: dict[tuple[str, str], Figure]) -> None:
    for scan in ("first scan", "second scan", "scan after six hours"):
        assert figures["ours", scan].C == 0
    assert _SMALL.folders < figures["article", "first scan"].C
    assert _SMALL.folders < figures["article", "scan after six hours"].C


def test_analysis_reads_little_more_than_it_is_asked_for(
    figures: dict[tuple[str, str], Figure],
) -> None:
    ours, article = figures["ours", "analysis"], figures["article", "analysis"]
    assert ours.asked == article.asked == _SMALL.analysed * 256 * 1024
    assert ours.sent < article.sent / 4


def test_what_was_read_once_is_not_read_again(figures: dict[tuple[str, str], Figure]) -> None:
    again = figures["ours", "restart, and the one stream and a scan again"]
    assert (again.asked, again.B) == (_SMALL.stream, 0)


def test_players_of_all_sets_go_through_outages_of_each_kind(
    made: Made, folder: Path, sets: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_UNDISTURBED", "_AFTER"):
        monkeypatch.setattr(measure, name, 3)
    # Little faster than a player, so that nothing is far ahead of it when the outage begins.
    monkeypatch.setitem(measure.LINKS, "usual", (0.08, 2_500_000, 100_000_000))
    with (
        endpoint(folder / "b2") as refused,
        endpoint(folder / "b2") as hanging,
        endpoint(folder / "b2") as unavailable,
    ):
        servers = {"refused": refused, "hanging": hanging, "503": unavailable}
        ours = {"ours": sets["ours"]}
        found = list(measure.outages(servers, made, folder, ours, lasts=15, given_up=60))
    assert [one.outage for one in found] == list(servers)
    assert [one.error for one in found] == ["", "", ""]
    assert [one for one in found if one.stalled == 0] == []
