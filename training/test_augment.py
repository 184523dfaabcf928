import unittest

import numpy as np

from augment import (as_it_is, cleaned, compressed, cut_window, degrade, floored, gate, gsm, noise, opus, resampled, stretch,
                     subtract, suppressor, wideband)
from model import WINDOW


class Augment(unittest.TestCase):
    def setUp(self) -> None:
        time = np.arange(WINDOW) / 16_000
        self.tone = (0.1 * np.sin(2 * np.pi * 700 * time)).astype(np.float32)

    def test_every_step_keeps_the_length(self) -> None:
        for step in (gate, subtract, stretch, compressed, resampled, as_it_is, cleaned, floored, degrade):
            for seed in range(4):
                with self.subTest(step.__name__, seed=seed):
                    out = step(self.tone.copy(), np.random.default_rng(seed))
                    self.assertEqual(out.shape, self.tone.shape)
                    self.assertTrue(np.isfinite(out).all())

    def test_suppression_removes_steady_noise_and_leaves_bursts(self) -> None:
        rng = np.random.default_rng(0)
        hiss = 0.002 * rng.standard_normal(WINDOW).astype(np.float32)
        burst = self.tone * (np.arange(WINDOW) % 16_000 < 6_000)
        out = subtract(hiss + burst, np.random.default_rng(2))
        quiet = np.arange(WINDOW) % 16_000 > 8_000
        self.assertLess(np.std(out[quiet]), 0.9 * np.std(hiss))
        self.assertGreater(np.corrcoef(out[~quiet], burst[~quiet])[0, 1], 0.95)

    def test_a_window_is_cut_alike_from_the_same_seed(self) -> None:
        for seed in range(5):
            a, b = (cut_window(self.tone, self.tone[:9_000], np.random.default_rng(seed)) for _ in range(2))
            np.testing.assert_array_equal(a, b)
            self.assertEqual(len(a), WINDOW)

    @unittest.skipUnless(gsm.available, "no libgsm")
    def test_gsm_keeps_speech_band_and_length(self) -> None:
        out = gsm.round_trip(self.tone)
        self.assertEqual(out.shape, self.tone.shape)
        self.assertGreater(np.abs(np.fft.rfft(out)[2_800]), 0.5 * np.abs(np.fft.rfft(self.tone)[2_800]))

    @unittest.skipUnless(wideband.available, "no ffmpeg")
    def test_g722_keeps_the_tone_and_adds_noise(self) -> None:
        out = wideband.round_trip(self.tone)
        self.assertEqual(out.shape, self.tone.shape)
        self.assertAlmostEqual(float(np.std(out) / np.std(self.tone)), 1, delta=0.05)
        self.assertGreater(np.abs(np.fft.rfft(out)[20_000:]).max(), 3 * np.abs(np.fft.rfft(self.tone)[20_000:]).max())

    @unittest.skipUnless(suppressor.available, "no pyrnnoise")
    def test_rnnoise_takes_hiss_away(self) -> None:
        hiss = 0.01 * np.random.default_rng(0).standard_normal(WINDOW).astype(np.float32)
        out = suppressor.round_trip(hiss)
        self.assertEqual(out.shape, hiss.shape)
        self.assertLess(np.std(out[32_000:]), 0.3 * np.std(hiss[32_000:]))

    @unittest.skipUnless(opus.available, "no libopus")
    def test_lost_packets_are_concealed_and_change_the_sound(self) -> None:
        lost = np.arange(200) % 10 == 5
        whole, holed = opus.round_trip(self.tone, 16_000), opus.round_trip(self.tone, 16_000, lost)
        self.assertEqual(whole.shape, holed.shape)
        self.assertGreater(np.abs(whole - holed).max(), 1e-3)

    def test_noise_has_level_one(self) -> None:
        self.assertAlmostEqual(float(np.std(noise(WINDOW, np.random.default_rng(0)))), 1, delta=0.05)


if __name__ == "__main__":
    unittest.main()
