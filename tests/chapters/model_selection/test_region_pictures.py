"""The regions of the plane, counted and drawn."""

from __future__ import annotations

from helpers.chapters.model_selection import figures
from helpers.networks import initialise


def test_regions_of_the_plane_are_those_that_are_drawn():
    x, y = figures.blobs(12, seed=0)
    unseen, _ = figures.blobs(80, seed=1)
    net = initialise((2, 8, 4, 3), [0])
    found = figures.regions_of(net, x, unseen)
    chosen = figures.representatives(net, x, unseen)
    assert len(chosen) == found.unseen_only_regions
    assert len(set(found.unseen[chosen])) == len(chosen)
    assert (found.unseen[chosen] >= found.training_regions).all()
    assert sorted(set(y.tolist())) == [0, 1, 2]
