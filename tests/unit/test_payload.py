"""What travels in stdin is unpacked by bash to the very same bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.payload import payload

# A script that takes the folder away and shows what was in it.
SHOW = 'cd "$1"; find . -type f ! -name show.sh | sort | while read -r f; do echo "$f"; cat "$f"; done\n'
# What stdin can hold, line by line; a shell drops NULs, and files end in a newline.
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"))
SHELLS = ["$HOME `id` $(id)", "'", '"', "\\", "EOF", "--- end of b ---", "--- end of a/b.nix --- "]
CONTENT = st.lists(LINES | st.sampled_from([*SHELLS, "\r"]), min_size=1).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


def unpack(script: str) -> bytes:
    done = subprocess.run(["bash", "-s"], input=script.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout


@given(a=CONTENT, b=CONTENT)
@example(a="\n", b="-\x80\n")
def test_every_byte_arrives(a: str, b: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.getbasetemp())
    script = payload(
        {"a/b.nix": a, "c": b, "show.sh": SHOW + 'rm -r "$1"\n'}, "show.sh", directory=folder
    )

    assert unpack(script) == f"./a/b.nix\n{a}./c\n{b}".encode()


def test_only_root_can_read_what_arrives(tmp_path: Path) -> None:
    script = payload(
        {
            "secrets/key": "secret\n",
            "show.sh": 'stat -c "%a %n" "$1" "$1"/secrets "$1"/secrets/key\n',
        },
        "show.sh",
        directory=str(tmp_path),
    )

    modes = [line.split()[0] for line in unpack(script).decode().splitlines()]

    assert modes == ["700", "700", "600"]


def test_the_script_is_given_its_own_folder(tmp_path: Path) -> None:
    script = payload({"run.sh": 'echo "$#"; ls "$1"\n'}, "run.sh", directory=str(tmp_path))

    assert unpack(script) == b"1\nrun.sh\n"
    assert unpack(script) == b"1\nrun.sh\n", "a second run has a folder of its own"
    assert len(list(tmp_path.glob(".payload.*"))) == 2


def test_what_is_cut_short_leaves_nothing(tmp_path: Path) -> None:
    script = payload(
        {"secrets/key": "one\ntwo\n", "run.sh": "touch ran\n"}, "run.sh", directory=str(tmp_path)
    )

    for length in range(len(script) - len("}\n") + 1):
        done = subprocess.run(
            ["bash", "-s"], cwd=tmp_path, input=script[:length].encode(), check=False
        )

        assert list(tmp_path.iterdir()) == [], (done.returncode, script[:length])


def test_a_failing_script_is_the_commands_status(tmp_path: Path) -> None:
    script = payload({"run.sh": "exit 75\n"}, "run.sh", directory=str(tmp_path))

    done = subprocess.run(["sh", "-s"], input=script.encode(), check=False)

    assert done.returncode == 75


def test_a_line_that_would_end_the_file_is_refused() -> None:
    with pytest.raises(ValueError, match="a holds the line '--- end of a ---'"):
        payload({"a": "x\n--- end of a ---\ny\n"}, "a", directory="/root")


def test_a_file_without_a_last_newline_is_refused() -> None:
    with pytest.raises(ValueError, match="a does not end with a newline"):
        payload({"a": "x"}, "a", directory="/root")
