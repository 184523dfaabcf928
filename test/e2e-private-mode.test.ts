import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { after, before, describe, it } from "node:test";
import { connect } from "../clients/node/client.ts";
import { createEdge } from "../clients/node/create-edge.ts";
import { encodeMulaw } from "../clients/node/g711-encode.ts";
import { codeHeaderBytes, readCodeWindow, writeCodeWindow } from "../src/stream/code-window.ts";
import { packedBytes } from "../src/stream/codes.ts";
import type { CodeSpec } from "../src/stream/ports.ts";
import { holds } from "./support/byte-forms.ts";
import { startProxy, unmasked, type RecordingProxy } from "./support/recording-proxy.ts";
import { startServer, type RealServer } from "./support/server.ts";
import { startProcess, type ServerProcess } from "./support/server-process.ts";
import { withoutFixture } from "./support/shared-fixtures.ts";
import { importFixtureSafeear, importSmallSafeear, temporaryPacks } from "./support/small-safeear.ts";
import { at, bytesOf, loopedClip, ofType, toS16 } from "./support/wire-audio.ts";
import { openLine, wires, type Event, type Line } from "./support/wire-line.ts";

/** Of the same LLR by two ways, per window. */
const tolerance = 1e-4;
const pcm = { encoding: "pcm_s16le", sampleRate: 16_000 } as const;
const codesStart = { pace: "file", audio: { encoding: "safeear_codes", channels: 1 } };
const small: CodeSpec = { stages: 3, choices: 12, frameSamples: 320, frames: 202 };
const fixture: CodeSpec = { stages: 7, choices: 32, frameSamples: 320, frames: 202 };

/** Everything that the edge makes of a stream in 20 ms pieces, as from a microphone. */
async function encode(pack: string, bytes: Uint8Array, order?: string): Promise<Uint8Array[]> {
  const edge = await createEdge({ pack, audio: pcm, ...(order !== undefined && { order }) });
  try {
    const messages: Uint8Array[] = [];
    for (let from = 0; from < bytes.length; from += 640)
      messages.push(...(await edge.push(bytes.subarray(from, from + 640))));
    return [...messages, ...(await edge.flush())];
  } finally {
    await edge.close();
  }
}

/** A session's whole windows: the LLR of each by its first sample. */
function llrsByStart(events: readonly Event[]): ReadonlyMap<number, unknown> {
  const whole = ofType(events, "score").filter(
    (score) => at(score, "window", "end_sample") - at(score, "window", "start_sample") === 64_600,
  );
  return new Map(whole.map((score) => [at(score, "window", "start_sample"), score["llr"]]));
}

async function conclude(line: Line): Promise<readonly Event[]> {
  line.close();
  const { reason } = await line.ended;
  assert.equal(reason, "");
  return line.events;
}

/** The whole windows of a session of audio, and of one of codes, must agree. */
function assertAgree(fromCodes: readonly Event[], fromAudio: readonly Event[]): void {
  const [a, b] = [llrsByStart(fromCodes), llrsByStart(fromAudio)];
  assert.ok(a.size >= 8);
  assert.deepEqual([...a.keys()], [...b.keys()]);
  const values = [...b.values()].map(Number);
  assert.ok(Math.max(...values) - Math.min(...values) > 100 * tolerance, "scores differ between windows");
  for (const [start, llr] of a) {
    assert.ok(typeof llr === "number");
    assert.ok(
      Math.abs(llr - Number(b.get(start))) <= tolerance,
      `window at ${start}: ${llr} and ${String(b.get(start))}`,
    );
  }
}

