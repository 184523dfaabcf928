import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, unlinkSync, writeSync } from "node:fs";
import { Writable } from "node:stream";
import { audioFd, slotBytes } from "./messages.ts";

/** Samples of a window, or its codes. */
export type WindowData = Float32Array | Int32Array;

/** How the samples of a batch get to a worker; what they belong to goes by message. */
export interface AudioLane {
  /** What the worker's descriptor {@link audioFd} is to be. */
  readonly stdio: number | "pipe";
  attach(child: ChildProcess): void;
  /** Windows end to end, into a slot that holds no batch which is still unanswered. A pipe has no slots, only their order. */
  send(windows: readonly WindowData[], slot: number): void;
  /** Idempotent. */
  close(): void;
}

/** A file system in memory: nothing that is written there reaches a disk. */
const memoryFolder = "/dev/shm";
let lanes = 0;

/**
 * Shared memory where there is some, else a pipe. A pipe takes some 200 KiB for each turn of the event loop, so that
 * a busy server feeds its workers slower than they compute; memory takes a batch at once.
 */
export function createAudioLane(): AudioLane {
  const fd = openUnnamed();
  return fd === undefined ? new Pipe() : new SharedMemory(fd);
}

/** A file that only its holders can reach, gone with the last of them. */
function openUnnamed(): number | undefined {
  if (!existsSync(memoryFolder)) return undefined;
  const file = `${memoryFolder}/earwitness-${process.pid}-${lanes++}`;
  try {
    const fd = openSync(file, "wx+", 0o600);
    unlinkSync(file);
    return fd;
  } catch {
    return undefined; // A container may forbid it: the pipe works everywhere.
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: WindowData): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

class SharedMemory implements AudioLane {
  readonly stdio: number;
  #open = true;

  constructor(fd: number) {
    this.stdio = fd;
  }

  attach(): void {
    // The descriptor is inherited.
  }

  send(windows: readonly WindowData[], slot: number): void {
    if (!this.#open) return; // The number may be somebody else's descriptor by now.
    let at = slot * slotBytes;
    for (const window of windows) {
      const bytes = bytesOf(window);
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.stdio, bytes, done, bytes.length - done, at + done);
      }
      at += bytes.length;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.stdio);
  }
}

class Pipe implements AudioLane {
  readonly stdio = "pipe";
  #audio: Writable | undefined;

  attach(child: ChildProcess): void {
    const audio = child.stdio[audioFd];
    if (!(audio instanceof Writable)) throw new Error("a worker's audio pipe is missing");
    // A process that ends breaks its pipe; its end is what counts.
    audio.on("error", () => undefined);
    this.#audio = audio;
  }

  send(windows: readonly WindowData[]): void {
    this.#audio?.cork();
    for (const window of windows) this.#audio?.write(bytesOf(window));
    this.#audio?.uncork();
  }

  close(): void {
    this.#audio?.destroy();
  }
}
