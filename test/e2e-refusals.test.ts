import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { status } from "@grpc/grpc-js";
import { startServer, type RealServer } from "./support/server.ts";
import { bytesOf, llrsOf, loopedClip, sendAll, toS16 } from "./support/wire-audio.ts";
import { Bystanders } from "./support/wire-bystanders.ts";
import { openLine, openSocket, pcm16k, wires, type Line } from "./support/wire-line.ts";

/** What a client does wrong, and the fault that names it. */
interface Wrong {
  readonly what: string;
  readonly code: string;
  readonly close: number;
  readonly status: number;
  readonly act: (line: Line) => void;
}

const badMessage = { code: "bad_message", close: 4400, status: status.INVALID_ARGUMENT };
const unsupported = { code: "unsupported_audio", close: 4415, status: status.UNIMPLEMENTED };
const tooEarly = { code: "audio_before_start", close: 4412, status: status.FAILED_PRECONDITION };

const onBoth: readonly Wrong[] = [
  { what: "keep_alive first", ...badMessage, act: (line) => line.say("keep_alive") },
  { what: "close first", ...badMessage, act: (line) => line.say("close") },
  { what: "finalize first", ...badMessage, act: (line) => line.say("finalize") },
  { what: "audio first", ...tooEarly, act: (line) => line.audio(new Uint8Array(640)) },
  { what: "audio of no bytes first", ...tooEarly, act: (line) => line.audio(new Uint8Array(0)) },
  {
    ...{ what: "3 GHz", ...unsupported },
    act: (line) => line.start({ audio: { ...pcm16k, sample_rate: 3_000_000_000 } }),
  },
  { what: "1 Hz", ...unsupported, act: (line) => line.start({ audio: { ...pcm16k, sample_rate: 1 } }) },
  {
    what: "no rate",
    ...badMessage,
    act: (line) => line.start({ audio: { ...pcm16k, sample_rate: undefined } }),
  },
  { what: "7 channels", ...unsupported, act: (line) => line.start({ audio: { ...pcm16k, channels: 7 } }) },
  {
    ...{ what: "raw Opus", ...unsupported },
    act: (line) => line.start({ audio: { encoding: "opus", framing: "raw", channels: 1 } }),
  },
  { what: "no audio", ...badMessage, act: (line) => line.start({ audio: undefined }) },
  {
    ...{ what: "5 KiB of metadata", ...badMessage },
    act: (line) => line.start({ metadata: { note: "x".repeat(5000) } }),
  },
  {
    ...{ what: "50 KiB of metadata", ...badMessage },
    act: (line) => line.start({ metadata: { note: "x".repeat(50_000) } }),
  },
  {
    ...{ what: "an id with a path in it", ...badMessage },
    act: (line) => line.start({ session_id: "../../etc/passwd" }),
  },
  { what: "an hour of hop", ...badMessage, act: (line) => line.start({ detection: { hop_ms: 3_600_000 } }) },
  { what: "a prior of 1", ...badMessage, act: (line) => line.start({ detection: { prior: 1 } }) },
];

const texts: readonly string[] = [
  ...["", "{", "nonsense", "null", "[]", "17", '"start"', "{}", '{"type":7}', '{"type":"nonsense"}'],
  ...['{"type":"start"', '{"type":"start","audio":[]}', '{"type":"start","audio":{"encoding":7}}'],
  ...['{"type":"start","version":2}', "[".repeat(30_000), '{"type":'.repeat(5000), "\u0000"],
  '{"type":"start","audio":{"encoding":"pcm_s16le","sample_rate":1e999,"channels":1}}',
  '{"type":"start","audio":{"encoding":"pcm_s16le","sample_rate":16000,"channels":1},"metadata":[1]}',
  '{"type":"start","audio":{"encoding":"pcm_s16le","sample_rate":16000,"channels":1},"session_id":""}',
];

