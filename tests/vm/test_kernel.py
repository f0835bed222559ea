"""What takes a kernel of the host's own: its limits, its settings, and a root file system that grows."""

from __future__ import annotations

import pytest

from tests.vm.host import Host

pytestmark = pytest.mark.heavy

_UNITS = ("media", "nginx", "plex")
# In the unit's own control group, where nobody of the unit's has to be well, and killed before all others. It
# would take minutes with MemoryHigh, or with swap.
_EATS = """
/usr/bin/python3 -c '
import sys
from pathlib import Path
group = Path("/sys/fs/cgroup/system.slice", sys.argv[1] + ".service")
(group / "memory.high").write_text("max")
(group / "memory.swap.max").write_text("0")
Path("/proc/self/oom_score_adj").write_text("1000")
(group / "cgroup.procs").write_text("0")
eaten = []
while True:
    eaten.append(bytes([1]) * (1 << 20))
' "$1" || exit $?
"""
_ASKS = """
echo $$ >"/sys/fs/cgroup/system.slice/$1.service/cgroup.procs"
exec curl -sS --max-time 5 http://169.254.169.254/hetzner/v1/metadata
"""
# Each line of it that this kernel has a file for, and the kernel's own word.
_SYSCTLS = """
grep -v '^#' /etc/sysctl.d/60-nixos.conf | while IFS='=' read -r key value; do
  case $key in
    *'*'*) pattern=$(echo "$key" | sed 's/[.]/[.]/g; s/[*]/[^.]*/') ;;
    *) pattern=$(echo "$key" | sed 's/[.]/[.]/g') ;;
  esac
  sysctl --all --pattern "^$pattern\\$" | while read -r name _ found; do
    echo "$name"; echo "$value"; echo "$found"
  done
done
"""


@pytest.mark.parametrize("unit", _UNITS)
def test_a_service_gets_no_more_memory_than_its_limit(running: Host, unit: str) -> None:
    group = f"/sys/fs/cgroup/system.slice/{unit}.service"
    high, limit = map(int, running.shell(f"cat {group}/memory.high {group}/memory.max").split())
    assert high < limit < 0.75 * 1536 * 2**20
    assert running.ssh(_EATS, unit).returncode == 137
    # The unit may have been started anew, in another group.
    running.shell(f"dmesg | grep -q 'CONSTRAINT_MEMCG.*,oom_memcg=/system.slice/{unit}.service,'")
    running.shell("systemctl is-active --quiet sshd")


@pytest.mark.parametrize("unit", _UNITS)
def test_a_service_cannot_ask_for_the_user_data(running: Host, unit: str) -> None:
    # The firewall would let root's processes through.
    assert running.ssh("exec curl -fsS http://169.254.169.254/hetzner/v1/metadata").returncode == 0
    refused = running.ssh(_ASKS, unit)
    assert refused.returncode in (7, 28)


def test_the_kernel_has_the_settings_of_the_hardening(running: Host) -> None:
    told = running.shell(_SYSCTLS).splitlines()
    assert len(told) >= 3 * 15
    for key, wanted, found in zip(*(told[part::3] for part in range(3)), strict=True):
        assert found == wanted, key


def test_the_root_file_system_grows_with_the_disk(host: Host) -> None:
    size = "df --block-size=1M --output=size / | tail -n 1"
    before = int(host.shell(size))
    host.into_vm(larger=5)
    host.until_up()
    assert int(host.shell(size)) > before + 4500
    assert host.shell("systemctl is-active growpart systemd-growfs-root").split() == ["active"] * 2
    assert host.rows() == host.films
