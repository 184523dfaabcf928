import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bitsPerCode, packCodes, packedBytes, unpackCodes } from "./codes.ts";
import { Draws } from "../models/safeear/draws.ts";

describe("packed codes", () => {
  it("take as many bits as the codebook asks for", () => {
    const sizes = [2, 3, 4, 5, 32, 33, 1023, 1024, 1025, 65_536];
    assert.deepEqual(sizes.map(bitsPerCode), [1, 2, 2, 3, 5, 6, 10, 10, 11, 16]);
    assert.equal(packedBytes(7 * 202, 1024), 1768);
  });

  it("have each code's most significant bit first, and zeros at the end", () => {
    assert.deepEqual(
      [...packCodes(Int32Array.of(1, 2, 1023), 1024)],
      [0b00000000, 0b01000000, 0b00101111, 0b11111100],
    );
  });

  it("come back as they went for every width and number of them", () => {
    const draws = new Draws(1);
    for (const codes of [2, 3, 5, 32, 100, 1000, 1024, 4096, 65_536]) {
      for (let count = 0; count < 20; count++) {
        const values = Int32Array.from({ length: count }, (_, i) =>
          i === 0 ? codes - 1 : draws.below(codes),
        );
        assert.deepEqual(unpackCodes(packCodes(values, codes), count, codes), values);
      }
    }
  });

  it("are refused where a code is none, bytes are missing or left over, or the end is not filled with zeros", () => {
    assert.throws(() => packCodes(Int32Array.of(1000), 1000), /code 1000 is not one of 1000/);
    assert.throws(() => packCodes(Int32Array.of(-1), 1000), /code -1 is not one of 1000/);
    assert.throws(
      () => unpackCodes(packCodes(Int32Array.of(1000), 1024), 1, 1000),
      /code 1000 is not one of 1000/,
    );
    assert.throws(() => unpackCodes(new Uint8Array(3), 3, 1024), /3 codes of 10 bits take 4 bytes, not 3/);
    assert.throws(() => unpackCodes(new Uint8Array(5), 3, 1024), /not 5/);
    assert.throws(() => unpackCodes(Uint8Array.of(0, 0, 0, 1), 3, 1024), /not filled up with zeros/);
  });
});
