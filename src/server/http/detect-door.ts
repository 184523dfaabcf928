import type { IncomingMessage, ServerResponse } from "node:http";
import { Fault } from "../../stream/errors.ts";
import type { Host, Recording } from "../host-port.ts";
import { parseDetection } from "../start.ts";
import { readBody } from "./body.ts";

interface DetectVisitor {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}

/** `POST /v1/detect`: a whole WAV, FLAC or Ogg file; or bare samples when the query says what they are. Throws Faults. */
export async function detectBody(host: Host, { request, response, query }: DetectVisitor, maxBytes: number) {
  const bare = toBare(query);
  const wishes = parseDetection(toDetection(query));
  const gone = new AbortController();
  response.once("close", () => {
    gone.abort(new Fault("internal", "the client is gone"));
  });
  const content = await readBody(request, maxBytes);
  const recording: Recording = { content, ...(bare === undefined ? {} : { bare }) };
  return await host.detect(recording, wishes, gone.signal);
}

function toBare(query: URLSearchParams): Recording["bare"] {
  const encoding = query.get("encoding");
  if (encoding === null) return undefined;
  return {
    encoding,
    sampleRate: numberOf(query, "sample_rate") ?? raiseMissing("sample_rate"),
    channels: numberOf(query, "channels") ?? 1,
  };
}

const thresholdNames = ["suspect", "spoof", "bonafide", "suspect_exit", "spoof_exit"] as const;

function toDetection(query: URLSearchParams): Record<string, unknown> {
  const numbers = (names: readonly string[]) =>
    Object.fromEntries(
      names.flatMap((name) => {
        const value = numberOf(query, name);
        return value === undefined ? [] : [[name, value]];
      }),
    );
  const model = query.get("model");
  return {
    ...(model === null ? {} : { model }),
    ...numbers(["hop_ms", "min_speech_ms", "prior"]),
    thresholds: numbers(thresholdNames),
  };
}

/** Throws a `bad_message` Fault for what is not a number. */
function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new Fault("bad_message", `${name}: must be a number`, { details: { field: name } });
}

function raiseMissing(name: string): never {
  throw new Fault("bad_message", `${name}: is missing`, { details: { field: name } });
}
