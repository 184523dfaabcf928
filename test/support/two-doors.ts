import type { TestContext } from "node:test";
import type { Endpoint } from "../../clients/node/options.ts";
import { createGrpcServer } from "../../src/server/grpc/server.ts";
import { fakeServer, type FakeServerOptions } from "./fake-server.ts";

/** The same fake server behind both transports; it goes with the test. */
export async function twoDoors(t: TestContext, options: FakeServerOptions = {}) {
  const server = await fakeServer(t, options);
  const { messageBytes: maxMessageBytes } = server.limits;
  const grpc = await createGrpcServer(server.host, {
    ...{ host: "127.0.0.1", port: 0, maxMessageBytes, closeGraceMs: 300 },
  });
  t.after(() => grpc.close(0));
  const endpoints: Readonly<Record<"ws" | "grpc", Endpoint>> = {
    ws: { url: server.ws },
    grpc: { url: `grpc://${grpc.address}` },
  };
  return { ...server, grpc, endpoints };
}
