"""Processes that do parts: replaced when they die, ended when nobody waits for them."""

import os
import time

import pytest

from sfumato.jobs.local import Died, Here, Local


def do(thing):
    """Do as the word says."""
    if thing == "die":
        os._exit(9)
    if thing == "fail":
        raise ValueError("no")
    if thing == "sleep":
        time.sleep(600)
    return thing, os.getpid()


def test_a_death_takes_its_own_part_alone():
    things = ["a", "die", "b", "fail", "c", "d"]
    ended = {thing: (result, failure) for thing, result, failure in Local(2).run(do, things)}
    assert isinstance(ended["die"][1], Died) and isinstance(ended["fail"][1], ValueError)
    for thing in "abcd":
        assert ended[thing][0][0] == thing and ended[thing][0][1] != os.getpid()


def test_here_is_this_process():
    found = list(Here().run(do, ["a", "fail"]))
    assert found[0] == ("a", ("a", os.getpid()), None) and isinstance(found[1][2], ValueError)


def test_nobody_waits_for_a_part_that_is_not_wanted_any_more():
    started = time.monotonic()
    results = Local(2).run(do, ["a", "sleep", "sleep", "sleep"])
    assert next(results)[0] == "a"
    results.close()
    assert time.monotonic() - started < 300


@pytest.mark.parametrize("n_workers", [1, 3])
def test_every_part_ends_once(n_workers):
    things = [f"{n}" for n in range(7)]
    assert sorted(thing for thing, *_ in Local(n_workers).run(do, things)) == things
