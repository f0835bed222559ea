"""What all tests have in common."""

import pytest
from hypothesis import HealthCheck, settings

from tests import needs

# The machine may be busy with a sandbox at the same time: how long one example takes says nothing.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of our own: what they ask for needs an account, and is never done without them."""
    parser.addoption(
        "--live-hetzner",
        action="store_true",
        help="also hold Hetzner's own API, opened by HCLOUD_TOKEN, to the contract; it is only read",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before anything is made for a test."""
    needs.check(item)
