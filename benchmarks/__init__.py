"""Figures: each compares two or more ways of doing something, all measured in one run."""
