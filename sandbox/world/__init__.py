"""The world around the machines: their network, and what they meet in it. README.md says what it is not."""
