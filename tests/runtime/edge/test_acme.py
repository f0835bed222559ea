"""Certificates over their life: Pebble, and lego as NixOS starts it, with nginx in front."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.runtime.edge import issuer as letsencrypt
from tests.runtime.edge.issuer import Issuer
from tests.runtime.edge.visits import ADDRESSES, DOMAIN, SERVER, asking, await_new_workers, put
from tests.runtime.lone_host import Host, host
from tests.runtime.upstream import Upstream

_ORDER = f"acme-order-renew-{DOMAIN}"
_UNITS = ("nginx", "nginx-config-reload", "acme-setup", f"acme-{DOMAIN}", _ORDER)
_FOLDER = f"/var/lib/acme/{DOMAIN}"


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    addresses = (*ADDRESSES, *letsencrypt.ADDRESSES)
    with host(tmp_path_factory.mktemp("acme"), addresses) as running:
        running.ok("useradd", "-r", "acme")
        texts = {
            f"unit{n}": f'config.systemd.units."{u}.service".text' for n, u in enumerate(_UNITS)
        }
        for unit, path in zip(_UNITS, running.build(texts).values(), strict=True):
            running.unit(f"{unit}.service", path)
        wanted = f"/run/systemd/system/{_ORDER}.service.wants"
        running.ok("mkdir", wanted)
        running.ok("ln", "-s", "../nginx-config-reload.service", wanted)
        running.write(
            f"/run/systemd/system/{_ORDER}.service.d/test.conf",
            "[Service]\nRestartSec=1\nEnvironment=LEGO_CA_CERTIFICATES=/etc/acme-ca.pem\n",
        )
        # nginx is told after each try, also after one that failed; on a host 15 minutes lie between them.
        running.write(
            "/run/systemd/system/nginx-config-reload.service.d/test.conf",
            "[Unit]\nStartLimitIntervalSec=0\n",
        )
        running.ok("systemctl", "daemon-reload")
        yield running


@pytest.fixture
def acme(lone: Host, tmp_path: Path) -> Iterator[Issuer]:
    """A new server, and an issuer whose certificates are so short that each run of the timer renews them."""
    lone.ok("systemctl", "stop", *(f"{unit}.service" for unit in _UNITS))
    lone.ok("rm", "-rf", "/var/lib/acme")
    with letsencrypt.issuer(lone, tmp_path, days=20) as made:
        yield made
        lone.ok("systemctl", "stop", f"{_ORDER}.service")


def boot(on: Host) -> None:
    on.ok("systemctl", "start", "nginx.service", f"acme-{DOMAIN}.service")
    on.await_port(SERVER, 443)


def served(on: Host) -> x509.Certificate:
    """What a visitor is shown now."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        on.connect(SERVER, 443) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown)


def by_pebble(on: Host) -> bool:
    return "Pebble" in served(on).issuer.rfc4514_string()


def await_that(on: Host, what: Callable[[], bool]) -> None:
    for _ in range(300):
        if what():
            return
        threading.Event().wait(0.1)
    pytest.fail(on.journal(_ORDER)[-3000:])


def ordered(on: Host, acme: Issuer) -> x509.Certificate:
    acme.knows(DOMAIN, SERVER)
    boot(on)
    await_that(on, lambda: by_pebble(on))
    await_new_workers(on)
    return served(on)


def renew(on: Host) -> int:
    """What the timer does each day; its status."""
    return on.run("systemctl", "start", f"{_ORDER}.service").returncode


@pytest.mark.heavy
def test_names_that_are_late_are_waited_for(lone: Host, acme: Issuer) -> None:
    failed = lone.journal(_ORDER).count("+ exit 10\n")
    boot(lone)
    await_that(lone, lambda: lone.journal(_ORDER).count("+ exit 10\n") >= failed + 2)
    # HTTPS is there meanwhile, with a certificate that is signed by itself.
    assert not by_pebble(lone)

    acme.knows(DOMAIN, SERVER)

    await_that(lone, lambda: by_pebble(lone))


def test_a_renewal_is_taken_by_nginx_and_interrupts_nobody(lone: Host, acme: Issuer) -> None:
    before = ordered(lone, acme)
    pid = lone.ok("systemctl", "show", "-P", "MainPID", "nginx")
    put(lone, "open")
    upstream = Upstream()
    with upstream.serving(lone), asking(lone, "/stream") as (_, answers):
        assert answers.readline().startswith(b"HTTP/1.1 200 ")

        assert renew(lone) == 0
        await_that(lone, lambda: served(lone).serial_number != before.serial_number)

        upstream.goes_on.set()
        assert answers.read().endswith(b"first\nother\n")
    assert by_pebble(lone)
    assert lone.ok("systemctl", "show", "-P", "MainPID", "nginx") == pid


@pytest.mark.parametrize("status", [429, 503], ids=["too many orders", "it is being repaired"])
def test_an_issuer_that_fails_leaves_the_old_certificate(
    status: int, lone: Host, acme: Issuer
) -> None:
    before = ordered(lone, acme)
    await_that(lone, lambda: show(lone, "SubState") == "dead")
    acme.failing = status

    assert renew(lone) != 0

    assert served(lone) == before
    await_that(lone, lambda: show(lone, "ExecMainStatus") == "11")
    # By itself, once it can be had again.
    acme.failing = 0
    await_that(lone, lambda: served(lone) != before)
    assert by_pebble(lone)


def show(on: Host, name: str) -> str:
    return on.ok("systemctl", "show", "-P", name, f"{_ORDER}.service").strip()


def test_a_server_with_the_certificates_of_another_goes_on_with_them(
    lone: Host, acme: Issuer
) -> None:
    before = ordered(lone, acme)
    await_that(lone, lambda: show(lone, "SubState") == "dead")
    account = lone.ok("sh", "-c", "cat /var/lib/acme/.lego/*/*/accounts/*/*/*.json")
    lone.ok("systemctl", "stop", *(f"{unit}.service" for unit in _UNITS))
    # As `plex-library` leaves what it has restored.
    lone.ok("chown", "-R", "acme:acme", "/var/lib/acme")
    acme.failing = 503

    boot(lone)

    # From its first moment on, whether or not any can be had.
    assert served(lone) == before
    acme.failing = 0
    await_that(lone, lambda: served(lone) != before)
    assert by_pebble(lone)
    assert lone.ok("sh", "-c", "cat /var/lib/acme/.lego/*/*/accounts/*/*/*.json") == account


def test_in_the_sandbox_no_certificate_has_to_be_renewed_within_years(
    lone: Host, tmp_path: Path
) -> None:
    lone.ok("systemctl", "stop", *(f"{unit}.service" for unit in _UNITS))
    lone.ok("rm", "-rf", "/var/lib/acme")
    with letsencrypt.issuer(lone, tmp_path / "first") as acme:
        before = ordered(lone, acme)
        await_that(lone, lambda: show(lone, "SubState") == "dead")
    assert before.not_valid_after_utc - before.not_valid_before_utc > timedelta(days=3000)

    # Started anew, it knows no account.
    with letsencrypt.issuer(lone, tmp_path / "second"):
        assert renew(lone) == 0
        assert served(lone) == before
