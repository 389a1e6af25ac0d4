"""Seeds and numbers of draws that make no sense are refused before anything is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from impact import rct
from impact.inference.assignment import declared_draw
from impact.inference.bootstrap import wild_cluster_bootstrap
from impact.inference.chance import check_draws, check_seed, seeded
from impact.inference.randomisation import randomisation_test
from tests.support_studies import cross_section


@pytest.mark.parametrize("seed", ["x", None, -1, 1.5, True, [1, 2]])
def test_what_starts_no_draw_is_refused(seed):
    for ask in (check_seed, seeded):
        with pytest.raises(ValueError, match="seed must be a whole number of at least 0"):
            ask(seed)


@pytest.mark.parametrize("draws", ["x", None, 0, -5, 99.5, True])
def test_what_is_no_number_of_draws_is_refused(draws):
    with pytest.raises(ValueError, match="draws must be a whole number, at least 1"):
        check_draws(draws)


def test_whole_numbers_of_any_kind_are_taken():
    assert (check_draws(np.int64(99)), check_draws(99.0), check_seed(np.int32(7))) == (99, 99, 7)
    assert seeded(np.int64(7)).random() == np.random.default_rng(7).random()


@pytest.mark.parametrize(("wrong", "said"), [({"seed": "x"}, "seed must"), ({"draws": 0}, "draws must")])
def test_every_kernel_that_draws_refuses_them(wrong, said):
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(40), 2)
    arm, y = (np.arange(40) % 2).astype(float), rng.normal(size=80)
    with pytest.raises(ValueError, match=said):
        randomisation_test(y, declared_draw(arm[cluster], clusters=cluster), **wrong)
    with pytest.raises(ValueError, match=said):
        wild_cluster_bootstrap(y, arm[cluster], np.ones((80, 1)), cluster, **wrong)
    for ask in (rct.quantile_effects, rct.lee_bounds):
        data = cross_section()
        data.loc[3, "profit"] = np.nan
        with pytest.raises(ValueError, match=said):
            ask(data, outcome="profit", treatment="offered", **wrong)
