"""Whatever goes through the `nix` filter, the real Nix reads back as the same value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from components.rendering import to_nix
from tests.nix.evaluation import EvaluationError, evaluate

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
HOSTILE = st.lists(
    st.sampled_from(
        ["''", "${", "$", "$$", "{", "}", '"', "\\", "\\n", "\n", "\r", "\t", "''$", "x", "/*", "#"]
    )
    | CHARACTERS,
    max_size=8,
).map("".join)
KEYWORDS = ["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"]
NAMES = (
    st.sampled_from(
        [*KEYWORDS, "null", "true", "__functor", "a'", "a-b", "-a", "1", "a.b", "${x}", "", "_"]
    )
    | HOSTILE
)
INTEGERS = st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | HOSTILE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


# A list of values is one evaluation: starting Nix is what takes the time. What fails is not made smaller
# for as long, therefore.
@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(st.lists(VALUES, min_size=20, max_size=60))
def test_nix_reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[object]
) -> None:
    folder = tmp_path_factory.getbasetemp()

    assert evaluate(to_nix(values), folder) == values


@pytest.mark.parametrize("name", KEYWORDS)
def test_a_keyword_can_be_an_attributes_name(name: str, tmp_path: Path) -> None:
    assert evaluate(to_nix({name: {name: name}}), tmp_path) == {name: {name: name}}


def test_every_character_that_could_end_a_string(tmp_path: Path) -> None:
    values = [chr(code) for code in range(1, 0x3000)] + ["\uffff", "\U0010ffff", "𝄞"]

    assert evaluate(to_nix(values), tmp_path) == values


def test_this_test_can_fail(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="undefined variable"):
        evaluate('"${x}"', tmp_path)
