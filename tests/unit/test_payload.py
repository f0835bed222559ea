"""What travels in stdin is unpacked by bash to the very same bytes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.payload import payload

# What stdin can hold, line by line; a shell drops NULs, and files end in a newline.
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"))
SHELLS = ["$HOME `id` $(id)", "'", '"', "\\", "EOF", "--- end of b ---", "--- end of a/b.nix --- "]
CONTENT = st.lists(LINES | st.sampled_from([*SHELLS, "\r"]), min_size=1).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


def unpack(script: str) -> bytes:
    return subprocess.run(
        ["bash", "-s"], input=script.encode(), capture_output=True, check=True
    ).stdout


@given(a=CONTENT, b=CONTENT)
@example(a="\n", b="-\x80\n")
def test_every_byte_arrives(a: str, b: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("arrived")
    keep = f'mv "$1"/* {folder}\nrmdir "$1"\n'
    script = payload({"a/b.nix": a, "c": b, "keep.sh": keep}, "keep.sh", directory=str(folder))

    assert unpack(script) == b""
    assert (folder / "a/b.nix").read_bytes() == a.encode()
    assert (folder / "c").read_bytes() == b.encode()


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

    for length in range(0, len(script) - len("}\n") + 1, 3):
        done = subprocess.run(
            ["bash", "-s"], cwd=tmp_path, input=script[:length].encode(), check=False
        )

        assert list(tmp_path.iterdir()) == [], (done.returncode, script[:length])


def test_a_failing_script_is_the_commands_status(tmp_path: Path) -> None:
    script = payload({"run.sh": "exit 75\n"}, "run.sh", directory=str(tmp_path))

    done = subprocess.run(["bash", "-s"], input=script.encode(), check=False)

    assert done.returncode == 75


def printed(tmp_path: Path, command: str) -> bytes:
    """What comes out where a script runs that command."""
    script = payload({"run.sh": f"{command}\n"}, "run.sh", directory=str(tmp_path))
    return unpack(script)


@settings(max_examples=30)
@given(
    lines=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=2000), min_size=1
    )
)
@example(lines=["x" * 1000, "", "y" * 2000, "😀" * 501, "a" + "漢" * 1000])
def test_lines_are_folded_and_no_character_is_torn(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("long")
    (folder / "said").write_bytes("\n".join(lines).encode())

    came = printed(folder, f"cat {folder}/said").decode().split("\n")

    assert max(len(line.encode()) for line in came) <= 1003
    for line in lines:
        parts = [came.pop(0)]
        while len("".join(parts)) < len(line):
            assert len(parts[-1].encode()) >= 1000
            parts.append(came.pop(0))
        assert "".join(parts) == line
    assert came in ([], [""]), "nothing else"


def test_what_is_no_text_is_left_out(tmp_path: Path) -> None:
    said = r"caf\351 caf\303\251 \355\240\200\303\377 nul\0l \033[2Jcleared\t\v\360\237\230\200\n"

    assert printed(tmp_path, f"printf '{said}'").decode() == "caf café  null [2Jcleared\t😀\n"


def test_progress_that_writes_over_its_line_is_a_line_each_time(tmp_path: Path) -> None:
    long = "x" * 1500
    (tmp_path / "said").write_bytes(
        f"1 %\r2 %\r\r\n\r{long}\r{long[:1000]}\r3 %\r\n\n.\r\n".encode()
    )

    came = printed(tmp_path, f"cat {tmp_path}/said").decode().split("\n")

    folded = [long[:1000], long[1000:]]
    assert came == ["1 %", "2 %", *folded, long[:1000], "3 %", "", ".", ""]


def test_both_streams_are_one_in_their_order(tmp_path: Path) -> None:
    command = "for each in 1 2 3; do echo out $each; echo err $each >&2; done"

    assert printed(tmp_path, command) == b"out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"


def test_a_line_arrives_as_it_is_printed(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    script = payload(
        {"run.sh": f"echo one; read -r _ <{go_on}; echo two\n"}, "run.sh", directory=str(tmp_path)
    )
    with subprocess.Popen(["bash", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdin.write(script.encode())
        process.stdin.close()
        assert process.stdout.readline() == b"one\n"
        go_on.write_text("\n")
        assert process.stdout.read() == b"two\n"


def test_who_listens_no_more_leaves_no_process(tmp_path: Path) -> None:
    running = tmp_path / "running"
    script = payload(
        {"run.sh": f"echo $$ >{running}; while :; do echo on; sleep 0.01; done\n"},
        "run.sh",
        directory=str(tmp_path),
    )
    with subprocess.Popen(["bash", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdin.write(script.encode())
        process.stdin.close()
        assert process.stdout.readline() == b"on\n"
        process.stdout.close()
        assert process.wait(60) != 0
    assert not Path(f"/proc/{running.read_text().strip()}").exists()


def test_a_line_that_would_end_the_file_is_refused() -> None:
    with pytest.raises(ValueError, match="a holds the line '--- end of a ---'"):
        payload({"a": "x\n--- end of a ---\ny\n"}, "a", directory="/root")


def test_a_file_without_a_last_newline_is_refused() -> None:
    with pytest.raises(ValueError, match="a does not end with a newline"):
        payload({"a": "x"}, "a", directory="/root")
