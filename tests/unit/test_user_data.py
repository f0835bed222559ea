"""What cloud-init is given: real YAML, SSH closed first, and small enough."""

from __future__ import annotations

import json
import subprocess
from typing import TypedDict

import pytest
import yaml

from components.pins import Pin
from components.rendering import NIX
from components.server import user_data

KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGs\n-----END PRIVATE KEY-----\n"
INSTALLER = Pin(url="https://a/installer.tar.gz?x=1&y=\"'#", sha256="0" * 64)


class CloudConfig(TypedDict):
    bootcmd: list[str | list[str]]
    ssh_deletekeys: bool
    write_files: list[dict[str, str]]


@pytest.fixture
def parsed() -> CloudConfig:
    text = user_data(KEY, INSTALLER)
    assert text.startswith("#cloud-config\n")
    config: CloudConfig = yaml.safe_load(text)
    return config


@pytest.fixture
def files(parsed: CloudConfig) -> dict[str, dict[str, str]]:
    return {each["path"]: each for each in parsed["write_files"]}


def test_it_holds_what_is_needed_and_no_more(parsed: CloudConfig) -> None:
    assert set(parsed) == {"bootcmd", "ssh_deletekeys", "write_files"}


def test_ssh_is_closed_before_it_would_listen_at_every_boot_of_ubuntu(parsed: CloudConfig) -> None:
    # Of the modules that run before sshd, bootcmd is the only one that runs at each boot.
    only_ubuntu, *commands = parsed["bootcmd"]

    assert only_ubuntu == '. /etc/os-release; [ "$ID" = ubuntu ] || exit 0'
    assert commands == [
        ["touch", "/etc/ssh/sshd_not_to_be_run"],
        ["systemctl", "mask", "--runtime", "ssh.socket", "ssh.service"],
        # Without --no-block it would wait for units that wait for cloud-init.
        ["systemctl", "stop", "--no-block", "ssh.socket", "ssh.service"],
    ]


def test_another_system_keeps_its_host_keys(parsed: CloudConfig) -> None:
    assert parsed["ssh_deletekeys"] is False


def test_files_arrive_byte_for_byte_and_for_root_alone(files: dict[str, dict[str, str]]) -> None:
    assert files["/root/install_host_key"]["content"] == KEY
    assert files["/root/install_host_key"]["permissions"] == "0600"
    assert files["/root/kexec.sh"]["content"] == (NIX / "host" / "kexec.sh").read_text()
    assert files["/root/kexec.sh"]["permissions"] == "0700"


def test_the_jump_is_tried_at_every_boot(files: dict[str, dict[str, str]]) -> None:
    script = files["/var/lib/cloud/scripts/per-boot/enter-installer"]

    assert script["content"] == "#!/bin/sh\nexec sh /root/kexec.sh\n"
    assert script["permissions"] == "0700", "cloud-init runs what can be executed"


def test_the_installer_is_fetched_by_address_and_hash(files: dict[str, dict[str, str]]) -> None:
    sourced = subprocess.run(
        [
            "sh",
            "-eu",
            "-c",
            f'{files["/root/installer"]["content"]}printf "%s\\n" "$url" "$sha256"',
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert sourced.stdout == f"{INSTALLER.url}\n{INSTALLER.sha256}\n"


def test_hetzner_takes_32_kib() -> None:
    assert len(user_data(KEY, INSTALLER).encode()) < 16 * 1024, "half of it is left for later"
    with pytest.raises(ValueError, match="larger than 32 KiB"):
        user_data("x" * 32 * 1024, INSTALLER)


def test_no_line_of_a_key_can_become_yaml() -> None:
    hostile = 'x\nruncmd:\n  - [reboot]\n"}\n'

    config = yaml.safe_load(user_data(hostile, INSTALLER))

    assert config["write_files"][0]["content"] == hostile
    assert "runcmd" not in config
    assert json.dumps(hostile) in user_data(hostile, INSTALLER)
