"""Stand-in of Backblaze B2's native API, with its data on disk. README.md says what it is not."""
