"""What cloud-init is given: real YAML, SSH closed first, and small enough."""

from __future__ import annotations

import json
from typing import TypedDict

import pytest
import yaml

from components.pins import Pin
from components.rendering import NIX
from components.server import user_data

KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGs\n-----END PRIVATE KEY-----\n"
INSTALLER = Pin(url="https://a/installer.tar.gz?x=1&y=\"'#", sha256="0" * 64)


class CloudConfig(TypedDict):
    bootcmd: list[list[str]]
    write_files: list[dict[str, str]]
    runcmd: list[list[str]]


@pytest.fixture
def parsed() -> CloudConfig:
    text = user_data(KEY, INSTALLER)
    assert text.startswith("#cloud-config\n")
    config: CloudConfig = yaml.safe_load(text)
    return config


def test_it_holds_three_sections_and_no_more(parsed: CloudConfig) -> None:
    assert set(parsed) == {"bootcmd", "write_files", "runcmd"}


def test_ssh_is_closed_before_it_would_listen(parsed: CloudConfig) -> None:
    commands = parsed["bootcmd"]

    assert commands[0] == ["touch", "/etc/ssh/sshd_not_to_be_run"]
    for unit in ("ssh.socket", "ssh.service"):
        assert any(
            command[:3] == ["systemctl", "mask", "--runtime"] and unit in command
            for command in commands
        )
        # Without --no-block it would wait for units that wait for cloud-init.
        assert any(
            command[:3] == ["systemctl", "stop", "--no-block"] and unit in command
            for command in commands
        )


def test_files_arrive_byte_for_byte_and_for_root_alone(parsed: CloudConfig) -> None:
    files = {each["path"]: each for each in parsed["write_files"]}

    assert files["/root/install_host_key"]["content"] == KEY
    assert files["/root/install_host_key"]["permissions"] == "0600"
    assert files["/root/kexec.sh"]["content"] == (NIX / "host" / "kexec.sh").read_text()
    assert files["/root/kexec.sh"]["permissions"] == "0700"


def test_the_installer_is_fetched_by_address_and_hash(parsed: CloudConfig) -> None:
    assert parsed["runcmd"] == [["sh", "/root/kexec.sh", INSTALLER.url, INSTALLER.sha256]]


def test_hetzner_takes_32_kib() -> None:
    assert len(user_data(KEY, INSTALLER).encode()) < 16 * 1024, "half of it is left for later"
    with pytest.raises(ValueError, match="larger than 32 KiB"):
        user_data("x" * 32 * 1024, INSTALLER)


def test_no_line_of_a_key_can_become_yaml() -> None:
    hostile = 'x\nruncmd:\n  - [reboot]\n"}\n'

    config = yaml.safe_load(user_data(hostile, INSTALLER))

    assert config["write_files"][0]["content"] == hostile
    assert len(config["runcmd"]) == 1
    assert json.dumps(hostile) in user_data(hostile, INSTALLER)
