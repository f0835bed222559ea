"""An embedded cloud to try the program in: stand-ins for what cannot be had without an account."""
