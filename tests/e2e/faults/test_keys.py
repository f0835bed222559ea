"""Keys that are rotated: what does not work is put back, or asked for by a sentence."""

from __future__ import annotations

import json

import pytest

from sandbox import credentials
from sandbox.world import addresses
from tests.e2e import machine
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import NO_SSH, Host

_TOKEN = f"http://127.0.0.1:{addresses.FAULTS_PORT}/token"
_NEW = "rotated0" * 8
_KEY = "sha256sum /var/lib/secrets/rclone.conf"


@fault(
    "Hetzner's token is rotated",
    "before the stack has the new one",
    "a change of the host is made all the same; one of the cloud says what is refused, and is made with the"
    " new token",
)
@pytest.mark.quick
def test_a_rotated_token(host: Host) -> None:
    assert host.world.curl("-f", "-X", "PUT", "-d", _NEW, _TOKEN).returncode == 0
    try:
        host.change()
        host.up()
        host.stack.set("backups", "false")
        host.up_fails("unauthorized")
        host.stack.set_secret("hcloud:token", _NEW)
        host.up()
        host.stack.set("backups", "true")
        host.up()
    finally:
        assert host.world.curl("-f", "-X", "DELETE", _TOKEN).returncode == 0
    host.stack.set_secret("hcloud:token", credentials.HCLOUD_TOKEN)


@fault(
    "a new B2 key whose secret is wrong",
    "with the change of secrets",
    "it is tried and put back; `up` names the keys to check, and the mount goes on with the old one",
)
def test_a_wrong_key(host: Host) -> None:
    mounted = host.shell("systemctl show -P ActiveEnterTimestamp media")
    host.stack.set_secret("b2ApplicationKey", "K000" + "wrong0" * 4 + "000")
    host.up_fails("the old set is in use. Check b2KeyId, b2ApplicationKey and b2Bucket")
    assert host.shell("systemctl show -P ActiveEnterTimestamp media") == mounted
    host.stack.set_secret("b2ApplicationKey", credentials.B2_APPLICATION_KEY)


@fault(
    "the power is cut",
    "while a new B2 key is on trial",
    "the old key is back after the boot; the same run tries the new one again, and takes it",
)
def test_power_while_a_key_is_tried(host: Host) -> None:
    boots, key = machine.boots(host.stack), host.shell(_KEY)
    ring = json.loads((host.world.state / "b2" / "keys.json").read_text())
    (master,) = (each for each in ring["keys"] if each["id"] == ring["account_id"])
    host.stack.set("b2KeyId", master["id"])
    host.stack.set_secret("b2ApplicationKey", master["secret"])
    pause = host.pause("secrets")
    with host.running() as process:
        pause.reached()
        assert host.shell(_KEY) != key
        with host.world.rules(NO_SSH):
            machine.cut_power(host.stack)
            host.until_rebooted(boots)
            assert host.shell(_KEY) == key
            assert not host.left()
            machine.cut_sessions(host.stack)
        said, _ = process.communicate()
    assert process.returncode == 0, said
    assert host.shell(_KEY) != key
    host.stack.set("b2KeyId", credentials.B2_KEY_ID)
    host.stack.set_secret("b2ApplicationKey", credentials.B2_APPLICATION_KEY)
