import unittest
from types import SimpleNamespace

import numpy as np

from channels import Channel, channels, strings, table
from scoring import RATE, Heard, Thresholds, cuts, next_state


def corpus_of(length: int) -> SimpleNamespace:
    return SimpleNamespace(samples=lambda clip: np.full(clip.length, clip.value, np.float32), length=length)


def clip(value: float, spoof: bool = False, group: str = "a") -> SimpleNamespace:
    return SimpleNamespace(length=32_000, value=value, spoof=spoof, system=group, corpus=group)


def steady(llr: float, seconds: float = 13) -> Heard:
    """A channel that says one thing all the time."""
    stretches = cuts(int(seconds * RATE))
    return Heard(stretches, np.full(len(stretches), llr), np.full(len(stretches), True))


class Channels(unittest.TestCase):
    def test_a_channel_is_exactly_as_long_as_asked_and_holds_pauses(self) -> None:
        made = strings([clip(0.5), clip(0.5)], corpus_of(1), 5, np.random.default_rng(0), 4)
        self.assertEqual([len(a) for a in made[:2]], [80_000] * 2)
        silent = np.mean(made[0] == 0)
        self.assertTrue(0.02 < silent < 0.25, silent)

    def test_groups_share_the_channels_and_never_mix(self) -> None:
        clips = [clip(0.1, group="x")] * 6 + [clip(0.2, group="y")] * 6 + [clip(0.3, True, "z")] * 6
        made = channels(corpus_of(1), clips, "fold 0", 5, 4)
        self.assertEqual({(c.group, c.spoof) for c in made}, {("x", False), ("y", False), ("z", True)})
        for c in made:
            self.assertLessEqual(len(np.unique(c.audio)), 2)

    def test_a_large_group_makes_up_for_small_ones(self) -> None:
        clips = [clip(0.1, group="x")] * 40 + [clip(0.2, group="y")] * 2
        made = channels(corpus_of(1), clips, "fold 0", 10, 12)
        self.assertGreaterEqual(len(made), 12)
        self.assertLessEqual(sum(c.group == "y" for c in made), 1)

    def test_evidence_gathers_until_a_state_is_reached(self) -> None:
        states = steady(3.0).states(Thresholds())
        self.assertEqual(states[0], "undecided")
        self.assertEqual(states[-1], "spoof")
        self.assertLess(states.index("suspect"), states.index("spoof"))
        self.assertEqual(steady(-3.0).states(Thresholds())[-1], "bonafide")

    def test_a_stretch_that_is_declined_only_lets_evidence_fade(self) -> None:
        heard = steady(3.0, 60)
        judged = np.arange(len(heard.cuts)) < 12
        states = Heard(heard.cuts, heard.llrs, judged).states(Thresholds())
        self.assertEqual((states[11], set(states[12:])), ("spoof", {"spoof"}))
        self.assertEqual(Heard(heard.cuts, heard.llrs, ~judged).states(Thresholds())[11], "undecided")
        long = steady(3.0, 120)
        judged = np.arange(len(long.cuts)) < 12
        judged[-1] = True
        self.assertEqual(Heard(long.cuts, long.llrs, judged).states(Thresholds())[-2:], ["spoof", "suspect"])

    def test_windows_end_at_two_seconds_then_every_second_and_with_the_recording(self) -> None:
        ends = lambda seconds: [(c.start / RATE, c.end / RATE, c.fresh / RATE) for c in cuts(int(seconds * RATE))]  # noqa: E731
        self.assertEqual(ends(1.5), [(0, 1.5, 1.5)])
        self.assertEqual(ends(2), [(0, 2, 2)])
        self.assertEqual(ends(5.25), [(0, 2, 2), (0, 3, 1), (0, 4, 1), (1, 5, 1), (1.25, 5.25, 0.25)])
        self.assertAlmostEqual(steady(3.0, 5.25).llr, 4 * np.tanh(0.75) * (4 * 0.25 + 0.0625))

    def test_less_than_two_seconds_of_speech_are_not_judged(self) -> None:
        self.assertEqual(steady(50.0, 1.9).states(Thresholds()), ["undecided"])

    def test_thresholds_are_obeyed(self) -> None:
        self.assertEqual(next_state("undecided", 0.7, 3, Thresholds()), "undecided")
        self.assertEqual(next_state("undecided", 0.7, 3, Thresholds(suspect=0.6)), "suspect")
        self.assertEqual(next_state("undecided", 0.99, 1, Thresholds()), "suspect")

    def test_the_table_counts_each_channel_once(self) -> None:
        empty = np.zeros(0, np.float32)
        scored = [(Channel("h", False, "s", empty), steady(-3.0)), (Channel("m", True, "s", empty), steady(3.0)),
                  (Channel("m", True, "s", empty), steady(0.0))]
        found = table(scored, Thresholds())
        self.assertEqual(found["human"]["bonafide"], 1)
        self.assertEqual((found["machine"]["channels"], found["machine"]["ever_spoof"]), (2, 0.5))


if __name__ == "__main__":
    unittest.main()
