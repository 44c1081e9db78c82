"""Bytes and files of any kind: which suffix holds what, and what a file says."""
