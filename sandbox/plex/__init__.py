"""Stand-in of Plex Media Server. README.md says what it is not."""
