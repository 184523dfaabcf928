import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import {
  CheckpointWriter,
  fileOf,
  forms,
  legacyBytes,
  ordered,
  storage,
} from "../../../test/support/checkpoint-bytes.ts";
import { pickle, PyCall, PyName, PyPersistent, PyTuple } from "../../../test/support/pickle-bytes.ts";
import { zipBytes, type ZipShape } from "../../../test/support/zip-bytes.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { CheckpointError } from "./errors.ts";
import { defaultLimits, type CheckpointLimits } from "./limits.ts";

const four = () => storage("s", "FloatStorage", Float32Array.of(1, 2, 3, 4));

/** Opens and reads every tensor; what fails must be a CheckpointError with the file's name. */
async function trouble(
  t: TestContext,
  bytes: Uint8Array,
  limits: Partial<CheckpointLimits> = {},
): Promise<string | undefined> {
  const path = fileOf(t, bytes, "file.pt");
  try {
    const checkpoint = await openCheckpoint(path, { ...defaultLimits, ...limits });
    t.after(() => checkpoint.close());
    const state = checkpoint.stateDict();
    for (const key of state.keys()) await state.float32(key);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof CheckpointError, String(error));
    assert.ok(error.message.startsWith(path));
    return error.message.slice(path.length + 2);
  }
}

const withTensor = (writer: CheckpointWriter, ...rest: Parameters<CheckpointWriter["tensor"]>) =>
  writer.file(new Map([["w", writer.tensor(...rest)]]));

