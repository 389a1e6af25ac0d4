"""How many processes run the tests: two for the whole suite, one where files are named or timings asked; and a browser."""

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    whole = list(config.args) == list(config.getini("testpaths"))
    return 2 if whole and config.option.markexpr != "benchmark" else 0


@pytest.fixture(scope="module")
def browser():
    """A browser without a window; not kept longer than a module, for its loop stands in the way of other tests' own."""
    from playwright.sync_api import sync_playwright
    from support_pages import CHROMIUM

    with sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield window
        window.close()
