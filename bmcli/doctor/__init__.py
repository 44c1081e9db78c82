"""Checks of the data, before and after training."""
