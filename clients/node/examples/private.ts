import { connect, createEdge } from "../index.ts";

const [pack = "safeear", url = "ws://127.0.0.1:8080"] = process.argv.slice(2);
const edge = await createEdge({ pack, audio: { encoding: "pcm_s16le", sampleRate: 16_000 } });
const session = await connect({ url, pace: "file", ...edge.start });
if (session.ready.model.digest !== edge.modelDigest) throw new Error("the server has another model");
session.on("score", ({ window, verdict }) => process.stdout.write(`${window.start_ms} ms: ${verdict}\n`));

async function send(messages: Promise<Uint8Array[]>): Promise<void> {
  for (const message of await messages) if (!session.send(message)) await session.drained();
}
for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) await send(edge.push(chunk));
await send(edge.flush());
const { channels } = await session.finish();
for (const { state, llr } of channels) process.stdout.write(`${state}, LLR ${llr?.toFixed(2) ?? "none"}\n`);
await edge.close();
