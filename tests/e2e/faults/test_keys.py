"""Keys that are rotated: what does not work is put back, or asked for by a sentence."""

from __future__ import annotations

from sandbox import credentials
from sandbox.world import addresses
from tests.e2e.faults.declared import fault
from tests.e2e.faults.host import Host

_TOKEN = f"http://127.0.0.1:{addresses.FAULTS_PORT}/token"
_NEW = "rotated0" * 8


@fault(
    "Hetzner's token is rotated",
    "before the stack has the new one",
    "a change of the host is made all the same; one of the cloud says what is refused, and is made with the"
    " new token",
)
def test_a_rotated_token(host: Host) -> None:
    assert host.world.curl("-f", "-X", "PUT", "-d", _NEW, _TOKEN).returncode == 0
    try:
        host.change()
        host.up()
        host.stack.set("sshNetworks[0]", "203.0.113.0/24")
        host.up_fails("unauthorized")
        host.stack.set_secret("hcloud:token", _NEW)
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
