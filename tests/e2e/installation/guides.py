"""The documents that the reader follows, and in which order."""

FIRST = "getting-started.md"
# When the server has been up for a while, before it is taken down.
LATER = (
    "operations.md",
    "converge.md",
    "troubleshooting.md",
    "locked-out.md",
    "library.md",
    "updating.md",
)
GUIDES = (FIRST, *LATER)
FOLLOWED = "tests/e2e/installation/test_getting_started.py"
