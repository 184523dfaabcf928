import unittest
from types import SimpleNamespace

import numpy as np

from calls import called
from views import SHARES, TREATMENTS, Copies, View, plan, quota, window


class Views(unittest.TestCase):
    def test_groups_get_their_share_and_small_ones_come_back(self) -> None:
        clips = [SimpleNamespace(g="big", i=i) for i in range(64)] + [SimpleNamespace(g="small", i=i) for i in range(4)]
        even = quota(clips, lambda c: c.g, 0, 100)
        self.assertEqual(sum(c.g == "small" for c in even), 50)
        rooted = quota(clips, lambda c: c.g, 0.5, 100)
        self.assertEqual(sum(c.g == "small" for c in rooted), 20)

    def test_both_classes_are_treated_alike_as_often(self) -> None:
        clips = [SimpleNamespace(file=f"{i}", spoof=i % 3 == 0, corpus="c", family="f") for i in range(40)]
        views = plan(SimpleNamespace(training=lambda: clips), SimpleNamespace(kinds=lambda file: []), 200, 1)
        spoof = {c.file: c.spoof for c in clips}
        for treatment in TREATMENTS:
            counts = [sum(v.treatment == treatment and spoof[v.file] == s for v in views) for s in (False, True)]
            self.assertEqual(counts, [round(200 * SHARES[treatment])] * 2)
        self.assertEqual([v.row for v in views], list(range(len(views))))
        self.assertAlmostEqual(sum(SHARES.values()), 1)

    def test_a_pair_is_degraded_alike(self) -> None:
        audio = np.random.default_rng(0).normal(0, 0.05, 70_000).astype(np.float32)
        clip = SimpleNamespace(file="h.flac", system="human", corpus="c", speaker="s")
        copies = Copies.__new__(Copies)
        copies.place = {"h.flac": {"flow": (0, len(audio))}}
        copies.audio = {"flow": np.round(audio * 32768).astype(np.int16)}
        corpus = SimpleNamespace(samples=lambda c: np.round(audio * 32768).astype(np.float32) / 32768)
        known = ({clip.file: clip}, {("human", "c", "s"): [clip]})
        for seed in range(12):
            human = window(View(0, "h.flac", "", -1, seed), corpus, copies, *known)
            copy = window(View(1, "h.flac", "flow", 0, seed), corpus, copies, *known)
            np.testing.assert_array_equal(human, copy)
        self.assertEqual(len(human), 64_000)

    def test_a_copy_and_its_human_go_through_the_same_call(self) -> None:
        audio = np.round(np.random.default_rng(0).normal(0, 3000, 64_000)).astype(np.int16)
        rows = [dict(kind="", pair=-1), dict(kind="flow", pair=0), dict(kind="", pair=-1)]
        human, copy, other = (called(np.stack([audio] * 3), rows, i) for i in range(3))
        np.testing.assert_array_equal(human, copy)
        self.assertGreater(np.abs(human.astype(int) - other).max(), 0)
        self.assertGreater(np.abs(human.astype(int) - audio).max(), 0)

    def test_a_copy_needs_its_human(self) -> None:
        with self.assertRaises(ValueError):
            View(0, "h.flac", "flow", -1, 0)


if __name__ == "__main__":
    unittest.main()
