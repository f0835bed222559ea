"""The versions that the sandbox runs with."""

from __future__ import annotations

ENGINE = "3.256.0"
"""Pulumi's engine, and the Python SDK in requirements.txt."""

PLUGINS = {"hcloud": "1.43.3", "command": "1.2.1", "random": "4.21.4"}
"""The plugins by name, in the versions that the Python packages in requirements.txt ask for."""

RCLONE = "1.76.0"
PEBBLE = "2.10.1"
ACTIONLINT = "1.7.12"
