"""Makes the training scenes: make_scenes.py DATA OUT.npz SCENES PIECES SEED"""

import sys

import numpy as np

import sequences
import signals

data, out, scenes, pieces, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
rng = np.random.default_rng(seed)
speech = sequences.load_speech(data, "dev")
music = [signals.music(rng, sequences.LENGTH).astype(np.float32) for _ in range(pieces)]
made = [sequences.scene(rng, speech, music) for _ in range(scenes)]
np.savez(out, x=np.stack([m[0] for m in made]), y=np.stack([m[1] for m in made]))
