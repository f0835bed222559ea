"""Asking the programs that read a host's configuration whether they take it. Nothing is started."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.nixpkgs import tarball

_MIME_TYPES = Path(tarball.__file__).parent / "nixos/data/mime.types"
# What nginx 1.25.1 and OpenSSL 3.5 brought, where older ones ask.
_NEWER = re.compile(
    r"^ *(http2 on|http3(?:_hq)? \w+|quic_retry on|listen \S+ quic.*|ssl_conf_command Groups .*);\n",
    re.MULTILINE,
)
_CERTIFICATE = re.compile(r"\b(ssl_\w*certificate) \S+;")
_KEY = re.compile(r"\bssl_certificate_key \S+;")
_WHOLE = re.compile(r"^(ExecStart|Listen\w+)=.", re.MULTILINE)
_EXECUTABLE = re.compile(r"^Exec\w+=[-+!:@]*(\S+)", re.MULTILINE)
# What a unit writes for itself, such as how to take away the rules of nftables' that it has loaded.
_MADE_LATER = re.compile(r"^(Exec\w+=[-+!:@]*)/var/lib/\S+", re.MULTILINE)
_LISTS = {"Ciphers": "cipher", "KexAlgorithms": "kex", "Macs": "mac", "MACs": "mac"}
_SBIN = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def run(
    *command: str | Path, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its status."""
    return subprocess.run(
        command,
        input=stdin,
        env={**_SBIN, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def nginx_refuses(text: str, folder: Path, included: Mapping[str, str] | None = None) -> str | None:
    """What `nginx -t` says of an nginx.conf. None if it takes it.

    Args:
        folder: an empty one, for what the configuration names.
        included: texts that it includes, by their paths; a package's are stood in for.
    """
    text = with_includes(text, folder, included)
    _certificate(folder)
    text = _CERTIFICATE.sub(rf"\1 {folder}/certificate.pem;", text)
    text = _KEY.sub(f"ssl_certificate_key {folder}/key.pem;", text)
    text = re.sub(r"^user .*;$", "", text.replace("/run/nginx", str(folder)), flags=re.MULTILINE)
    (folder / "nginx.conf").write_text(_NEWER.sub("", text))
    done = run("nginx", "-t", "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf")
    return None if done.returncode == 0 else done.stderr


def with_includes(text: str, folder: Path, included: Mapping[str, str] | None = None) -> str:
    """An nginx.conf that includes files in a folder, in place of what would be built."""
    for path in set(re.findall(r"\binclude (/\S+);", text)):
        here = folder / f"included-{Path(path).name}"
        known = _MIME_TYPES.read_text() if path.endswith("mime.types") else ""
        here.write_text((included or {}).get(path, known))
        text = text.replace(f"include {path};", f"include {here};")
    return text


def _certificate(folder: Path) -> None:
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-subj", "/CN=films.test", "-keyout", folder / "key.pem"),
        *("-out", folder / "certificate.pem"),
    )


def systemd_refuses(units: Mapping[str, str], folder: Path, store: Path) -> str | None:
    """What `systemd-analyze verify` says of units, by their names. None if it takes them.

    Programs are looked for, so that those in the `store` are made there, as empty files. What only adds to a
    unit of systemd's own is not asked about.
    """
    whole = [
        name
        for name, text in units.items()
        if not name.endswith((".service", ".socket")) or _WHOLE.search(text)
    ]
    for name in whole:
        # systemd 253 brought it.
        text = units[name].replace("Type=notify-reload", "Type=notify")
        (folder / name).write_text(_MADE_LATER.sub(r"\1/bin/true", text))
        for program in _EXECUTABLE.findall(units[name]):
            if Path(program).is_relative_to(store) and not Path(program).exists():
                Path(program).parent.mkdir(parents=True, exist_ok=True)
                Path(program).touch(mode=0o755)
    done = run(
        *("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *whole),
        SYSTEMD_UNIT_PATH=f"{folder}:",
    )
    said = [line for line in done.stderr.splitlines() if any(name in line for name in whole)]
    return "\n".join(said) or None


def sshd_takes(text: str, folder: Path) -> list[str]:
    """What an sshd_config comes to: every setting, the defaults too, as `sshd -T` prints them.

    Algorithms that this computer's OpenSSH does not have are left out.

    Raises:
        AssertionError: sshd refuses it.
    """
    key = folder / "host_key"
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    text = re.sub(r"^HostKey .*", f"HostKey {key}", text, flags=re.MULTILINE)
    for keyword, asked in _LISTS.items():
        here = set(run("ssh", "-Q", asked).stdout.split())
        if line := re.search(rf"^{keyword} (.*)", text, re.MULTILINE):
            known = ",".join(name for name in line[1].split(",") if name in here)
            text = text.replace(line[0], f"{keyword} {known}")
    (folder / "sshd_config").write_text(text)
    done = run("unshare", "--mount", "sh", "-c", _AS_SSHD, "sh", folder / "sshd_config")
    assert done.returncode == 0, done.stderr
    return sorted(done.stdout.splitlines())


# Debian's sshd wants its folder, even to look at a configuration.
_AS_SSHD = 'mount -t tmpfs none /run && mkdir /run/sshd && exec "$(command -v sshd)" -T -f "$1"'


def nft_refuses(rules: str) -> str | None:
    """What `nft --check` says of the rules in a table. None if it takes them."""
    table = f"table inet nixos-fw {{\n{rules}\n}}\n"
    done = run("unshare", "--net", "nft", "--check", "--file", "-", stdin=table)
    return None if done.returncode == 0 else done.stderr
