"""What bm hands to people who have no terminal: the HTML report and the model card."""
