from __future__ import annotations

import random

import pytest
import simpy

from benchmarks.scaling.messages import Steps
from benchmarks.scaling.sharing import Link, Shared

ENDS = list[tuple[str, float]]


def served(env: simpy.Environment, shared: Shared, jobs: list[tuple[str, float, float]]) -> ENDS:
    """When each of some jobs (name, start, amount) came to its end."""
    ends: ENDS = []

    def work(name: str, start_s: float, amount: float) -> Steps:
        yield env.timeout(start_s)
        yield shared.serve(amount)
        ends.append((name, round(env.now, 6)))

    for job in jobs:
        env.process(work(*job))
    env.run()
    return ends


def one_processor(env: simpy.Environment) -> Shared:
    return Shared(env, lambda pieces: 1.0, 1.0)


def test_one_piece_of_work_has_everything() -> None:
    env = simpy.Environment()
    assert served(env, one_processor(env), [("a", 2.0, 3.0)]) == [("a", 5.0)]


def test_two_pieces_go_at_half_the_rate_while_both_are_there() -> None:
    env = simpy.Environment()
    # a has done 1 of 3 when b comes; b's 1 takes 2 s, then a has 1 left.
    jobs = [("a", 0.0, 3.0), ("b", 1.0, 1.0)]
    assert served(env, one_processor(env), jobs) == [("b", 3.0), ("a", 4.0)]


def test_a_second_hyper_thread_adds_its_share() -> None:
    env = simpy.Environment()
    cpu = Shared(env, lambda pieces: 1 + 0.3 * (pieces > 1), 1.0)
    ends = served(env, cpu, [("a", 0.0, 1.3), ("b", 0.0, 1.3)])
    assert ends == [("a", 2.0), ("b", 2.0)]
    assert cpu.done == pytest.approx(2.6)


def test_no_piece_goes_faster_than_it_can() -> None:
    env = simpy.Environment()
    assert served(env, Shared(env, lambda pieces: 100.0, 2.0), [("a", 0.0, 6.0)]) == [("a", 3.0)]


def test_what_needs_nothing_is_served_at_once() -> None:
    env = simpy.Environment()
    assert served(env, one_processor(env), [("a", 1.0, 0.0)]) == [("a", 1.0)]


def test_the_mean_time_under_processor_sharing_is_that_of_the_formula() -> None:
    env, draw, load = simpy.Environment(), random.Random(1), 0.5
    cpu = one_processor(env)
    took_s: list[float] = []

    def piece(amount: float) -> Steps:
        began_s = env.now
        yield cpu.serve(amount)
        took_s.append(env.now - began_s)

    def arrivals() -> Steps:
        for _ in range(20_000):
            yield env.timeout(draw.expovariate(load))
            env.process(piece(draw.expovariate(1.0)))

    env.process(arrivals())
    env.run()
    assert sum(took_s) / len(took_s) == pytest.approx(1 / (1 - load), rel=0.05)


def link(env: simpy.Environment, credit_bytes: float) -> Link:
    return Link(env, lambda pieces: 10e6, 100e6, baseline=2e6, most_credits=credit_bytes)


def test_a_link_bursts_while_it_has_credits_and_then_keeps_to_its_baseline() -> None:
    env = simpy.Environment()
    # 10 MB a second, of which 8 are credit: 16 last for 2 s and 20 MB; 10 more at 2 MB a second.
    assert served(env, link(env, 16e6), [("a", 0.0, 30e6)])[0][1] == pytest.approx(7.0, abs=1e-3)


def test_a_link_without_credits_never_bursts() -> None:
    env = simpy.Environment()
    assert served(env, link(env, 0.0), [("a", 0.0, 30e6)]) == [("a", 15.0)]


def test_a_link_that_rests_earns_credits_again() -> None:
    env = simpy.Environment()
    resting = link(env, 16e6)
    jobs = [("a", 0.0, 20e6), ("b", 6.0, 10e6)]
    # a takes all 16 MB until second 2; by second 6 there are 8 again, for one second of b.
    assert dict(served(env, resting, jobs))["b"] == pytest.approx(7.0, abs=1e-3)
