"""A stand-in for the part of the Hetzner Cloud API that this project uses; see README.md."""
