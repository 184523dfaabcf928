"""Compares features.py with src/stream/speech-features.ts on a second of noise and a chirp: parity.py NODE_PROJECT"""

import json
import subprocess
import sys

import numpy as np

import features

CODE = """
import { frameHop, frameSize, featureCount, SpeechFeatures } from "./src/stream/speech-features.ts";
const x = Float32Array.from(JSON.parse(await new Promise((done) => {
  let text = ""; process.stdin.on("data", (d) => { text += d; }).on("end", () => done(text));
})));
const padded = new Float32Array(frameSize - frameHop + x.length);
padded.set(x, frameSize - frameHop);
const meter = new SpeechFeatures();
const rows = [];
for (let at = 0; at + frameHop <= x.length; at += frameHop) {
  const row = new Float32Array(featureCount);
  meter.compute(padded, at, row, 0);
  rows.push([...row]);
}
console.log(JSON.stringify(rows));
"""

t = np.arange(16000) / 16000
rng = np.random.default_rng(1)
x = np.float32(0.1 * np.sin(2 * np.pi * (200 + 1500 * t) * t) + 0.001 * rng.standard_normal(16000))
x[4000:6000] = 0
command = ["node", "--import", "tsx", "--input-type=module", "-e", CODE]
out = subprocess.run(command, cwd=sys.argv[1], input=json.dumps(x.tolist()), capture_output=True, text=True, check=True)
difference = np.abs(np.array(json.loads(out.stdout)) - features.features(x)).max()
print("largest difference", difference)
assert difference < 1e-4
