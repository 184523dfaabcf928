import { Fault } from "../../stream/errors.ts";
import type { ClientMessage, Dialect } from "../connection.ts";
import { parseAnnotate, parseResume, parseStart, parseUpdate } from "../start.ts";
import { toJson } from "../wire-json.ts";

/** One WebSocket message: text is JSON, anything else is audio. */
export interface WebSocketMessage {
  readonly bytes: Uint8Array;
  readonly isBinary: boolean;
}

/** Other services' names for messages of ours: Deepgram's, and the last one AssemblyAI's. */
const aliases: ReadonlyMap<string, string> = new Map([
  ["KeepAlive", "keep_alive"],
  ["Finalize", "finalize"],
  ["CloseStream", "close"],
  ["Terminate", "close"],
]);

/** The native dialect: JSON text and binary audio. A binary message of no bytes is audio of no length. */
export function createJsonDialect(maxMetadataBytes: number): Dialect<WebSocketMessage, string> {
  return {
    read: ({ bytes, isBinary }) =>
      isBinary ? { type: "audio", chunk: bytes } : readText(bytes, maxMetadataBytes),
    write: toJson,
  };
}

function readText(bytes: Uint8Array, maxMetadataBytes: number): ClientMessage {
  const message = parseJson(bytes);
  const said = typeOf(message);
  const type = aliases.get(said) ?? said;
  switch (type) {
    case "start":
      return { type, request: parseStart(message, maxMetadataBytes) };
    case "keep_alive":
    case "pause":
    case "finalize":
    case "close":
      return { type };
    case "resume":
      return parseResume(message);
    case "update":
      return parseUpdate(message);
    case "annotate":
      return parseAnnotate(message);
    default:
      throw new Fault("bad_message", "type: there is no such message", { details: { field: "type" } });
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch (cause) {
    throw new Fault("bad_message", "a text message must be JSON", { cause });
  }
}

function typeOf(message: unknown): string {
  const said =
    typeof message === "object" && message !== null && "type" in message ? message.type : undefined;
  if (typeof said === "string") return said;
  throw new Fault("bad_message", "a text message must be an object with a type", {
    details: { field: "type" },
  });
}
