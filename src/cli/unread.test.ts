import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { describe, it } from "node:test";
import { Fault } from "../stream/errors.ts";
import { WindowLost } from "../stream/ports.ts";
import { toUnread } from "./unread.ts";

describe("a recording that could not be scored", () => {
  it("says why by name: a fault's, a lost process's, or that the file system refused it", async () => {
    const missing: unknown = await open("/nowhere/a.wav").catch((reason: unknown) => reason);
    for (const [reason, error] of [
      [new Fault("message_too_large", "long"), { code: "message_too_large", message: "long" }],
      [
        new WindowLost("worker_lost", "ended by SIGKILL"),
        { code: "worker_lost", message: "ended by SIGKILL" },
      ],
      [
        missing,
        {
          code: "undecodable_audio",
          message: "ENOENT: no such file or directory, open '/nowhere/a.wav'",
        },
      ],
    ] as const) {
      assert.deepEqual(toUnread("a.wav", reason), { file: "a.wav", error });
    }
  });

  it("is no bug, which goes on as it came", () => {
    const bug = new TypeError("x is not a function");
    assert.throws(
      () => toUnread("a.wav", bug),
      (reason) => reason === bug,
    );
  });
});
