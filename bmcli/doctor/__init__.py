"""What is wrong with the data, before and after training."""
