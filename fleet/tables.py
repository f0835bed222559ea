"""What `status` prints: the problems, the notices, a table of the hosts, and one of what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from fleet import money
from fleet.host import Certificate, Host
from fleet.status import Report

UNKNOWN = Text("unknown", style="dim")


def show(reports: Sequence[Report], out: Console) -> None:
    """Print all of it, the problems first."""
    for report in reports:
        for problem in report.problems:
            out.print(Text.assemble((report.stack, "bold red"), ": ", problem), soft_wrap=True)
    for report in reports:
        for notice in report.notices:
            said = Text.assemble((report.stack, "bold"), ": notice: ", notice)
            out.print(said, soft_wrap=True)
    if any(report.problems or report.notices for report in reports):
        out.print()
    out.print(_hosts(reports))
    out.print()
    out.print(_money(reports))
    for line in _notes(reports):
        out.print(line, style="dim", highlight=False, soft_wrap=True)


def _hosts(reports: Sequence[Report]) -> Table:
    columns = (
        *("stack", "", "state", "gen.", "nixpkgs", "Plex", "mount", "disk free", "cache"),
        *("cert.", "backup", "upgrade", "load"),
    )
    table = Table(*columns, box=None, pad_edge=False, collapse_padding=True)
    for report in reports:
        well = Text("well", style="green")
        count = Text(f"{len(report.problems)} ✗", style="red")
        verdict = count if report.problems else well
        table.add_row(report.stack, verdict, *_cells(report.host, report.certificate))
    return table


def _cells(host: Host | None, certificate: Certificate | None) -> list[Text]:
    if host is None:
        cells = [UNKNOWN] * 11
        cells[7] = _days(certificate, None)
        return cells
    return [
        _text(host.state),
        _text(None if host.generation is None else str(host.generation)),
        _text(host.nixpkgs and host.nixpkgs.removeprefix("nixos-").rpartition(".")[0]),
        _text(
            host.plex and f"{host.plex.partition('-')[0]}{'' if host.claimed else ' (no owner)'}"
        ),
        _text(host.mounted and ("answers" if host.listed else "hangs")),
        _text(_of(host.disk_free, host.disk_bytes)),
        _text(_of(host.cache_bytes, host.cache_most)),
        _days(certificate, host.now),
        _ago(host.backup, host.now, never="none" if host.backups else "off"),
        _ago(host.upgraded, host.now, never="none" if host.upgrades else "off"),
        _text(None if host.load is None else f"{host.load:g}"),
    ]


def _money(reports: Sequence[Report]) -> Table:
    table = Table(
        *("a month", "server", "backups", "IPs", "Hetzner", "bucket", "B2"),
        *("downloads", "B2", "the article's prices"),
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    for report in reports:
        hetzner, b2 = report.hetzner, report.backblaze
        euros = (
            [UNKNOWN] * 4
            if isinstance(hetzner, str)
            else [
                Text(f"{_price(hetzner.server)} ({hetzner.server_type})"),
                Text(_price(hetzner.backups)),
                Text(_price(hetzner.addresses)),
                Text(f"{_price(hetzner.total)} {hetzner.currency}"),
            ]
        )
        table.add_row(
            report.stack,
            *euros,
            _size(b2.stored_bytes),
            _dollars(b2.stored),
            _size(b2.downloaded_bytes),
            _dollars(b2.downloaded),
            _by_the_article(money.article(b2)),
        )
    return table


def _notes(reports: Sequence[Report]) -> list[str]:
    whys = {
        f"{report.stack}: {report.hetzner}" for report in reports if isinstance(report.hetzner, str)
    }
    return [
        *sorted(whys),
        "Hetzner's prices are today's, without VAT. B2's are those of September 2026: "
        f"${money.B2_TB} for a TB, 10 GB free; downloads beyond three times what is stored "
        f"${money.B2_DOWNLOADED_GB} a GB. Downloads are what the mount has fetched since it started, "
        "taken for a month, once it runs for a day.",
        "Unknown: the bucket of the library's backups, and B2's calls.",
    ]


def _by_the_article(sums: money.Article) -> Text:
    dollars = [each for each in (sums.stored, sums.downloaded) if each is not None]
    text = f"{sums.server} EUR + ${_price(sum(dollars, Decimal(0)))}"
    return Text(text if len(dollars) == 2 else f"{text} + unknown")


def _price(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _dollars(amount: Decimal | None) -> Text:
    return UNKNOWN if amount is None else Text(f"${amount:.2f}")


def _text(text: str | None) -> Text:
    return Text(text) if text else UNKNOWN


def _of(part: int | None, whole: int | None) -> str | None:
    return None if part is None or whole is None else f"{_gb(part)}/{_gb(whole)} GB"


def _size(number: int | None) -> Text:
    return UNKNOWN if number is None else Text(decimal(number))


def _gb(number: int) -> str:
    return f"{number / 1e9:.0f}" if number >= 1e10 else f"{number / 1e9:.1f}"


def _days(certificate: Certificate | None, now: datetime | None) -> Text:
    if certificate is None or certificate.ends is None:
        return UNKNOWN
    left = certificate.ends - (now or datetime.now(certificate.ends.tzinfo))
    return Text(f"{left.days} d", style="red" if certificate.fault else "")


def _ago(moment: datetime | None, now: datetime, *, never: str) -> Text:
    return Text(never, style="dim") if moment is None else Text(_span(now - moment))


def _span(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    if hours >= 48:
        return f"{hours / 24:.0f} d"
    return f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"
