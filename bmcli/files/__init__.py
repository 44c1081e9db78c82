"""Files of any kind: the format of each suffix, and the contents of a file."""
