import { connect, EarwitnessError } from "../index.ts";

const session = await connect({
  url: process.argv[2] ?? "ws://127.0.0.1:8080", // or grpc://127.0.0.1:50051
  pace: "file", // "live" for a call as it happens
  audio: { encoding: "pcm_s16le", sampleRate: 16_000, channels: 1 },
});

session.on("state", ({ at_ms, to }) => process.stdout.write(`${at_ms} ms: ${to}\n`));
session.on("score", ({ window, rolling, verdict }) => {
  const p = rolling.p_spoof === null ? "undecided" : rolling.p_spoof.toFixed(3);
  process.stdout.write(`${window.end_ms} ms: this window ${verdict}, so far ${p}\n`);
});

try {
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    if (!session.send(chunk)) await session.drained();
  }
  const { channels } = await session.finish();
  for (const { state, llr, speech_ms } of channels)
    process.stdout.write(`${state}, LLR ${llr?.toFixed(2) ?? "none"}, ${speech_ms} ms of speech\n`);
} catch (error) {
  if (!(error instanceof EarwitnessError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
}
