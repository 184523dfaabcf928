import { pino, type DestinationStream, type Logger } from "pino";

/** Static messages, with facts in fields: ids and numbers, never audio, metadata, addresses or a client's text. */
export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** JSON lines on stderr, or on `destination`. */
export function createLog(level: string, destination?: DestinationStream): Log {
  return pino({ level, base: null }, destination ?? pino.destination({ fd: 2, sync: true }));
}
