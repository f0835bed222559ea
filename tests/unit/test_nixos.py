"""The three commands on the host: what each is given, when each runs, and what stays secret."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from components.rendering import NIX
from tests import program, stack
from tests.program import IPV4, STACK, UNKNOWN, Registered, Run, Secret
from tests.stack import APPLICATION_KEY, BACKUP_APPLICATION_KEY, NOTIFY_URL

NAMES = ("install", "secrets", "converge")
SECRETS = {
    f"secrets/{name}" for name in ("backup.conf", "backup.password", "notify.conf", "rclone.conf")
}
PASSWORD = program.seed(f"{STACK}-backup")


@pytest.fixture(scope="module")
def run() -> Run:
    return program.run(stack.config())


@pytest.fixture(scope="module")
def preview() -> Run:
    return program.run(stack.config(), preview=True)


def command(run: Run, name: str) -> Registered:
    return run.one("Command", f"{STACK}-{name}")


def connection(run: Run, name: str) -> dict[str, object]:
    found = command(run, name).inputs["connection"]
    assert isinstance(found, Secret), "it holds the deploy key"
    assert isinstance(found.value, dict)
    return found.value


def stdin(run: Run, name: str) -> str:
    """A command's stdin, secret or not."""
    found = command(run, name).inputs["stdin"]
    text = found.value if isinstance(found, Secret) else found
    assert isinstance(text, str)
    return text


def needs(resource: Registered) -> set[str]:
    return {urn.rpartition("::")[2] for urn in resource.request.dependencies}


