import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";

/** Stands between clients and a server, and keeps every byte that a client sends. */
export interface RecordingProxy {
  /** host:port. */
  readonly address: string;
  /** What each connection sent so far. */
  sent(): readonly Buffer[];
  close(): void;
}

/** `target` is host:port. */
export async function startProxy(target: string): Promise<RecordingProxy> {
  const [host = "", port = ""] = target.split(":");
  const sockets = new Set<Socket>();
  const recorded: Buffer[][] = [];
  const server = createServer((client) => {
    const upstream = connect(Number(port), host);
    const parts: Buffer[] = [];
    recorded.push(parts);
    client.on("data", (bytes: Buffer) => parts.push(bytes));
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // A listening TCP server has one.
  const { port: own } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${own}`,
    sent: () => recorded.map((parts) => Buffer.concat(parts)),
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** What a WebSocket client said: its request, and the payload of each of its frames without the mask (RFC 6455, 5.3). */
export function unmasked(sent: Buffer): { readonly request: Buffer; readonly payloads: readonly Buffer[] } {
  const end = sent.indexOf("\r\n\r\n") + 4;
  const payloads: Buffer[] = [];
  for (let at = end; at + 2 <= sent.length;) {
    const short = sent.readUInt8(at + 1) & 0x7f;
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
    const length =
      short === 126 ? sent.readUInt16BE(at + 2) : short === 127 ? sent.readUInt32BE(at + 6) : short;
    const mask = sent.subarray(at + 2 + wide, at + 6 + wide);
    const start = at + 6 + wide;
    payloads.push(
      Buffer.from(sent.subarray(start, start + length).map((byte, i) => byte ^ (mask[i % 4] ?? 0))),
    );
    at = start + length;
  }
  return { request: sent.subarray(0, end), payloads };
}
