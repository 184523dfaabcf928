import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocketDoor } from "../websocket/transport.ts";

/** The HTTP server with its WebSockets, listening. */
export interface HttpListener {
  readonly url: string;
  /** Takes no more connections, and ends those that only wait for another request. */
  close(): Promise<void>;
}

/** Rejects when the address cannot be had. */
export async function listenHttp(
  address: { readonly host: string; readonly port: number },
  router: RequestListener,
  door: WebSocketDoor,
): Promise<HttpListener> {
  const server = createServer(
    // Slow headers or bodies are a way to hold connections; 16 MiB in two minutes is slow enough for anyone.
    { headersTimeout: 10_000, requestTimeout: 120_000, keepAliveTimeout: 5000, maxHeaderSize: 16_384 },
    router,
  );
  server.on("upgrade", (request, socket, head) => {
    if (request.headers.upgrade?.toLowerCase() === "websocket") door.upgrade(request, socket, head);
    else declineUpgrade(server, request, socket, head);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return { url: toUrl(server.address()), close: () => closeServer(server) };
}

/**
 * Serves a request that offers another protocol as if it did not, which RFC 9110 §7.8 allows: Java's HTTP client
 * offers h2c to every server. Node takes such a request from the server for good, so it is put back on its socket.
 */
function declineUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method = "GET", rawHeaders, url = "/" } = request;
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (!/^(connection|upgrade|http2-settings)$/i.test(name))
      lines.push(`${name}: ${rawHeaders[i + 1] ?? ""}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
  server.emit("connection", socket);
}

function toUrl(address: AddressInfo | string | null): string {
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}

/** Answers that are being written may take so much longer. */
const closeMs = 1000;

async function closeServer(server: Server): Promise<void> {
  const cut = setTimeout(() => {
    server.closeAllConnections();
  }, closeMs);
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeIdleConnections();
  });
  clearTimeout(cut);
}
