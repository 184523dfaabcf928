import { Fault } from "../stream/errors.ts";
import type { Piece } from "../stream/ports.ts";
import { ByteQueue } from "./byte-queue.ts";
import { damaged, fileFormat, type FileFormat, type FileReader } from "./file-reader.ts";
import { sampleCoding, type SampleCoding } from "./wav-samples.ts";

const riffBytes = 12;
const chunkHeaderBytes = 8;
const fmtBytes = 16;
const extensibleBytes = 40;
const extensible = 0xfffe;
/** Of a `fmt ` or `ds64` chunk nothing beyond is looked at. */
const maxHeldBytes = 64;
const unknownSize = 0xffff_ffff;
const framesPerRead = 8192;

/** Bytes 2–15 of the sub-format GUIDs that stand for a plain format tag. */
const guidTail = [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71];

interface Chunk {
  readonly id: string;
  /** Still to come, with the padding byte; infinite when the writer did not know. */
  left: number;
}

interface Frames {
  readonly coding: SampleCoding;
  readonly channels: readonly number[];
  readonly bytes: number;
}

const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to));

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Reads RIFF, RF64 and BW64 WAVE files, also those whose writer never came back to fill the sizes in. */
export class WavReader implements FileReader {
  readonly #queue = new ByteQueue();
  #riff = false;
  #chunk: Chunk | undefined;
  #longDataBytes: number | undefined;
  #frames: Frames | undefined;
  #format: FileFormat | undefined;
  #finished = false;

  get format(): FileFormat | undefined {
    return this.#format;
  }

  *push(chunk: Uint8Array): Generator<Piece> {
    if (this.#finished) return;
    this.#queue.append(chunk);
    if (!this.#riff && !this.#readRiff()) return;
    while (!this.#finished) {
      this.#chunk ??= this.#readChunkHeader();
      if (this.#chunk === undefined) return;
      if (this.#chunk.id === "data") yield* this.#readSamples(this.#chunk);
      else this.#readOther(this.#chunk);
      if (this.#chunk.left > 0) return;
      this.#finished = this.#chunk.id === "data";
      this.#chunk = undefined;
    }
  }

  // A generator, like every reader's, although a WAV file holds nothing back.
  *flush(): Generator<Piece> {
    if (this.#format === undefined) throw damaged("the WAV file ends before its audio");
  }

  close(): void {
    this.#finished = true;
  }

  #readRiff(): boolean {
    if (this.#queue.length < riffBytes) return false;
    this.#queue.skip(riffBytes);
    this.#riff = true;
    return true;
  }

  #readChunkHeader(): Chunk | undefined {
    if (this.#queue.length < chunkHeaderBytes) return undefined;
    const header = this.#queue.view();
    const id = latin1(header, 0, 4);
    const size = viewOf(header).getUint32(4, true);
    this.#queue.skip(chunkHeaderBytes);
    if (id !== "data") return { id, left: size + (size % 2) };
    if (this.#frames === undefined) throw damaged("the WAV file has no format before its audio");
    return { id, left: this.#dataBytes(size) };
  }

  #dataBytes(size: number): number {
    if (size === unknownSize && this.#longDataBytes !== undefined) return this.#longDataBytes;
    return size === 0 || size === unknownSize ? Infinity : size;
  }

  #readOther(chunk: Chunk): void {
    const wanted = chunk.id === "fmt " || chunk.id === "ds64";
    if (wanted && this.#queue.length < Math.min(chunk.left, maxHeldBytes)) return;
    const body = this.#queue.view().subarray(0, chunk.left);
    if (chunk.id === "fmt " && this.#frames === undefined) this.#readFormat(body);
    if (chunk.id === "ds64" && body.length >= 16) {
      this.#longDataBytes = Number(viewOf(body).getBigUint64(8, true));
    }
    // What is left of a long one is of no interest: its name goes with its first bytes.
    this.#chunk = { id: "", left: chunk.left - body.length };
    this.#queue.skip(body.length);
  }

  #readFormat(body: Uint8Array): void {
    if (body.length < fmtBytes) throw damaged("the WAV file's format is cut short");
    const view = viewOf(body);
    const channels = view.getUint16(2, true);
    const rate = view.getUint32(4, true);
    const bytes = view.getUint16(12, true);
    const checked = fileFormat(rate, channels, "pcm");
    const coding = sampleCoding(formatTag(body), bytes / channels);
    this.#frames = { coding, channels: channels === 2 ? [0, 1] : [0], bytes };
    this.#format = { ...checked, codec: coding.codec };
  }

  *#readSamples(chunk: Chunk): Generator<Piece> {
    const frames = this.#frames;
    if (frames === undefined) return;
    for (;;) {
      const waiting = Math.min(this.#queue.length, chunk.left, framesPerRead * frames.bytes);
      const whole = waiting - (waiting % frames.bytes);
      if (whole === 0) break;
      yield* frames.coding.read(this.#queue.view().subarray(0, whole), frames.channels);
      this.#queue.skip(whole);
      chunk.left -= whole;
    }
    // A size that is no whole number of frames: what is left of it is no sample.
    if (chunk.left < frames.bytes) chunk.left = 0;
  }
}

function formatTag(body: Uint8Array): number {
  const tag = viewOf(body).getUint16(0, true);
  if (tag !== extensible) return tag;
  if (body.length < extensibleBytes) throw damaged("the WAV file's extensible format is cut short");
  const plain = guidTail.every((byte, i) => body[26 + i] === byte);
  if (!plain) throw new Fault("unsupported_audio", "a WAV sub-format that is none of the usual ones");
  return viewOf(body).getUint16(24, true);
}
