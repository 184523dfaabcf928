import { Fault } from "../stream/errors.ts";
import type { Piece } from "../stream/ports.ts";
import { ByteQueue } from "./byte-queue.ts";
import { damaged, fileFormat, type FileFormat, type FileReader } from "./file-reader.ts";
import { maxFrameBytes, readFrame, type StreamInfo } from "./flac-frame.ts";

const magicBytes = 4;
const streamInfoBytes = 34;
const maxDepth = 24;

/** A metadata block: RFC 9639 §8. */
interface Metadata {
  readonly type: number;
  readonly last: boolean;
  left: number;
}

/**
 * Reads FLAC. Each frame is checked: a damaged one ends the reading, because what follows would lie at the wrong
 * time. Not decoded by libFLAC's build for WebAssembly, whose wrapper passes over damaged frames without a word.
 */
export class FlacReader implements FileReader {
  readonly #queue = new ByteQueue();
  #magic = false;
  #metadata: Metadata | undefined;
  #info: StreamInfo | undefined;
  #format: FileFormat | undefined;
  #inFrames = false;
  #decoded = 0;
  /** Bytes that must wait before a frame that did not end is tried again: cheap at any split. */
  #worthTrying = 0;
  #finished = false;

  get format(): FileFormat | undefined {
    return this.#format;
  }

  *push(chunk: Uint8Array): Generator<Piece> {
    if (this.#finished) return;
    this.#queue.append(chunk);
    if (!this.#inFrames) this.#readMetadata();
    if (this.#inFrames) yield* this.#readFrames();
  }

  *flush(): Generator<Piece> {
    this.#worthTrying = 0;
    yield* this.push(new Uint8Array(0));
    if (this.#decoded === 0) throw damaged("the FLAC file ends before its audio");
  }

  close(): void {
    this.#finished = true;
  }

  #readMetadata(): void {
    if (!this.#magic) {
      if (this.#queue.length < magicBytes) return;
      this.#queue.skip(magicBytes);
      this.#magic = true;
    }
    while (!this.#inFrames) {
      this.#metadata ??= this.#readMetadataHeader();
      if (this.#metadata === undefined || !this.#passMetadata(this.#metadata)) return;
      this.#inFrames = this.#metadata.last;
      this.#metadata = undefined;
    }
  }

  #readMetadataHeader(): Metadata | undefined {
    if (this.#queue.length < 4) return undefined;
    const [head = 0, a = 0, b = 0, c = 0] = this.#queue.view();
    this.#queue.skip(4);
    const type = head & 0x7f;
    if ((type === 0) !== (this.#info === undefined))
      throw damaged("the FLAC file does not start with its format");
    return { type, last: head >= 0x80, left: (a << 16) | (b << 8) | c };
  }

  /** True once the block lies behind. */
  #passMetadata(block: Metadata): boolean {
    if (block.type === 0 && this.#info === undefined) {
      if (block.left < streamInfoBytes) throw damaged("the FLAC file's format is cut short");
      if (this.#queue.length < streamInfoBytes) return false;
      this.#info = streamInfo(this.#queue.view());
      this.#format = fileFormat(this.#info.rate, this.#info.channels, "flac");
    }
    const here = Math.min(block.left, this.#queue.length);
    this.#queue.skip(here);
    block.left -= here;
    return block.left === 0;
  }

  *#readFrames(): Generator<Piece> {
    const info = this.#info;
    if (info === undefined) return;
    while (this.#queue.length > this.#worthTrying) {
      const frame = readFrame(this.#queue.view(), info);
      if (frame === undefined) {
        if (this.#queue.length > maxFrameBytes) throw damaged("a FLAC frame that does not end");
        this.#worthTrying = this.#queue.length * 1.25;
        return;
      }
      this.#worthTrying = 0;
      this.#queue.skip(frame.bytes);
      this.#decoded += frame.channels[0]?.length ?? 0;
      // Tags of other formats may follow the last frame.
      this.#finished = info.total > 0 && this.#decoded >= info.total;
      for (const [channel, samples] of frame.channels.entries()) yield { kind: "audio", channel, samples };
      if (this.#finished) return;
    }
  }
}

function streamInfo(block: Uint8Array): StreamInfo {
  const view = new DataView(block.buffer, block.byteOffset, streamInfoBytes);
  const packed = view.getUint32(10);
  const depth = ((packed >>> 4) & 0x1f) + 1;
  if (depth > maxDepth)
    throw new Fault("unsupported_audio", `FLAC with ${depth} bits a sample: at most ${maxDepth}`);
  return {
    rate: packed >>> 12,
    channels: ((packed >>> 9) & 7) + 1,
    depth,
    total: (packed & 0xf) * 2 ** 32 + view.getUint32(14),
  };
}
