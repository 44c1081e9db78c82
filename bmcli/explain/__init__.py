"""What a model looked at: attributions of single answers, and how far they can be trusted."""
