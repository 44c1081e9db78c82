"""For readers without a terminal: the HTML report and the model card."""
