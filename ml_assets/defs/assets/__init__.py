"""The assets, one module each, named for the asset.

A body is four steps: which partitions, read, compute, write and report.
"""
