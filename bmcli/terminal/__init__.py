"""Output on a terminal, in a pipe and in a notebook, of commands and of the Python API."""
