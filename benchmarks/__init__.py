"""Measurements with a named baseline in the same run. Not part of the installed package."""
