import { Refusal } from "./refusal.ts";

export interface StreamOptions {
  readonly json?: true;
}

export function stream(_files: readonly string[], _options: StreamOptions): Promise<number> {
  return Promise.reject(new Refusal("not yet"));
}
