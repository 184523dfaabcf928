import { constants } from "node:http2";

/**
 * Resets the HTTP/2 stream under a call, for a peer that reads neither events nor the status: everything buffered for
 * it is freed, and a client that still listens sees RESOURCE_EXHAUSTED. grpc-js offers a server no way to do this, so
 * the stream is looked up where it keeps it; false when it is not there.
 */
export function resetStream(call: object): boolean {
  const stream = member(member(call, "call"), "stream");
  const close = member(stream, "close");
  if (typeof close !== "function") return false;
  close.call(stream, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  return true;
}

const member = (owner: unknown, name: string): unknown =>
  typeof owner === "object" && owner !== null ? Reflect.get(owner, name) : undefined;
