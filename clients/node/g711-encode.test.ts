import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { alawSamples, mulawSamples } from "../../src/stream/g711.ts";
import { encodeAlaw, encodeMulaw } from "./g711-encode.ts";

const everyPcm = Float32Array.from({ length: 65536 }, (_, n) => (n - 32768) / 32768);

const laws = [
  { name: "encodeMulaw", encode: encodeMulaw, table: mulawSamples },
  { name: "encodeAlaw", encode: encodeAlaw, table: alawSamples },
];

for (const { name, encode, table } of laws) {
  describe(name, () => {
    it("gives every decoded sample its own byte again", () => {
      const bytes = encode(table);
      assert.equal(bytes.length, 256);
      bytes.forEach((byte, i) => assert.equal(table[byte], table[i], `byte ${i}`));
    });

    it("stays within half a step of every 16-bit sample, in order", () => {
      const decoded = [...encode(everyPcm)].map((byte) => table[byte] ?? NaN);
      everyPcm.forEach((sample, i) => {
        const error = Math.abs((decoded[i] ?? NaN) - sample);
        // Half a step is a 32nd of where its segment starts, which lies 132 lower on μ-law; and 1 for rounding.
        const allowed = Math.max(8, (Math.abs(sample) * 32768 + 132) / 32 + 1) / 32768;
        assert.ok(error <= allowed, `${sample * 32768}: ${error * 32768} off`);
        if (i > 0)
          assert.ok((decoded[i] ?? NaN) >= (decoded[i - 1] ?? NaN), `${sample * 32768} out of order`);
      });
    });

    it("clips what lies outside [-1, 1]", () => {
      assert.deepEqual(encode(Float32Array.of(-3, 3)), encode(Float32Array.of(-1, 1)));
    });
  });
}