describe("a client that says it wrong", { timeout: 60_000 }, () => {
  let server: RealServer;
  let bystanders: Bystanders;
  before(async () => {
    server = await startServer();
    bystanders = await Bystanders.create(server);
  });
  after(() => server.close());

  const assertRefused = async (line: Line, { code, ...expected }: Omit<Wrong, "act">) => {
    const { code: ended, reason } = await line.ended;
    const { what } = expected;
    assert.equal(reason, code.toUpperCase(), `${line.wire}: ${what}`);
    assert.equal(ended, line.wire === "grpc" ? expected.status : expected.close, `${line.wire}: ${what}`);
    assert.deepEqual(
      line.events.map(({ code, type }) => [type, code]),
      [["error", code]],
      what,
    );
    assert.doesNotMatch(JSON.stringify(line.events), /passwd|xxx/, "says back what it was told");
  };

  for (const wire of wires) {
    it(`is refused by name over ${wire}, and nobody else notices`, async () => {
      await bystanders.during(async () => {
        for (const { act, ...wrong } of onBoth) {
          const line = await openLine(wire, server);
          act(line);
          await assertRefused(line, wrong);
        }
      });
    });
  }

  it("is refused for an encoding that nobody knows", async () => {
    for (const encoding of ["mp3", "PCM_S16LE", "safeear_codes", "webm_opus", "ogg_opus", "x".repeat(60)]) {
      const line = await openLine("websocket", server);
      line.start({ audio: { encoding, sample_rate: 16_000, channels: 1 } });
      await assertRefused(line, { what: encoding, ...unsupported });
    }
  });

  it("is refused for text that is no message, and nobody else notices", async () => {
    await bystanders.during(async () => {
      for (const text of texts) {
        const line = await openSocket(server);
        line.text(text);
        await assertRefused(line, { what: text.slice(0, 60), ...badMessage });
      }
    });
  });

  it("loses its session for a message of an unknown type or a second start, after the summary", async () => {
    await bystanders.during(async () => {
      for (const wrong of [
        '{"type":"nonsense"}',
        '{"type":',
        '{"type":"start"}',
        '{"type":"resume","gap_ms":-1}',
      ]) {
        const line = await openSocket(server);
        line.start();
        await line.event("ready");
        line.text(wrong);
        assert.deepEqual(await line.ended, { code: 4400, reason: "BAD_MESSAGE" });
        assert.deepEqual(
          line.events.map(({ code, ended_by, type }) => [type, ended_by ?? code]),
          [
            ["ready", undefined],
            ["summary", "fault"],
            ["error", "bad_message"],
          ],
        );
      }
    });
  });

  it("may send 64 KiB at once and not a byte more", async () => {
    await bystanders.during(async () => {
      for (const wire of wires) {
        const fits = await openLine(wire, server);
        fits.start({ pace: "file" });
        fits.audio(new Uint8Array(65_536));
        fits.close();
        assert.equal((await fits.ended).reason, "", wire);
        assert.equal((await fits.event("summary"))["ended_by"], "close");
        const large = await openLine(wire, server);
        large.start({ pace: "file", session_id: `large-${wire}` });
        await large.event("ready");
        large.audio(new Uint8Array(wire === "grpc" ? 65_536 + 128 : 65_537));
        const { code, reason } = await large.ended;
        const expected = wire === "grpc" ? [status.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE"] : [1009, ""];
        assert.deepEqual([code, reason], expected);
        const seen = await (await fetch(`${server.http}/v1/sessions/large-${wire}`)).json();
        // Its shape is the subject of other tests.
        assert.equal((seen as { ended_by: string }).ended_by, "fault");
      }
    });
  });

  it("may split samples anywhere and send nothing at all in between", async () => {
    const bytes = bytesOf(toS16(await loopedClip("human_lj.flac", 6)));
    const listen = async (wire: Line["wire"], send: (line: Line) => void) => {
      const line = await openLine(wire, server);
      line.start({ pace: "file", detection: { min_speech_ms: 500 } });
      send(line);
      line.close();
      assert.equal((await line.ended).reason, "");
      const { channels } = await line.event("summary");
      return { llrs: llrsOf(line.events), channels };
    };
    const whole = await listen("websocket", (line) => sendAll(line, bytes, 65_536));
    assert.ok(whole.llrs.length >= 3 && whole.llrs.every((llr) => Number.isFinite(llr)));
    for (const wire of wires) {
      const split = await listen(wire, (line) => {
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = [1, 3, 0, 1601, 7, 5001, 0, 2][turn % 8] ?? 1;
          line.audio(bytes.subarray(at, at + size));
          at += size;
        }
      });
      assert.deepEqual(split.llrs, whole.llrs, wire);
      // An odd byte at the end is no sample.
      const odd = await listen(wire, (line) => {
        sendAll(line, bytes, 9999);
        line.audio(Uint8Array.of(77));
      });
      assert.deepEqual(odd.llrs, whole.llrs, wire);
    }
  });

  it("leaves no session, no decoder and no bug behind", async () => {
    assert.equal(await server.metric("sessions"), 0);
    assert.equal(await server.metric("opus_streams"), 0);
    assert.equal(await server.metric("faults_total", 'code="internal"'), 0);
    assert.ok((await server.metric("faults_total")) > 60);
    assert.deepEqual(
      server.logged.filter((line) => /"level":[56]0/.test(line)),
      [],
    );
  });
});
