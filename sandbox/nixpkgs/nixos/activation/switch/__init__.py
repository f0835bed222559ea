"""Bringing a generation to life, in NixOS's ways and words."""
