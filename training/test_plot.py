import unittest
import xml.etree.ElementTree as ET

from plot import LEFT, SIDE, TOP, place, reliability_plot


class Plot(unittest.TestCase):
    def test_every_bin_is_a_dot_at_what_was_said_and_what_was(self) -> None:
        bins = [{"clips": 4, "said": 0.25, "was": 0.1}, {"clips": 100, "said": 0.75, "was": 0.9}]
        svg = ET.fromstring(reliability_plot({"clean": bins, "mu-law": bins[:1]}))
        dots = [(float(c.get("cx")), float(c.get("cy")), float(c.get("r"))) for c in svg.iter("{http://www.w3.org/2000/svg}circle")]
        self.assertEqual([d[:2] for d in dots], [place(0.25, 0.1), place(0.75, 0.9), place(0.25, 0.1)])
        self.assertEqual(place(0, 1), (LEFT, TOP))
        self.assertEqual(place(1, 0), (LEFT + SIDE, TOP + SIDE))
        self.assertAlmostEqual(dots[1][2] / dots[0][2], 5)
        words = [t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")]
        self.assertTrue({"clean", "mu-law"} <= set(words))


if __name__ == "__main__":
    unittest.main()
