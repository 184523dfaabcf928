import type { IncomingMessage } from "node:http";
import { Fault } from "../../stream/errors.ts";

/** Reads a request's body, and stops as soon as it is known to be larger than `maxBytes`. Throws Faults. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > maxBytes) throw tooLarge(maxBytes);
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}

const tooLarge = (maxBytes: number): Fault =>
  new Fault("message_too_large", `the body must not exceed ${maxBytes} bytes`, {
    details: { limit_bytes: maxBytes },
  });