describe("private mode", { timeout: 180_000 }, () => {
  let packs: Awaited<ReturnType<typeof temporaryPacks>>;
  let pack = "";
  let server: ServerProcess;
  let speech: Uint8Array;
  before(async () => {
    packs = await temporaryPacks();
    pack = await importSmallSafeear(packs.folder, "5");
    speech = bytesOf(toS16(await loopedClip("human_lj.flac", 12)));
    server = await startProcess({ MODEL: "safeear", MODELS_DIR: packs.folder, LOG_LEVEL: "trace" });
  });
  after(async () => {
    await server.destroy();
    await packs.remove();
  });

  const audioSession = async (to: { ws: string; grpc: string } = server): Promise<readonly Event[]> => {
    const line = await openLine("websocket", to);
    line.start({ pace: "file" });
    for (let from = 0; from < speech.length; from += 6400) line.audio(speech.subarray(from, from + 6400));
    return conclude(line);
  };

  for (const wire of wires) {
    it(`scores what it was not sent as it scores the audio, over ${wire}`, async () => {
      const line = await openLine(wire, server);
      line.start(codesStart);
      for (const message of await encode(pack, speech, "5")) line.audio(message);
      const events = await conclude(line);
      const heard = await audioSession();
      assertAgree(events, heard);
      assert.deepEqual(
        events.slice(0, 3).map(({ code, type }) => [type, code]),
        [
          ["ready", undefined],
          ["warning", "client_speech_measure"],
          ["warning", "uncalibrated_model"],
        ],
      );
      for (const type of ["ready", "summary"]) {
        assert.equal(ofType(heard, type)[0]?.["seed"], 5, type);
        assert.ok(typeof ofType(events, type)[0]?.["seed"] !== "number", type);
      }
      const [score] = ofType(events, "score");
      assert.deepEqual(score?.["provisional"] ?? false, false);
      assert.equal((score?.["quality"] as Event)["codec"], "safeear_codes");
    });
  }

  it("scores as a recording sent whole is scored, which names the seed", async () => {
    const url = `${server.http}/v1/detect?encoding=pcm_s16le&sample_rate=16000`;
    const answer = await fetch(url, { method: "POST", body: new Uint8Array(speech) });
    // Its shape is the subject of other tests.
    const { channels, seed } = (await answer.json()) as { channels: { windows: Event[] }[]; seed?: number };
    assert.equal(seed, 5);
    const byStart = new Map(
      channels[0]?.windows.map(({ start_ms, end_ms, llr }) => [`${String(start_ms)}–${String(end_ms)}`, llr]),
    );
    const line = await openLine("grpc", server);
    line.start(codesStart);
    for (const message of await encode(pack, speech, "5")) line.audio(message);
    let compared = 0;
    for (const { window, llr } of ofType(await conclude(line), "score")) {
      const expected = byStart.get(`${at(window as Event, "start_ms")}–${at(window as Event, "end_ms")}`);
      assert.ok(Math.abs(Number(llr) - Number(expected)) <= tolerance);
      compared++;
    }
    assert.ok(compared >= 8);
  });

  for (const order of ["identity", "flip"]) {
    it(`scores as the audio by a model that hears frames in the order ${order}`, async (t) => {
      const other = await temporaryPacks();
      t.after(() => other.remove());
      const ordered = await importSmallSafeear(other.folder, order);
      const real = await startServer({ MODEL: "safeear", MODELS_DIR: other.folder });
      t.after(() => real.close());
      const line = await openLine("websocket", real);
      line.start(codesStart);
      for (const message of await encode(ordered, speech, order)) line.audio(message);
      const events = await conclude(line);
      const heard = await audioSession(real);
      assertAgree(events, heard);
      assert.ok(typeof ofType(heard, "ready")[0]?.["seed"] !== "number", "there is no seed");
    });
  }

  it(
    "does the same with the reduced model that the original code was run on",
    {
      skip: withoutFixture("safeear-small/model.ckpt"),
    },
    async (t) => {
      const other = await temporaryPacks();
      t.after(() => other.remove());
      const ordered = await importFixtureSafeear(other.folder, "3");
      const real = await startServer({ MODEL: "safeear", MODELS_DIR: other.folder });
      t.after(() => real.close());
      const messages = await encode(ordered, speech, "3");
      for (const message of messages)
        assert.equal(message.length, codeHeaderBytes + packedBytes(7 * 202, 32));
      assert.ok(
        new Set(messages.flatMap((message) => [...readCodeWindow(message, fixture).codes])).size > 16,
      );
      const line = await openLine("grpc", real);
      line.start(codesStart);
      for (const message of messages) line.audio(message);
      assertAgree(await conclude(line), await audioSession(real));
    },
  );

  describe("on the wire", () => {
    const proxies: RecordingProxy[] = [];
    after(() => {
      for (const proxy of proxies) proxy.close();
    });

    /** Streams the speech by the client itself; gives the edge's messages and every byte that left. */
    const stream = async (wire: Line["wire"]) => {
      const proxy = await startProxy(wire === "grpc" ? server.grpc : new URL(server.http).host);
      proxies.push(proxy);
      const edge = await createEdge({ pack, audio: pcm });
      const url = `${wire === "grpc" ? "grpc" : "ws"}://${proxy.address}`;
      const session = await connect({ url, pace: "file", ...edge.start });
      assert.equal(session.ready.model.digest, edge.modelDigest);
      const messages = [...(await edge.push(speech)), ...(await edge.flush())];
      for (const message of messages) session.send(message);
      const summary = await session.finish();
      await edge.close();
      const [sent = Buffer.alloc(0)] = proxy.sent();
      return { messages, sent, summary };
    };

    for (const wire of wires) {
      it(`is nothing but codes, all of them of their size, over ${wire}`, async () => {
        const { messages, sent, summary } = await stream(wire);
        const size = codeHeaderBytes + packedBytes(small.stages * small.frames, small.choices);
        assert.deepEqual([...new Set(messages.map(({ length }) => length))], [size]);
        assert.equal(summary.channels[0]?.windows, messages.length);
        assert.ok(messages.every((message) => readCodeWindow(message, small).speechMs > 0));
        const said = wire === "grpc" ? [sent] : unmasked(sent).payloads;
        const binary = said.filter((payload) => wire === "grpc" || payload.length === size);
        for (const message of messages)
          assert.ok(binary.some((bytes) => bytes.includes(Buffer.from(message))));
        // Beside the codes: greetings, a start, and a few bytes for each message.
        const rest = sent.length - messages.length * size;
        assert.ok(rest < 3000 + 64 * messages.length, `${rest} bytes beside the codes`);
        assert.ok(sent.length < speech.length / 30, `${sent.length} bytes of ${speech.length}`);
      });

      it(`holds the audio in no form, over ${wire}`, async () => {
        const { sent } = await stream(wire);
        const clear = wire === "grpc" ? sent : Buffer.concat([sent, ...unmasked(sent).payloads]);
        const samples = new Int16Array(speech.buffer, speech.byteOffset, speech.length / 2);
        const floats = Float32Array.from(samples, (x) => x / 32_768);
        let searched = 0;
        for (let from = 0; from + 8 <= samples.length; from += 2000) {
          const piece = samples.subarray(from, from + 8);
          // Near silence any bytes will do.
          if (piece.filter((x) => Math.abs(x) > 256).length < 6) continue;
          const forms = [
            bytesOf(piece),
            Buffer.from(bytesOf(piece)).swap16(),
            bytesOf(floats.slice(from, from + 4)),
            encodeMulaw(floats.slice(from, from + 8)),
          ];
          for (const bytes of forms) assert.ok(!holds(clear, bytes), `the audio at sample ${from}`);
          searched++;
        }
        assert.ok(searched >= 30, `only ${searched} places`);
      });
    }

    it("could be searched for it: a session of audio is found out", async () => {
      const proxy = await startProxy(server.grpc);
      proxies.push(proxy);
      const audio = { ...pcm, channels: 1 } as const;
      const session = await connect({ url: `grpc://${proxy.address}`, pace: "file", audio });
      session.send(speech.subarray(0, 32_000));
      await session.finish();
      assert.ok(holds(proxy.sent()[0] ?? Buffer.alloc(0), speech.subarray(16_000, 16_016)));
    });

    it("leaves no codes behind at the server", async () => {
      const { messages } = await stream("grpc");
      for (const { bytes, where } of server.written())
        for (const message of messages)
          assert.ok(!holds(bytes, message.subarray(codeHeaderBytes + 40, codeHeaderBytes + 72)), where);
    });
  });

  it("is shown by an example, which runs", async () => {
    const example = fileURLToPath(new URL("../clients/node/examples/private.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", example, pack, server.ws], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdin.end(speech);
    const exited = new Promise((resolve) => child.once("exit", resolve));
    const said = await text(child.stdout);
    assert.equal(await exited, 0);
    assert.match(said, /^1000 ms: (?:bonafide|spoof)\n/m);
    assert.match(said, /, LLR -?\d+\.\d\d\n$/);
  });

  describe("told nonsense", () => {
    const window = (index: number, said: Partial<{ start: number; speechMs: number; code: number }> = {}) => {
      const { start = 0, speechMs = 4000, code = 1 } = said;
      const codes = new Int32Array(606).fill(code);
      return writeCodeWindow({ index, start, speechMs, codes }, { ...small, choices: 16 });
    };
    const altered = (offset: number, ...bytes: number[]) => {
      const message = window(1);
      message.set(bytes, offset);
      return message;
    };
    const nonsense: readonly (readonly [string, readonly Uint8Array[], string])[] = [
      ["another version", [altered(0, 2)], "bad_message"],
      ["a byte less", [window(0).subarray(0, 319)], "bad_message"],
      ["a byte more", [Buffer.concat([window(0), Buffer.alloc(1)])], "bad_message"],
      ["half a header", [window(0).subarray(0, 9)], "bad_message"],
      ["sound", [new Uint8Array(640)], "bad_message"],
      ["another number of frames", [altered(15, 0, 201)], "bad_message"],
      ["a code that the model does not have", [window(0, { code: 12 })], "undecodable_audio"],
      ["an index twice", [window(3), window(3)], "bad_message"],
      ["a start that goes back", [window(0, { start: 16_000 }), window(1, { start: 15_999 })], "bad_message"],
      ["a start beyond all bounds", [altered(5, 255, 255, 255, 255, 255, 255, 255, 255)], "bad_message"],
      ["a start of 2^53", [altered(5, 0, 32)], "bad_message"],
      ["a start in two hours", [window(0, { start: 115_200_000 })], "bad_message"],
      ["more speech than there is time", [window(0, { speechMs: 4038 })], "bad_message"],
    ];

    for (const wire of wires) {
      it(`ends that session by the fault's name, and no other, over ${wire}`, async () => {
        const bystander = await openLine(wire, server);
        bystander.start(codesStart);
        for (const [i, [what, messages, fault]] of nonsense.entries()) {
          bystander.audio(window(i, { start: i * 16_000 }));
          const line = await openLine(wire, server);
          line.start(codesStart);
          for (const message of messages) line.audio(message);
          assert.equal((await line.ended).reason, fault.toUpperCase(), what);
          assert.deepEqual(
            line.events.slice(-2).map(({ type }) => type),
            ["summary", "error"],
          );
        }
        const scores = ofType(await conclude(bystander), "score");
        assert.equal(scores.length, nonsense.length);
        assert.ok(scores.every(({ llr }) => typeof llr === "number"));
      });

      it(`is too fast where it is live, over ${wire}`, async () => {
        for (const messages of [
          [window(0, { start: 96_000 })],
          Array.from({ length: 24 }, (_, i) => window(i)),
        ]) {
          const line = await openLine(wire, server);
          line.start({ ...codesStart, pace: "live" });
          for (const message of messages) line.audio(message);
          assert.equal((await line.ended).reason, "TOO_FAST");
        }
      });
    }
  });
});

describe("a server whose model hears audio alone", { timeout: 60_000 }, () => {
  let server: RealServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server.close());

  for (const wire of wires) {
    it(`refuses codes, and says why, over ${wire}`, async () => {
      const line = await openLine(wire, server);
      line.start(codesStart);
      assert.equal((await line.ended).reason, "UNSUPPORTED_AUDIO");
      const [error] = line.events;
      assert.match(String(error?.["message"]), /default takes no safeear_codes/);
    });
  }

  it("names no seed, having none", async () => {
    const answer = await fetch(`${server.http}/v1/detect?encoding=pcm_s16le&sample_rate=16000`, {
      ...{ method: "POST", body: new Uint8Array(32_000) },
    });
    assert.deepEqual(Object.keys((await answer.json()) as object), ["model", "channels"]);
  });

  it("takes no recording of codes", async () => {
    const url = `${server.http}/v1/detect?encoding=safeear_codes&sample_rate=16000`;
    const answer = await fetch(url, { method: "POST", body: new Uint8Array(320) });
    assert.equal(answer.status, 415);
  });
});
