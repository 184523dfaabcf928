"""Networks: [B, 64000] samples at 16 kHz to [B] logits, positive for machine-made, spectra computed inside the graph.

Each has `front(audio)`, a list of maps [B, C, frames, bins] without weights to train, and `classify(maps)`. Training masks
and tilts the maps between the two.
"""
