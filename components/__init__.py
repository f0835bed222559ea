"""The parts of a stack, one ComponentResource a file."""
