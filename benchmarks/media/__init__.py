"""What the mount's flags are worth: the article's, rclone's own, and those of the host's configuration."""
