"""From text to one frozen, fully resolved `ExperimentConfig`, or a list of located errors."""