def test_there_are_three_commands(run: Run) -> None:
    assert {each.name for each in run.of("Command")} == {f"{STACK}-{name}" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_replaced_server_and_nothing_else_replaces_a_command(run: Run, name: str) -> None:
    server = run.one("Server")

    assert command(run, name).inputs["triggers"] == [server.id]
    assert list(command(run, name).request.replaceOnChanges) == ["triggers[*]"]


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_text_is_one_short_line(run: Run, name: str) -> None:
    inputs = command(run, name).inputs

    assert inputs["create"] == "bash -s"
    # What changes runs `create` again; a server that goes takes its commands with it.
    assert not {"update", "delete", "environment"} & set(inputs)


@pytest.mark.parametrize("name", NAMES)
def test_output_of_one_run_is_not_given_to_the_next(run: Run, name: str) -> None:
    assert command(run, name).inputs["addPreviousOutputInEnv"] is False


@pytest.mark.parametrize("name", NAMES)
def test_what_goes_with_the_server_needs_no_delete(run: Run, name: str) -> None:
    assert command(run, name).request.deletedWith == run.one("Server").urn


@pytest.mark.parametrize("name", NAMES)
def test_a_connection_pins_the_hosts_key_and_dials_for_its_whole_time(run: Run, name: str) -> None:
    found = connection(run, name)

    assert found["host"] == IPV4
    assert found["user"] == "root"
    assert str(found["hostKey"]).startswith("ssh-ed25519 ")
    assert found["dialErrorLimit"] == -1
    assert "password" not in found
    assert "agentSocketPath" not in found


@pytest.mark.parametrize(
    ("name", "limit"), [("install", "30m"), ("secrets", "5m"), ("converge", "5m")]
)
def test_how_long_it_dials(run: Run, name: str, limit: str) -> None:
    timeouts = command(run, name).request.customTimeouts

    assert (timeouts.create, timeouts.update) == (limit, limit)


def test_the_installers_host_key_is_another_than_the_hosts(run: Run) -> None:
    keys = {name: connection(run, name)["hostKey"] for name in NAMES}

    assert keys["secrets"] == keys["converge"]
    assert keys["install"] != keys["converge"]
    assert keys["converge"] == str(run.outputs["knownHosts"]).partition(" ")[2]


def test_the_deploy_key_is_none_of_the_host_keys(run: Run) -> None:
    deploy = run.one("SshKey").inputs["publicKey"]

    assert deploy not in {connection(run, name)["hostKey"] for name in NAMES}


def test_install_belongs_to_one_server(run: Run) -> None:
    assert set(command(run, "install").request.ignoreChanges) == {
        "create",
        "update",
        "stdin",
        "connection",
    }
    for name in ("secrets", "converge"):
        assert list(command(run, name).request.ignoreChanges) == []


def test_each_waits_for_the_one_before(run: Run) -> None:
    assert f"{STACK}-install" in needs(command(run, "secrets"))
    assert f"{STACK}-secrets" in needs(command(run, "converge"))


def test_nothing_depends_on_what_the_host_says(run: Run) -> None:
    for each in run.resources:
        for key, urns in each.request.propertyDependencies.items():
            assert not [urn for urn in urns.urns if "Command" in urn], (each.urn, key)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_an_error_hook_of_its_own(run: Run, name: str) -> None:
    (hook,) = command(run, name).request.hooks.on_error

    assert name in hook
    assert hook in run.error_hooks


@pytest.mark.parametrize("name", ["install", "secrets"])
def test_secrets_travel_as_secrets(run: Run, name: str) -> None:
    assert isinstance(command(run, name).inputs["stdin"], Secret)
    files = files_in(stdin(run, name))
    assert f"key = {APPLICATION_KEY}\n" in files["secrets/rclone.conf"]
    assert f"key = {BACKUP_APPLICATION_KEY}\n" in files["secrets/backup.conf"]
    assert files["secrets/backup.password"] == f"{PASSWORD}\n"
    assert files["secrets/notify.conf"] == f'url = "{NOTIFY_URL}"\n'


@pytest.mark.parametrize("name", ["install", "secrets"])
def test_without_backups_the_host_has_nothing_that_opens_them(name: str) -> None:
    off = program.run(stack.config(libraryBackup=False, notifyUrl=""))

    secrets = {path for path in files_in(stdin(off, name)) if path.startswith("secrets/")}
    assert secrets == {"secrets/rclone.conf"}


def test_the_configuration_holds_no_secret_and_travels_in_the_open(run: Run) -> None:
    text = command(run, "converge").inputs["stdin"]

    assert isinstance(text, str)
    for secret in (APPLICATION_KEY, BACKUP_APPLICATION_KEY, NOTIFY_URL, PASSWORD, "PRIVATE KEY"):
        assert secret not in text
    assert str(run.one("SshKey").inputs["publicKey"]) not in text
    assert IPV4 not in text


def test_even_a_first_preview_knows_the_configuration(run: Run, preview: Run) -> None:
    assert command(preview, "converge").inputs["stdin"] == stdin(run, "converge")
    assert command(preview, "install").inputs["stdin"] == UNKNOWN


def test_no_secret_is_anywhere_but_in_secrets(run: Run) -> None:
    host_key, deploy_key = (
        block.split("-----")[0].strip()
        for block in (
            stdin(run, "install").split("-----BEGIN PRIVATE KEY-----")[1],
            str(connection(run, "install")["privateKey"]).split("-----BEGIN PRIVATE KEY-----")[1],
        )
    )
    assert host_key != deploy_key
    in_the_open = repr([(each.urn, _open(each.inputs)) for each in run.resources]) + repr(
        _open(run.outputs)
    )
    for secret in (
        APPLICATION_KEY,
        BACKUP_APPLICATION_KEY,
        NOTIFY_URL,
        PASSWORD,
        host_key,
        deploy_key,
    ):
        assert secret not in in_the_open


def _open(value: object) -> object:
    if isinstance(value, dict):
        return {key: _open(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_open(item) for item in value]
    return None if isinstance(value, Secret) else value


def files_in(text: str) -> dict[str, str]:
    """The files of a payload, read by their marks alone."""
    files = {}
    for part in text.split('\ncat >"$payload/')[1:]:
        path, _, rest = part.partition("\" <<'")
        mark, _, rest = rest.partition("'\n")
        files[path] = rest[: rest.index(f"{mark}\n")]
    return files


def test_the_installation_ends_with_the_very_configuration_of_converge(run: Run) -> None:
    installed, converged = files_in(stdin(run, "install")), files_in(stdin(run, "converge"))

    assert converged.items() <= installed.items()
    assert set(installed) - set(converged) == {
        *SECRETS,
        "identity/host_key",
        "identity/host_key.pub",
        "identity/deploy_key.pub",
        "installation/enter-installer.sh",
        "installation/install.sh",
        "installation/installer",
        "installation/kexec-failed.sh",
        "installation/kexec.sh",
        "installation/reported.sh",
        "installation/system-disk.sh",
        "installation/told.sh",
    }


def test_an_ubuntu_that_tries_again_gets_what_a_new_server_would_get(run: Run) -> None:
    files = files_in(stdin(run, "install"))
    user_data = yaml.safe_load(run.one("Server").inputs["userData"].value)
    written = {each["path"]: each["content"] for each in user_data["write_files"]}

    for name in ("installer", "kexec.sh"):
        assert files[f"installation/{name}"] == written[f"/root/{name}"]


def test_identities_arrive_as_lines(run: Run) -> None:
    files = files_in(stdin(run, "install"))

    assert files["identity/deploy_key.pub"] == f"{run.one('SshKey').inputs['publicKey']}\n"
    assert files["identity/host_key.pub"] == f"{connection(run, 'converge')['hostKey']}\n"
    assert files["identity/host_key"].startswith("-----BEGIN PRIVATE KEY-----\n")


def test_secrets_carry_no_more_than_they_need(run: Run) -> None:
    sent = files_in(stdin(run, "secrets"))
    scripts = {name for name in sent if name.startswith("host/")}
    assert set(sent) - scripts == {*SECRETS, "parameters"}
    # Each that one of them runs or reads is there.
    named = re.findall(r"payload/(host/[\w-]+\.sh)", "".join(sent[name] for name in scripts))
    assert scripts == {"host/secrets.sh", *named}


def test_every_script_of_the_host_gets_there(run: Run) -> None:
    travelled = {Path(path).name for name in NAMES for path in files_in(stdin(run, name))}
    ours = {path.name for path in (NIX / "host").rglob("*.sh")}

    assert ours <= travelled


def test_every_nix_file_gets_there_and_is_imported(run: Run) -> None:
    files = files_in(stdin(run, "converge"))
    ours = {path.name.removesuffix(".j2") for path in NIX.glob("*.nix*")}

    assert ours == {path for path in files if path.endswith(".nix")}
    for name in ours - {"configuration.nix"}:
        assert f"./{name}" in files["configuration.nix"], name


def test_an_installation_puts_all_of_the_configuration_in_place(run: Run, tmp_path: Path) -> None:
    files = files_in(stdin(run, "converge"))
    for name in files:
        (tmp_path / "payload" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "payload" / name).touch()
    target = tmp_path / "etc/nixos"
    target.mkdir(parents=True)
    script = (NIX / "host/install.sh").read_text().replace("/mnt/etc/nixos", str(target))
    (copy,) = re.findall(r"^cp -R .*", script, re.MULTILINE)

    subprocess.run(["sh", "-euc", f"payload={tmp_path}/payload\n{copy}"], check=True)

    copied = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert set(files) <= copied


def test_a_changed_time_zone_is_one_changed_line(run: Run) -> None:
    changed = program.run(stack.config(timeZone="Europe/Berlin"))

    before, after = stdin(run, "converge").splitlines(), stdin(changed, "converge").splitlines()

    assert len(before) == len(after)
    differing = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert differing == [('  time.timeZone = "UTC";', '  time.timeZone = "Europe/Berlin";')]
    assert stdin(changed, "secrets") == stdin(run, "secrets")


@pytest.mark.parametrize("key", ["b2ApplicationKey", "backupApplicationKey"])
def test_a_rotated_key_changes_the_secrets_alone(run: Run, key: str) -> None:
    other = program.run(stack.config(**{key: "K005b3RoZXJmaWxtc2FyZWhlcmUrLys"}))

    assert stdin(other, "secrets") != stdin(run, "secrets")
    assert stdin(other, "converge") == stdin(run, "converge")
