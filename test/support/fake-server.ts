import { once } from "node:events";
import type { TestContext } from "node:test";
import { WebSocket, type ClientOptions } from "ws";
import { systemClock } from "../../src/server/clock.ts";
import { listenHttp } from "../../src/server/http/listener.ts";
import type { Page } from "../../src/server/http/pages.ts";
import { createRouter } from "../../src/server/http/router.ts";
import { createWebSocketDoor } from "../../src/server/websocket/transport.ts";
import { fakeHost, type FakeHostOptions } from "./fake-host.ts";

export interface FakeServerOptions extends Partial<FakeHostOptions> {
  readonly allowedOrigins?: readonly string[];
  readonly pages?: ReadonlyMap<string, Page>;
}

const page: Page = { contentType: "text/html; charset=utf-8", body: Buffer.from("<!doctype html>") };

/** A server on a free port with a fake detector; it goes with the test. */
export async function fakeServer(t: TestContext, options: FakeServerOptions = {}) {
  const clock = options.clock ?? systemClock;
  const made = fakeHost({ ...options, clock });
  const { host, limits, metrics } = made;
  const door = createWebSocketDoor({ host, limits, clock, allowedOrigins: options.allowedOrigins ?? [] });
  const router = createRouter({
    ...{ host, limits, metrics, pages: options.pages ?? new Map([["/", page]]) },
    log: made.log,
  });
  const http = await listenHttp({ host: "127.0.0.1", port: 0 }, router, door);
  t.after(async () => {
    host.close();
    await door.close();
    await http.close();
  });
  return { ...made, door, url: http.url, ws: http.url.replace("http", "ws") };
}

/** A WebSocket client that keeps what it hears. */
export class TestClient {
  readonly socket: WebSocket;
  readonly events: Record<string, unknown>[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  #waiting: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (raw: Buffer) => {
      // What the server says is the subject of the tests.
      this.events.push(JSON.parse(raw.toString()) as Record<string, unknown>);
      for (const tell of this.#waiting.splice(0)) tell();
    });
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        for (const tell of this.#waiting.splice(0)) tell();
      });
    });
    socket.on("error", () => undefined);
  }

  say(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  start(said: Record<string, unknown> = {}): void {
    this.say({ type: "start", version: 1, audio: pcm16k, ...said });
  }

  /** The first event of a type, now or when it comes. */
  async event(type: string): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.events.find((event) => event["type"] === type);
      if (found !== undefined) return found;
      if (this.socket.readyState === this.socket.CLOSED) throw new Error(`closed without ${type}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  get types(): unknown[] {
    return this.events.map((event) => event["type"]);
  }
}

export const pcm16k = { encoding: "pcm_s16le", sample_rate: 16_000, channels: 1 };

/** Connects, and rejects when the server refuses. */
export async function connect(
  t: TestContext,
  url: string,
  protocols: string[] = ["earwitness.v1"],
  options: ClientOptions = {},
): Promise<TestClient> {
  const socket = new WebSocket(url, protocols, options);
  t.after(() => {
    socket.terminate();
  });
  const client = new TestClient(socket);
  await once(socket, "open");
  return client;
}

/** The HTTP status and body with which the server refuses to upgrade. */
export async function refusal(
  url: string,
  protocols: string[] = [],
  options: ClientOptions = {},
): Promise<{ readonly status: number; readonly body: string }> {
  const socket = new WebSocket(url, protocols, options);
  socket.on("error", () => undefined);
  return await new Promise((resolve, reject) => {
    socket.on("open", () => {
      socket.terminate();
      reject(new Error("was not refused"));
    });
    socket.on("unexpected-response", (_, response) => {
      let body = "";
      response.on("data", (part: Buffer) => (body += part.toString()));
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, body });
      });
    });
  });
}
