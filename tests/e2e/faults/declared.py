"""What a fault says of itself: the matrix in docs/faults.md and the lines of `make faults` are made of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Fault:
    """One fault, each part in a few words."""

    injected: str
    when: str
    observed: str

    def line(self) -> str:
        """The three, as one line."""
        return f"{self.injected} | {self.when} | {self.observed}"


def fault(injected: str, when: str, observed: str) -> pytest.MarkDecorator:
    """Declares the fault that a test injects, or one of its parameters."""
    return pytest.mark.fault(Fault(injected, when, observed))


def of(item: pytest.Item) -> Fault:
    """The fault that a test declares.

    Raises:
        AssertionError: it declares none.
    """
    marker = item.get_closest_marker("fault")
    assert marker is not None, f"{item.nodeid} declares no fault"
    (declared,) = marker.args
    assert isinstance(declared, Fault)
    return declared
