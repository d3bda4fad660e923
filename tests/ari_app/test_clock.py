"""Two clocks that nobody may mix: what Asterisk says and what is due here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.clock import STOPPED_MS, AsteriskClock

HOUR_S = 3600.0
WALL_S = 1_800_000_000.0


class World:
    """One true time; Asterisk's clock and ours each differ from it as they like."""

    def __init__(self, *, ours_ahead_s: float = 0.0) -> None:
        self.true_s = WALL_S
        self.asterisk_ahead_s = 0.0
        self.clock = AsteriskClock(
            steady_s=lambda: self.true_s - WALL_S + 5, wall_s=lambda: self.true_s + ours_ahead_s
        )

    @property
    def asterisk_ms(self) -> int:
        return round(1000 * (self.true_s + self.asterisk_ahead_s))

    def ask(self, *, there_s: float = 0.001, back_s: float = 0.001) -> None:
        self.clock.asked()
        self.true_s += there_s
        at_ms = self.asterisk_ms
        self.true_s += back_s
        self.clock.answered(at_ms)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.5)):
            self.true_s += 0.498
            self.ask()


@pytest.mark.parametrize("ours_ahead_s", [0, HOUR_S, -HOUR_S, 30 * 24 * HOUR_S])
def test_what_is_due_does_not_depend_on_our_wall_clock(ours_ahead_s: float) -> None:
    world = World(ours_ahead_s=ours_ahead_s)
    world.ask()
    answered_ms, now_s = world.asterisk_ms, world.true_s - WALL_S + 5
    assert world.clock.loop_s(answered_ms) == pytest.approx(now_s, abs=0.01)
    assert world.clock.ahead_s == pytest.approx(-ours_ahead_s, abs=0.01)


@given(st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_slow_answer_makes_nothing_later_than_now(there_s: float, back_s: float) -> None:
    world = World()
    world.run(5)
    world.ask(there_s=there_s, back_s=back_s)
    now_s = world.true_s - WALL_S + 5
    assert now_s - 0.01 <= world.clock.loop_s(world.asterisk_ms) <= now_s


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S, 2.0, -2.0])
def test_a_call_lasts_as_long_though_somebody_sets_asterisks_clock(step_s: float) -> None:
    world = World()
    world.run(5)
    answered_ms = world.clock.read(world.asterisk_ms)
    world.run(10)
    world.asterisk_ahead_s += step_s
    world.run(10)
    ended_ms = world.clock.read(world.asterisk_ms)
    assert ended_ms - answered_ms == pytest.approx(20_000, abs=20)
    assert world.clock.ahead_s == pytest.approx(step_s, abs=0.02)


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
def test_an_end_just_after_the_step_is_now(step_s: float) -> None:
    world = World()
    world.run(5)
    answered_ms = world.clock.read(world.asterisk_ms)
    world.run(10)
    world.asterisk_ahead_s += step_s
    assert world.clock.read(world.asterisk_ms) - answered_ms == pytest.approx(10_000, abs=20)


@given(stop_s=st.floats(1.2, 5), answer=st.sampled_from(["first", "later"]))
def test_an_end_seen_after_a_stop_may_have_been_when_it_began(stop_s: float, answer: str) -> None:
    world = World()
    world.run(5)
    stopped_ms = world.asterisk_ms
    world.true_s += 0.3
    world.clock.asked()
    world.true_s += stop_s - 0.3
    if answer == "first":
        world.clock.answered(world.asterisk_ms)
    seen_ms = world.clock.read(world.asterisk_ms + 3)
    earliest = world.clock.may_have_been_ms(seen_ms)
    assert earliest is not None
    assert stopped_ms - 20 <= earliest <= stopped_ms


def test_an_end_is_when_it_was_while_asterisk_runs_and_we_do_not() -> None:
    """Asterisk answered at once; we were stopped, and read the answer late."""
    world = World()
    world.run(5)
    world.clock.asked()
    answer_ms = world.asterisk_ms + 1
    ended_ms = world.asterisk_ms + 2000
    world.true_s += 5
    world.clock.answered(answer_ms)
    assert world.clock.read(ended_ms) == ended_ms
    assert world.clock.may_have_been_ms(ended_ms) is None


def test_an_answer_that_is_late_alone_is_no_stop() -> None:
    """Events of other calls, stamped meanwhile, prove that Asterisk ran."""
    world = World()
    world.run(5)
    world.clock.asked()
    for _ in range(6):
        world.true_s += 0.5
        assert world.clock.may_have_been_ms(world.clock.read(world.asterisk_ms)) is None
    world.clock.answered(world.asterisk_ms)
    assert world.clock.may_have_been_ms(world.asterisk_ms) is None


def test_a_connection_that_is_held_up_is_no_stop() -> None:
    """ARI alone is: AMI says meanwhile that Asterisk runs, and what ARI brings later is true."""
    world = World()
    world.run(5)
    world.clock.asked()
    ended_ms = world.asterisk_ms + 1000
    for _ in range(16):
        world.true_s += 0.25
        world.clock.ran(world.asterisk_ms)
    assert world.clock.read(ended_ms) == ended_ms
    world.clock.answered(world.asterisk_ms)
    assert world.clock.may_have_been_ms(ended_ms) is None


@given(stop_s=st.floats(8, 60))
def test_a_stop_that_outlasts_the_connection_is_known_when_asterisk_is_back(stop_s: float) -> None:
    world = World()
    world.run(5)
    stopped_ms = world.asterisk_ms
    world.clock.asked()
    world.true_s += 7.5
    world.clock.gave_up()
    world.true_s += stop_s - 7.5
    ended_ms = world.asterisk_ms
    world.ask()
    earliest = world.clock.may_have_been_ms(ended_ms)
    assert earliest is not None
    assert stopped_ms - 20 <= earliest <= stopped_ms


def test_a_connection_that_is_cut_is_no_stop_nor_is_one_while_ami_answers() -> None:
    world = World()
    world.run(5)
    world.clock.asked()
    world.true_s += 0.2
    world.clock.gave_up()
    world.true_s += 10
    world.ask()
    assert world.clock.may_have_been_ms(world.asterisk_ms - 5000) is None
    world.clock.asked()
    for _ in range(40):
        world.true_s += 0.25
        world.clock.ran(world.asterisk_ms)
    world.clock.gave_up()
    world.clock.ran(world.asterisk_ms)
    world.ask()
    assert world.clock.may_have_been_ms(world.asterisk_ms - 5000) is None


def test_a_stop_is_forgotten_once_what_waited_has_been_seen() -> None:
    world = World()
    world.run(5)
    world.ask(there_s=2)
    world.run(5)
    assert world.clock.may_have_been_ms(world.asterisk_ms) is None


def test_without_an_answer_nothing_is_taken_for_a_stop() -> None:
    world = World()
    assert world.clock.may_have_been_ms(world.asterisk_ms + 10 * STOPPED_MS) is None
    world.run(5)
    world.clock.asked()
    world.clock.gave_up()
    world.true_s += 10
    assert world.clock.may_have_been_ms(world.asterisk_ms) is None