for (const form of forms) {
  describe(`a damaged or hostile checkpoint in the ${form} container`, () => {
    it("is refused at whatever byte it is cut", async (t) => {
      const whole = withTensor(new CheckpointWriter(form), four());
      assert.equal(await trouble(t, whole), undefined);
      let cuts = 0;
      for (let length = 0; length < whole.length; length += form === "zip" ? 7 : 3) {
        assert.notEqual(await trouble(t, whole.subarray(0, length)), undefined, `cut at ${length}`);
        cuts += 1;
      }
      assert.ok(cuts > 100, `${cuts} cuts`);
    });

    it("cannot make a tensor of what is not in its storage", async (t) => {
      const cases: readonly (readonly [number[], number[], number, RegExp])[] = [
        [[5], [1], 0, /"w" needs 5 elements of a storage that has 4/],
        [[2, 2], [3, 1], 0, /"w" needs 5 elements/],
        [[1], [1], 4, /"w" needs 5 elements/],
        [[2], [2 ** 52], 0, /"w" needs 4503599627370497 elements/],
        [[2], [-1], 1, /has -1 where it must have a count/],
        [[0.5], [1], 0, /has 0\.5 where it must have a count/],
        [[2, 2], [1], 0, /2 dimensions and 1 strides/],
        [[2 ** 40, 2 ** 40], [0, 0], 0, /has a tensor \[1099511627776, 1099511627776\]/],
        [Array<number>(17).fill(1), Array<number>(17).fill(1), 0, /whose shape is a list of 17/],
      ];
      for (const [shape, strides, offset, message] of cases) {
        assert.match(
          (await trouble(t, withTensor(new CheckpointWriter(form), four(), shape, strides, offset))) ?? "",
          message,
        );
      }
    });

    it("cannot repeat or spread a few elements into much memory or reading", async (t) => {
      const repeated = withTensor(new CheckpointWriter(form), four(), [2 ** 28], [0]);
      assert.match(
        (await trouble(t, repeated)) ?? "",
        /"w" repeats 4 elements to make 268435456, over 1048576/,
      );
      const dictionary = withTensor(new CheckpointWriter(form), four(), [2 ** 33], [0]);
      assert.match((await trouble(t, dictionary)) ?? "", /holds 34359738368 bytes of tensors/);
      const sparse = () =>
        withTensor(
          new CheckpointWriter(form),
          storage("l", "ByteStorage", new Uint8Array(5000)),
          [2],
          [4999],
        );
      assert.equal(await trouble(t, sparse()), undefined);
      assert.match(
        (await trouble(t, sparse(), { span: 4096 })) ?? "",
        /"w" is spread over 5000 bytes for 2 elements/,
      );
      const large = withTensor(new CheckpointWriter(form), four());
      assert.match((await trouble(t, large, { elements: 3 })) ?? "", /"w" has 4 elements, over 3/);
    });

    it("is refused where it says more of a storage than there is", async (t) => {
      const lying = { ...four(), elements: 2 ** 40 };
      assert.match(
        (await trouble(t, withTensor(new CheckpointWriter(form), lying, [2]))) ?? "",
        /storage "s"/,
      );
      const writer = new CheckpointWriter(form);
      const twice = writer.file([writer.tensor(four()), writer.tensor({ ...four(), elements: 3 })]);
      assert.match((await trouble(t, twice)) ?? "", /calls storage "s" 4 of float32 and then 3 of float32/);
    });

    it("is refused over any of the limits", async (t) => {
      const tree = (writer: CheckpointWriter) => writer.file(new Map([["w", writer.tensor(four())]]));
      const cases: readonly (readonly [Partial<CheckpointLimits>, RegExp])[] = [
        [{ pickleBytes: 100 }, /has an object tree of (over )?\d+ bytes/],
        [{ steps: 30 }, /holds more than 30 steps/],
        [{ stack: 5 }, /stacks more than 5 values/],
        [{ memo: 3 }, /remembers more than 3 values/],
        [{ marks: 1 }, /nests deeper than 1/],
        [{ storages: 0 }, /over 0/],
        [{ stateBytes: 15 }, /holds 16 bytes of tensors, over 15/],
      ];
      for (const [limits, message] of cases) {
        assert.match((await trouble(t, tree(new CheckpointWriter(form)), limits)) ?? "", message);
      }
    });

    it("is refused with what it nests too deep, and read with what it nests deep", async (t) => {
      const nested = (depth: number) => {
        const opening = Buffer.from("5d".repeat(depth), "hex");
        return Buffer.concat([
          Buffer.from([0x80, 2]),
          opening,
          Buffer.from("61".repeat(depth - 1), "hex"),
          Buffer.from("."),
        ]);
      };
      assert.match(
        (await trouble(t, new CheckpointWriter(form).wrap(nested(100_000)))) ?? "",
        /holds a list of 1/,
      );
      assert.match(
        (await trouble(t, new CheckpointWriter(form).wrap(nested(600_000)))) ?? "",
        /stacks more than 262144/,
      );
    });

    it("executes nothing where a tensor, a storage or a name is not what it should be", async (t) => {
      const rebuild = new PyName("torch._utils", "_rebuild_tensor_v2");
      const cases: readonly (readonly [unknown, RegExp])[] = [
        [new PyCall(rebuild, new PyTuple("rm", 0, new PyTuple(), new PyTuple())), /has a tensor in a string/],
        [new PyCall("os.system", new PyTuple("rm")), /calls a string/],
        [new PyPersistent(new PyTuple("module", 1)), /refers to a list of 2 as a storage/],
        [new PyPersistent("storage"), /refers to a string as a storage/],
        [new PyName("os\u001b[2J", "system"), /"os\\u001b\[2J\.system" is not a name/],
        [new PyName("m".repeat(5000), "x"), /a name at byte \d+ of its object tree does not end/],
      ];
      for (const [tree, message] of cases) {
        assert.match((await trouble(t, new CheckpointWriter(form).wrap(pickle(tree)))) ?? "", message);
      }
    });

    it("reads past storages of unknown classes, and says so when one is wanted", async (t) => {
      const writer = new CheckpointWriter(form);
      const odd = new PyPersistent(
        new PyTuple("storage", new PyName("torch", "QInt8Storage"), "q", "cpu", 4, null),
      );
      const args = new PyTuple(odd, 0, new PyTuple(4), new PyTuple(1), false, ordered(new Map()));
      const quantised = new PyCall(new PyName("torch._utils", "_rebuild_tensor_v2"), args);
      const path = fileOf(
        t,
        writer.file(
          new Map<string, unknown>([
            ["w", writer.tensor(four())],
            ["q", quantised],
          ]),
        ),
      );
      const checkpoint = await openCheckpoint(path);
      t.after(() => checkpoint.close());
      assert.deepEqual(await checkpoint.stateDict().float32("w"), Float32Array.of(1, 2, 3, 4));
      await assert.rejects(checkpoint.stateDict().float32("q"), {
        key: "q",
        global: "torch._utils._rebuild_tensor_v2",
      });
    });
  });
}

