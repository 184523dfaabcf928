import type { Annotation, AudioOptions } from "./options.ts";

export interface EdgeOptions {
  /** Folder of a SafeEar pack: its `model.json`, its tokenizer and the tokenizer's weights; nothing else of it is needed. */
  readonly pack: string;
  /** What is handed in: one channel, a stream of bytes. */
  readonly audio: {
    readonly encoding: "pcm_s16le" | "pcm_f32le" | "pcm_mulaw" | "pcm_alaw";
    /** In Hz. */
    readonly sampleRate: number;
  };
  /** Time between windows: 250 to 5000, a multiple of 20; the pack's when absent, a second. */
  readonly hopMs?: number;
  /**
   * In which the server hears the frames of each second: `identity`, `flip` or a seed from 0 to 4294967295, by which scores can
   * be had again. When absent each window has a seed of its own, drawn at random and kept from everybody.
   */
  readonly order?: string;
  /** Of the processor, that a window's encoding may take; 1 when absent. */
  readonly threads?: number;
}

/**
 * The client's half of private mode: audio in, messages for `session.send` out. What the session is told beside audio, the edge
 * must be told first, and what it gives sent first. Methods answer in the order of their calls, and reject where encoding fails.
 */
export interface Edge {
  /** For `connect`: how a session of these messages begins. */
  readonly start: { readonly audio: AudioOptions; readonly detection: { readonly hopMs: number } };
  /** Of the whole pack. A server that serves the same has it in `ready.model.digest`; codes mean nothing to another. */
  readonly modelDigest: string;
  /** Any bytes of the stream, in any split. */
  push(chunk: Uint8Array): Promise<Uint8Array[]>;
  /** What is in no window yet, padded if it is short. */
  finalize(): Promise<Uint8Array[]>;
  /** The audio stops on purpose; what is pushed before it goes on is time and no more. */
  pause(): Promise<Uint8Array[]>;
  resume(gapMs?: number): Promise<Uint8Array[]>;
  annotate(annotation: Annotation): Promise<Uint8Array[]>;
  /** The last of it; nothing may be pushed afterwards. */
  flush(): Promise<Uint8Array[]>;
  /** Idempotent. */
  close(): Promise<void>;
}
