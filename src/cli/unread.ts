import { Fault, type FaultCode } from "../stream/errors.ts";
import { WindowLost } from "../stream/ports.ts";

/** A recording that could not be scored, and why. */
export interface Unread {
  readonly file: string;
  readonly error: { readonly code: FaultCode | WindowLost["gap"]; readonly message: string };
}

/** What the file system refuses is a fault of the request; throws what is neither that nor named, a bug. */
export function toUnread(file: string, reason: unknown): Unread {
  const { message } = reason instanceof Error ? reason : new Error(String(reason));
  if (reason instanceof Fault) return { file, error: { code: reason.code, message } };
  if (reason instanceof WindowLost) return { file, error: { code: reason.gap, message } };
  if (reason instanceof Error && "syscall" in reason) {
    return { file, error: { code: "undecodable_audio", message } };
  }
  throw reason;
}