describe("a file that is no checkpoint", () => {
  it("is refused by its first bytes", async (t) => {
    const nothing = /starts like neither/;
    for (const bytes of [Buffer.alloc(0), Buffer.from("PK"), Buffer.from('{"a":1}'), Buffer.alloc(5000, 7)]) {
      assert.match((await trouble(t, bytes)) ?? "", nothing);
    }
    assert.match(
      (await trouble(t, zipBytes([["word/document.xml", Buffer.from("<a/>")]]))) ?? "",
      /with 0 data\.pkl/,
    );
    const script = zipBytes([
      ["m/data.pkl", pickle(1)],
      ["m/constants.pkl", pickle(1)],
    ]);
    assert.match((await trouble(t, script)) ?? "", /is a TorchScript program/);
  });

  it("is refused where it is missing, a folder or a pipe", { timeout: 10_000 }, async (t) => {
    const folder = dirname(fileOf(t, Buffer.alloc(0)));
    await assert.rejects(openCheckpoint(join(folder, "absent.pt")), /absent\.pt: cannot be read: ENOENT/);
    await assert.rejects(openCheckpoint(tmpdir()), /is not a file/);
    if (process.platform === "win32") return;
    execFileSync("mkfifo", [join(folder, "pipe.pt")]);
    await assert.rejects(openCheckpoint(join(folder, "pipe.pt")), /is not a file/);
  });
});

describe("a damaged or hostile archive", () => {
  const build = (shape: ZipShape, more: readonly (readonly [string, Uint8Array])[] = []): Buffer => {
    const writer = new CheckpointWriter("zip");
    const tree = pickle(new Map([["w", writer.tensor(four())]]));
    const values = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    return zipBytes([["a/data.pkl", tree], ["a/data/s", values], ...more], shape);
  };
  const claim = (name: string, facts: { bytes?: number; header?: number; method?: number; crc?: number }) =>
    build({ claim: { [name]: facts } });

  it("is refused where entries overlap, leave it, are packed or differ from their checksum", async (t) => {
    assert.equal(await trouble(t, build({})), undefined);
    assert.match(
      (await trouble(t, claim("a/data/s", { bytes: 4000 }))) ?? "",
      /"a\/data\/s" of 4000 bytes runs into/,
    );
    assert.match((await trouble(t, claim("a/data/s", { bytes: 0xffff_fff0 }))) ?? "", /runs into/);
    assert.match((await trouble(t, claim("a/data/s", { header: 0 }))) ?? "", /runs into/);
    assert.match((await trouble(t, claim("a/data/s", { header: 90 }))) ?? "", /runs into|no entry/);
    assert.match(
      (await trouble(t, claim("a/data.pkl", { method: 8 }))) ?? "",
      /"a\/data\.pkl" is compressed/,
    );
    assert.match((await trouble(t, claim("a/data/s", { crc: 1 }))) ?? "", /"w" is damaged: .*checksum/);
    assert.match((await trouble(t, claim("a/data.pkl", { crc: 1 }))) ?? "", /object tree does not match/);
    assert.match(
      (await trouble(t, claim("a/data/s", { bytes: 12 }))) ?? "",
      /"w" lies in storage "s" of 12 bytes/,
    );
  });

  it("is refused where its directory is longer than any", async (t) => {
    assert.match((await trouble(t, build({}), { directoryBytes: 100 })) ?? "", /lists 2 files in \d+ bytes/);
  });

  it("is refused where names or trees come twice", async (t) => {
    assert.match(
      (await trouble(t, build({}, [["a/data/s", Buffer.alloc(4)]]))) ?? "",
      /two entries "a\/data\/s"/,
    );
    assert.match((await trouble(t, build({}, [["b/data.pkl", Buffer.alloc(4)]]))) ?? "", /with 2 data\.pkl/);
  });

  it("is refused where it was written on a big-endian machine", async (t) => {
    assert.equal(await trouble(t, build({}, [["a/byteorder", Buffer.from("little")]])), undefined);
    assert.match(
      (await trouble(t, build({}, [["a/byteorder", Buffer.from("big")]]))) ?? "",
      /byte order "big"/,
    );
    assert.match(
      (await trouble(t, legacyBytes(pickle(1), [], "big"))) ?? "",
      /not written on a little-endian/,
    );
  });

  it("is refused where its two directories differ or lie elsewhere", async (t) => {
    for (const [back, name] of [
      [6, "start"],
      [10, "size"],
      [12, "entries"],
      [34, "record"],
      [22 + 20 + 8, "long start"],
    ] as const) {
      const bytes = build({});
      const at = bytes.length - back;
      bytes.writeUInt16LE(bytes.readUInt16LE(at) ^ 0x0101, at);
      assert.notEqual(await trouble(t, bytes), undefined, name);
    }
  });

  it("is refused where a local header is not there, or pushes its entry into the next", async (t) => {
    const elsewhere = build({});
    elsewhere.write("PX", elsewhere.indexOf("a/data/s") - 30);
    assert.match(
      (await trouble(t, elsewhere)) ?? "",
      /"w" is damaged: no entry "a\/data\/s" where it should be/,
    );
    const pushed = build({});
    pushed.writeUInt16LE(0xffff, pushed.indexOf("a/data/s") - 2);
    assert.match((await trouble(t, pushed)) ?? "", /"w" is damaged: entry "a\/data\/s" runs into the next/);
  });

  it("is refused where an entry is encrypted", async (t) => {
    const bytes = build({});
    const flags = bytes.indexOf("PK\x01\x02", 0, "latin1") + 8;
    bytes.writeUInt16LE(bytes.readUInt16LE(flags) | 1, flags);
    assert.match((await trouble(t, bytes)) ?? "", /is encrypted: entry "a\/data\.pkl"/);
  });

  it("lacks a storage only when that is asked for", async (t) => {
    const writer = new CheckpointWriter("zip");
    const tree = pickle(new Map([["w", writer.tensor(four())]]));
    assert.match(
      (await trouble(t, zipBytes([["a/data.pkl", tree]]))) ?? "",
      /"w" lies in storage "s", which is missing/,
    );
  });
});

