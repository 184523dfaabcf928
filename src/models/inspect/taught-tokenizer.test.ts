import assert from "node:assert/strict";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import type { TensorMap } from "../../../test/support/aasist-weights.ts";
import { smallHubert } from "../../../test/support/hubert-reference.ts";
import { randomTokenizer, smallTokenizer } from "../../../test/support/safeear-weights.ts";
import {
  taughtSizes,
  taughtTensors,
  teacherHeads,
  writeTaughtModels,
} from "../../../test/support/taught-models.ts";
import { packsFolder } from "../../../test/support/tiny-pack.ts";
import { withTaughtTokenizer, type TaughtTokenizer, type TeacherChoice } from "./taught-tokenizer.ts";

async function folderOf(t: TestContext, tokenizer?: TensorMap): Promise<string> {
  const folder = await packsFolder(t);
  await writeTaughtModels(folder, tokenizer);
  return folder;
}

const read = (folder: string, choice: TeacherChoice = {}): Promise<TaughtTokenizer> =>
  withTaughtTokenizer(folder, choice, (taught) => Promise.resolve(taught));

describe("a tokenizer and its teacher", () => {
  it("are read from one folder, the teacher's layers all of them", async (t) => {
    const folder = await folderOf(t);
    const { tokenizer, teacher, layers, transform, teacherFile } = await read(folder);
    assert.deepEqual(tokenizer.sizes, taughtSizes);
    assert.deepEqual([teacher.sizes, teacher.heads], [smallHubert, teacherHeads]);
    assert.deepEqual(layers, [0, 3]);
    assert.deepEqual(transform.weight, taughtTensors.get("transform.weight")?.data);
    assert.deepEqual(transform.bias, taughtTensors.get("transform.bias")?.data);
    assert.equal(teacherFile, join(folder, "hubert_base_ls960.pt"));
  });

  it("are read with another file and another layer where they are named", async (t) => {
    const folder = await folderOf(t);
    const hubert = join(folder, "teacher.pt");
    await rename(join(folder, "hubert_base_ls960.pt"), hubert);
    assert.deepEqual((await read(folder, { hubert, layer: 2 })).layers, [2, 2]);
  });

  it("are refused without HuBERT, or without the tokenizer, by the name of what is missing", async (t) => {
    const folder = await folderOf(t);
    await assert.rejects(read(folder, { layer: 4 }), /hubert_base_ls960\.pt: has layers 0 to 3, not 4/);
    await rm(join(folder, "hubert_base_ls960.pt"));
    await assert.rejects(read(folder), {
      name: "CheckpointError",
      message: /hubert_base_ls960\.pt: is not there/,
    });
    const other = await folderOf(t);
    await rm(join(other, "SpeechTokenizer.pt"));
    await assert.rejects(read(other), /SpeechTokenizer\.pt: is not there/);
  });

  const without = new Map(taughtTensors);
  without.delete("transform.weight");
  const narrow = new Map(taughtTensors).set("transform.weight", {
    shape: [10, 6],
    data: new Float32Array(60),
  });
  const quick = new Map([
    ...randomTokenizer(smallTokenizer, 3),
    ...[...taughtTensors].filter(([key]) => key.startsWith("transform")),
  ]);
  const unfit: readonly (readonly [string, TensorMap, RegExp])[] = [
    ["has no projection", without, /no tensor transform\.weight/],
    ["projects to another width", narrow, /transform\.weight has shape \[10, 6\], not \[12, 6\]/],
    ["has other frames", quick, /a frame per 6 samples, HuBERT one per 320/],
  ];
  for (const [what, tokenizer, message] of unfit) {
    it(`are refused where the tokenizer ${what}`, async (t) => {
      const folder = await folderOf(t, tokenizer);
      await assert.rejects(read(folder), { name: "CheckpointError", message });
    });
  }
});
