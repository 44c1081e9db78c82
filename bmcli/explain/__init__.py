"""Explanations: attributions of single predictions, and how far they can be trusted."""
