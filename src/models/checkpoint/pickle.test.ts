import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultLimits } from "./limits.ts";
import { PickleEnds } from "./pickle-input.ts";
import { readPickle } from "./pickle.ts";
import { Global, Inert } from "./values.ts";

const rules = {
  call: (callee: Global, args: unknown) => new Inert(callee, args),
  persistent: (id: unknown) => ["id", id],
};

/** Reads a pickle given in pieces: text as Latin-1, numbers as bytes. */
const read = (...pieces: readonly (string | number)[]): unknown => {
  const bytes = pieces.map((piece) =>
    typeof piece === "string" ? Buffer.from(piece, "latin1") : Buffer.from([piece]),
  );
  return readPickle(Buffer.concat(bytes), rules, defaultLimits).value;
};

describe("the pickle machine", () => {
  it("reads literals", () => {
    assert.deepEqual(read("(N\x88\x89K\xffM\x01\x02J\xfe\xff\xff\xfft."), [null, true, false, 255, 513, -2]);
    assert.equal(read("G\x3f\xf8\0\0\0\0\0\0."), 1.5);
    assert.deepEqual(read("(\x8a\0\x8a\x01\xff\x8a\x02\xff\0\x8b\x01\0\0\0\x80t."), [0, -1, 255, -128]);
    assert.equal(read("\x8a\x09\0\0\0\0\0\0\0\0\x01."), 2n ** 64n);
    assert.deepEqual(read("(X\x02\0\0\0\xc3\xa9\x8c\x01a\x8d\x01\0\0\0\0\0\0\0bU\x01cT\x01\0\0\0dt."), [
      "é",
      "a",
      "b",
      "c",
      "d",
    ]);
    assert.deepEqual(read("(C\x01\x07B\x01\0\0\0\x08t."), [Buffer.from([7]), Buffer.from([8])]);
  });

  it("reads containers", () => {
    assert.deepEqual(read(")\x85)\x86."), [[[]], []]);
    assert.deepEqual(read("K\x01K\x02K\x03\x87."), [1, 2, 3]);
    assert.deepEqual(read("]K\x01a(K\x02K\x03e."), [1, 2, 3]);
    assert.deepEqual(
      read("}K\x01K\x02s(K\x03K\x04K\x01K\x05u."),
      new Map([
        [1, 5],
        [3, 4],
      ]),
    );
    assert.deepEqual(read("\x8f(K\x01K\x01K\x02\x90."), new Set([1, 2]));
  });

  it("moves values and remembers them", () => {
    assert.equal(read("K\x01K\x020."), 1);
    assert.equal(read("K\x01(K\x02K\x031."), 1);
    assert.equal(read("K\x01(0."), 1);
    assert.deepEqual(read("K\x092\x86."), [9, 9]);
    assert.deepEqual(read("]q\x07h\x07\x86."), [[], []]);
    assert.deepEqual(read("\x80\x04\x95\0\0\0\0\0\0\0\0K\x05\x94]\x940h\0."), 5);
    assert.deepEqual(read("]r\0\0\x01\x000j\0\0\x01\0."), []);
  });

  it("hands names, calls and persistent ids to its rules, one object for one name", () => {
    const twice = read("ca.b\nC\nca.b\nC\n\x86.");
    assert.ok(Array.isArray(twice));
    assert.ok(twice[0] instanceof Global);
    assert.equal(twice[0].text, "a.b.C");
    assert.equal(twice[0], twice[1]);
    const stacked = read("\x8c\x01m\x8c\x01n\x93.");
    assert.ok(stacked instanceof Global);
    assert.equal(stacked.text, "m.n");
    const built = read("cm\nC\n)\x81}K\x01K\x02sb(K\x03K\x04uK\x05a.");
    assert.ok(built instanceof Inert);
    assert.deepEqual(
      [built.args, built.state, built.entries, built.items],
      [[], new Map([[1, 2]]), new Map([[3, 4]]), [5]],
    );
    assert.deepEqual(read("K\x01Q."), ["id", 1]);
  });

  it("says where a pickle ends, whatever follows", () => {
    assert.equal(readPickle(Buffer.from("\x80\x02N.N.", "latin1"), rules, defaultLimits).bytes, 4);
  });

  it("tells bytes that end from bytes that are wrong", () => {
    for (const cut of [
      "",
      "K",
      "N",
      "X\x05\0\0\0abc",
      "X\xff\xff\xff\xffabc",
      "\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
      "cname",
      "cname\n",
      "\x95",
    ]) {
      assert.throws(() => read(cut), PickleEnds, JSON.stringify(cut));
    }
    const wrong: readonly (readonly [string, RegExp])[] = [
      [".", /lacks a value/],
      ["(.", /lacks a value/],
      ["K\x01(\x85.", /lacks a value/],
      ["K\x01(q\0.", /lacks a value/],
      ["t.", /lacks a mark/],
      ["h\x01.", /refers to value 1, which is not there/],
      ["i", /opcode 0x69 at byte 0/],
      ["N\x82\x01.", /opcode 0x82 at byte 1/],
      ["PX\n.", /opcode 0x50/],
      ["\x80\x01.", /protocol 1/],
      ["}(K\x01u.", /sets 1 keys and values in a dictionary/],
      ["K\x01K\x02K\x03s.", /in a number/],
      ["NK\x02a.", /appends to None/],
      ["](K\x01\x90.", /adds to a list/],
      ["]}b.", /sets attributes of a list/],
      ["K\x01)R.", /calls a number/],
      ["K\x01K\x02\x93.", /a name that is no text/],
      ["\x8b\xff\xff\xff\x7f.", /an integer of 2147483647 bytes/],
    ];
    for (const [bytes, message] of wrong) assert.throws(() => read(bytes), message, JSON.stringify(bytes));
  });
});
