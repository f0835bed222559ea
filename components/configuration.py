"""The host's NixOS configuration: the files of `nix/` with the stack's values in them."""

from __future__ import annotations

from components import support
from components.payload import shell_assignments
from components.ports import numbers, open_ports
from components.rendering import NIX, render
from components.settings import Settings

# What an installation alone needs, and what the secrets bring along, is no part of the configuration.
_OTHERS = (
    "enter-installer.sh",
    "install.sh",
    "kexec.sh",
    "kexec-failed.sh",
    "reported.sh",
    "secrets.sh",
    "system-disk.sh",
    "told.sh",
    "try-secrets.sh",
)


def tunnel_command(settings: Settings) -> str:
    """The command that opens the tunnel to Plex's first set-up, for the first administrator."""
    administrator = next(iter(settings.administrators))
    return f"ssh -L 32400:127.0.0.1:32400 {administrator}@{settings.domain}"


def parameters(settings: Settings, stack: str) -> str:
    """What the scripts on the host need to know, as shell assignments."""
    nixpkgs = settings.pinned.nixpkgs
    values = {
        "STACK": stack,
        "DOMAIN": settings.domain,
        "BUCKET": settings.b2_bucket,
        "RELEASE": settings.nixos_release,
        "SUPPORT_ENDS": support.ends(settings.nixos_release).isoformat(),
        "NIXPKGS_URL": nixpkgs.url,
        "NIXPKGS_SHA256": nixpkgs.sha256,
        "ACKNOWLEDGE_SECONDS": str(settings.acknowledge_seconds),
    }
    return shell_assignments(values)


def files(settings: Settings, stack: str) -> dict[str, str]:
    """Every file of the configuration, by its path on the host relative to /etc/nixos.

    It holds no secret, and no value that a preview does not know.
    """
    ports = open_ports(lan=settings.plex_lan_ports, http3=settings.http3)
    templates: dict[str, dict[str, object]] = {
        "confinement.nix": {
            "library": settings.library_backup,
            "read_only": settings.media_read_only,
        },
        "firewall.nix": {"tcp_ports": numbers(ports, "tcp"), "udp_ports": numbers(ports, "udp")},
        "hardware.nix": {"architecture": settings.architecture},
        "library.nix": {
            "enabled": settings.library_backup,
            "stack": stack,
            "bucket": settings.library_bucket,
            "prefix": settings.backup_prefix or stack,
            "nightly": _before_upgrades(settings),
        },
        "media.nix": {
            "bucket": settings.b2_bucket,
            "cache_gigabytes": settings.cache_gigabytes,
            "read_only": settings.media_read_only,
            "refresh_minutes": settings.refresh_minutes,
        },
        "plex.nix": {"domain": settings.domain, "audiobooks": settings.plex_audiobooks},
        "system.nix": {
            "host_name": settings.host_name,
            "time_zone": settings.time_zone,
            "packages": settings.packages,
        },
        "upgrades.nix": _window(settings),
        "users.nix": {"administrators": settings.administrators},
        "web.nix": {
            "domain": settings.domain,
            "acme_email": settings.acme_email,
            "acme_staging": settings.acme_staging,
            "hsts_binds_names_below": settings.hsts_whole_zone or _below_its_zone(settings),
            "http3": settings.http3,
            "tunnel": tunnel_command(settings),
        },
    }
    result = {"parameters": parameters(settings, stack)}
    for path in (*sorted(NIX.glob("*.nix")), NIX / "closed.html"):
        result[path.name] = path.read_text()
    for name, values in templates.items():
        result[name] = render(f"{name}.j2", values)
    for script in sorted((NIX / "host").rglob("*.sh")):
        if script.name not in _OTHERS:
            result[script.relative_to(NIX).as_posix()] = script.read_text()
    return dict(sorted(result.items()))


def _below_its_zone(settings: Settings) -> bool:
    """Where the zone is elsewhere and not named, the domain might be its apex."""
    return bool(settings.dns_zone) and settings.domain.endswith(f".{settings.dns_zone}")


def _before_upgrades(settings: Settings) -> str:
    """When backups begin, at the earliest: they have three hours until an upgrade does."""
    start, _ = _minutes(settings.auto_upgrade_window)
    hours, minutes = divmod((start - 180) % (24 * 60), 60)
    return f"{hours:02}:{minutes:02}"


def _minutes(window: str) -> tuple[int, int]:
    """A window of time as minutes of the day."""
    start, end = (int(time[:2]) * 60 + int(time[3:]) for time in window.split("-"))
    return start, end


def _window(settings: Settings) -> dict[str, object]:
    start, _ = settings.auto_upgrade_window.split("-")
    first, last = _minutes(settings.auto_upgrade_window)
    return {
        "enabled": settings.auto_upgrade,
        "window_start": start,
        "end_minute": last,
        "window_minutes": (last - first) % (24 * 60),  # it may go over midnight
        "may_reboot": settings.auto_upgrade_reboot,
    }
