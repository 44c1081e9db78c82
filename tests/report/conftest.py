from tests.evaluation.conftest import make_run, store  # noqa: F401 (fixtures)
