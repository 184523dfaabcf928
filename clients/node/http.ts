import type { IncomingMessage } from "node:http";
import { cancelledError, connectionError, EarwitnessError, type Failure } from "./error.ts";
import type { Address } from "./options.ts";

type WsAddress = Extract<Address, { transport: "ws" }>;

/** Longest answer that is read of a server that refuses. */
const maxRefusalBytes = 64 << 10;

/** Asks one of the HTTP doors and gives back its JSON. Rejects with an EarwitnessError. */
export async function ask(
  address: WsAddress,
  path: string,
  token: string | undefined,
  request: {
    readonly method?: string;
    readonly body?: Uint8Array<ArrayBuffer>;
    readonly signal?: AbortSignal;
  } = {},
): Promise<unknown> {
  const { method = "GET", body, signal } = request;
  let response: Response;
  try {
    response = await fetch(address.http + path, {
      method,
      ...(body && { body }),
      ...(signal && { signal }),
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    });
  } catch (cause) {
    if (signal?.aborted === true) throw cancelledError(signal.reason);
    throw connectionError("connection_failed", `no answer from ${address.http}`, cause);
  }
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok) return answer;
  throw new EarwitnessError(toFailure(answer, response.status));
}

/** Why a server refused to upgrade. */
export async function readFailure(response: IncomingMessage): Promise<Failure> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response) {
    if (!(part instanceof Buffer)) continue;
    length += part.length;
    if (length > maxRefusalBytes) break;
    parts.push(part);
  }
  return toFailure(parse(Buffer.concat(parts).toString()), response.statusCode ?? 0);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A fault as our server words it; any other answer came from something in between. */
function toFailure(answer: unknown, status: number): Failure {
  if (isFailure(answer)) return answer;
  return { code: "connection_failed", message: `the answer was HTTP ${status}`, retryable: status >= 500 };
}

const isFailure = (answer: unknown): answer is Failure =>
  typeof answer === "object" &&
  answer !== null &&
  "code" in answer &&
  typeof answer.code === "string" &&
  "message" in answer &&
  typeof answer.message === "string" &&
  "retryable" in answer;
