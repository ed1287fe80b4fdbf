"""Proof of the error rates: decisions against truth and against threshold rules, on the same data."""
