"""How many processes run the tests: two for the whole suite; one where files are named or timings are asked for."""

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    whole = list(config.args) == list(config.getini("testpaths"))
    return 2 if whole and config.option.markexpr != "benchmark" else 0
