import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { encodeAlaw, encodeMulaw } from "../clients/node/g711-encode.ts";
import { ProtoClient } from "./support/grpc-client.ts";
import { startServer, type RealServer } from "./support/server.ts";
import {
  bytesOf,
  decodeOpus,
  distance,
  expandAlaw,
  expandMulaw,
  llrsOf,
  loopedClip,
  sendAll,
  toOpus,
  toS16,
} from "./support/wire-audio.ts";
import { openLine, wires, type Event, type Line } from "./support/wire-line.ts";

type Llrs = (number | null)[];
interface Channel {
  readonly windows?: readonly { readonly llr?: number | null }[];
}

const seconds = 10;
/** Windows of four seconds, one a second, and the last that reaches the end. */
const windows = seconds - 4 + 1;

/** Each whole-window LLR of an answer about a recording. */
const llrsOfAnswer = ({ windows: all = [] }: Channel = {}): Llrs => all.map(({ llr }) => llr ?? null);

describe("the same audio over every path", { timeout: 60_000 }, () => {
  let server: RealServer;
  let voice: Float32Array;
  before(async () => {
    server = await startServer({ WORKERS: "2" });
    voice = await loopedClip("machine_flite_slt.flac", seconds);
  });
  after(() => server.close());

  const post = async (body: Uint8Array, query: string): Promise<Llrs> => {
    const response = await fetch(`${server.http}/v1/detect?${query}`, { method: "POST", body });
    assert.equal(response.status, 200, await response.clone().text());
    // The answer's shape is the subject of other tests.
    const { channels } = (await response.json()) as { channels: Channel[] };
    return llrsOfAnswer(channels[0]);
  };

  const stream = async (wire: Line["wire"], audio: Event, messages: readonly Uint8Array[]): Promise<Llrs> => {
    const line = await openLine(wire, server);
    line.start({ pace: "file", audio, detection: { min_speech_ms: 4000 } });
    for (const message of messages) {
      if (audio["encoding"] === "opus") line.audio(message);
      else sendAll(line, message, 6399);
    }
    line.close();
    const { code, reason } = await line.ended;
    assert.equal(reason, "", `${wire} ended with ${code}`);
    return llrsOf(line.events);
  };

  it("gives LLRs within 1e-4 as s16 and f32, over WebSocket, gRPC and HTTP", async () => {
    const pcm = toS16(voice);
    const exact = Float32Array.from(pcm, (x) => x / 32_768);
    const reference = await post(bytesOf(pcm), "encoding=pcm_s16le&sample_rate=16000&min_speech_ms=4000");
    assert.equal(reference.length, windows);
    assert.ok(reference.every((llr) => llr !== null));
    const client = new ProtoClient(server.grpc);
    const unary = await client.call("Detect", {
      content: bytesOf(exact),
      audio: { encoding: "ENCODING_PCM_F32LE", sample_rate: 16_000, channels: 1 },
      detection: { min_speech_ms: 4000 },
    });
    client.close();
    const paths: [string, Llrs][] = [
      ["HTTP f32", await post(bytesOf(exact), "encoding=pcm_f32le&sample_rate=16000&min_speech_ms=4000")],
      ["gRPC Detect f32", llrsOfAnswer((unary["channels"] as Channel[])[0])],
    ];
    for (const wire of wires) {
      for (const [encoding, bytes] of [
        ["pcm_s16le", bytesOf(pcm)],
        ["pcm_f32le", bytesOf(exact)],
      ] as const) {
        const llrs = await stream(wire, { encoding, sample_rate: 16_000, channels: 1 }, [bytes]);
        paths.push([`${wire} ${encoding}`, llrs]);
      }
    }
    for (const [path, llrs] of paths) {
      assert.ok(distance(llrs, reference) <= 1e-4, `${path}: ${distance(llrs, reference)}`);
    }
    assert.equal(paths.length, 6);
  });

  for (const [encoding, encode, expand] of [
    ["pcm_mulaw", encodeMulaw, expandMulaw],
    ["pcm_alaw", encodeAlaw, expandAlaw],
  ] as const) {
    it(`gives ${encoding} LLRs within 1e-3 of the same bytes expanded by the formula`, async () => {
      const narrow = voice.filter((_, i) => i % 2 === 0);
      const bytes = encode(narrow);
      const query = "encoding=pcm_s16le&sample_rate=8000&min_speech_ms=4000";
      const reference = await post(bytesOf(expand(bytes)), query);
      assert.equal(reference.length, windows);
      for (const wire of wires) {
        const llrs = await stream(wire, { encoding, sample_rate: 8000, channels: 1 }, [bytes]);
        assert.ok(distance(llrs, reference) <= 1e-3, `${wire}: ${distance(llrs, reference)}`);
      }
    });
  }

  it("gives Opus LLRs within 1e-3 of the same packets decoded by another libopus", async () => {
    const packets = await toOpus(voice);
    const query = "encoding=pcm_s16le&sample_rate=16000&min_speech_ms=4000";
    const reference = await post(bytesOf(await decodeOpus(packets)), query);
    assert.equal(reference.length, windows);
    for (const wire of wires) {
      const llrs = await stream(wire, { encoding: "opus", channels: 1 }, packets);
      assert.ok(distance(llrs, reference) <= 1e-3, `${wire}: ${distance(llrs, reference)}`);
    }
  });

  it("tells different audio apart by more than that", async () => {
    const query = "encoding=pcm_s16le&sample_rate=16000&min_speech_ms=4000";
    const one = await post(bytesOf(toS16(voice)), query);
    const other = await post(bytesOf(toS16(await loopedClip("human_lj.flac", seconds))), query);
    assert.equal(one.length, other.length);
    assert.ok(distance(one, other) > 0.05, `${distance(one, other)}`);
  });
});