describe("a damaged or hostile file in the older container", () => {
  it("is refused where storages differ from the tree, come twice or are followed by more", async (t) => {
    const writer = new CheckpointWriter("legacy");
    const tree = pickle(new Map([["w", writer.tensor(four())]]));
    assert.equal(await trouble(t, legacyBytes(tree, [four()])), undefined);
    const less = { ...four(), elements: 3 };
    assert.match((await trouble(t, legacyBytes(tree, [less]))) ?? "", /storage "s" has 3 elements, not 4/);
    assert.match(
      (await trouble(t, legacyBytes(tree, [{ ...four(), elements: -1 }]))) ?? "",
      /has -1 elements/,
    );
    assert.match((await trouble(t, legacyBytes(tree, [four(), four()]))) ?? "", /storage "s" twice/);
    assert.match((await trouble(t, legacyBytes(tree, []))) ?? "", /storage "s", which is missing/);
    assert.match(
      (await trouble(t, legacyBytes(tree, [{ ...four(), key: "x" }]))) ?? "",
      /kind that is not known/,
    );
    const more = Buffer.concat([legacyBytes(tree, [four()]), Buffer.alloc(1)]);
    assert.match((await trouble(t, more)) ?? "", /its storages end at byte \d+ of \d+/);
  });

  it("is refused where a view leaves its storage", async (t) => {
    const writer = new CheckpointWriter("legacy");
    const reference = (start: number) =>
      writer.file([writer.reference(four(), new PyTuple("view", start, 3))]);
    assert.match((await trouble(t, reference(1))) ?? "", /holds a list of 1/);
    assert.match((await trouble(t, reference(2))) ?? "", /has elements 2 to 5 of the 4 in a storage/);
  });

  it("is refused with another version or a storage before its tree", async (t) => {
    const magic = Buffer.from("80028a0a6cfc9c46f9206aa850192e", "hex");
    assert.match((await trouble(t, Buffer.concat([magic, pickle(1002)]))) ?? "", /known version/);
    const early = pickle(new PyPersistent(new PyTuple("storage")));
    assert.match(
      (await trouble(t, Buffer.concat([magic, early]))) ?? "",
      /a storage outside its object tree/,
    );
  });
});
