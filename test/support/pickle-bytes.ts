/** A Python name in a pickle. */
export class PyName {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
}

/** A tuple; plain arrays are lists. */
export class PyTuple {
  readonly items: readonly unknown[];

  constructor(...items: readonly unknown[]) {
    this.items = items;
  }
}

/** `callee(*args)`, with the state that BUILD gives it; a Map as `entries` is set item by item. */
export class PyCall {
  readonly callee: unknown;
  readonly args: PyTuple;
  readonly entries: ReadonlyMap<unknown, unknown>;
  readonly state: unknown;
  readonly asNew: boolean;

  constructor(
    callee: unknown,
    args: PyTuple,
    more: { entries?: ReadonlyMap<unknown, unknown>; state?: unknown; asNew?: boolean } = {},
  ) {
    this.callee = callee;
    this.args = args;
    this.entries = more.entries ?? new Map();
    this.state = more.state;
    this.asNew = more.asNew ?? false;
  }
}

/** What a persistent id stands for. */
export class PyPersistent {
  readonly id: unknown;

  constructor(id: unknown) {
    this.id = id;
  }
}

/** Bytes that go into the pickle as they are. */
export class PyRaw {
  readonly bytes: Buffer;

  constructor(...bytes: readonly number[]) {
    this.bytes = Buffer.from(bytes);
  }
}

/** A protocol-2 pickle of `value`. Objects and strings met again are written as references to the first. */
export function pickle(value: unknown): Buffer {
  const writer = new Writer();
  writer.write(value);
  return Buffer.concat([Buffer.from([0x80, 2]), ...writer.parts, Buffer.from(".")]);
}

class Writer {
  readonly parts: Buffer[] = [];
  readonly #memo = new Map<unknown, number>();

  write(value: unknown): void {
    const slot = this.#memo.get(value);
    if (slot !== undefined) this.#emit("j", u32(slot));
    else if (typeof value === "object" && value !== null) this.#object(value);
    else this.#literal(value);
  }

  #literal(value: unknown): void {
    if (value === null) this.#emit("N");
    else if (typeof value === "boolean") this.#emit(value ? "\x88" : "\x89");
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") this.#long(value);
    else if (typeof value === "string") this.#text(value);
    else throw new Error(`no pickle for ${typeof value}`);
  }

  #number(value: number): void {
    const bytes = Buffer.alloc(8);
    if (Number.isInteger(value) && value >= 0 && value < 256) this.#emit("K", Buffer.from([value]));
    else if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) {
      bytes.writeInt32LE(value);
      this.#emit("J", bytes.subarray(0, 4));
    } else if (Number.isSafeInteger(value)) this.#long(BigInt(value));
    else {
      bytes.writeDoubleBE(value);
      this.#emit("G", bytes);
    }
  }

  #long(value: bigint): void {
    const bytes = Buffer.alloc(32);
    for (let i = 0; i < 32; i += 1) bytes[i] = Number((value >> BigInt(8 * i)) & 255n);
    this.#emit("\x8a", Buffer.from([32]), bytes);
  }

  #text(value: string): void {
    const bytes = Buffer.from(value, "utf8");
    this.#emit("X", u32(bytes.length), bytes);
    this.#remember(value);
  }

  #object(value: object): void {
    if (value instanceof PyRaw) this.parts.push(value.bytes);
    else if (value instanceof PyName) {
      this.#emit("c", Buffer.from(`${value.module}\n${value.name}\n`));
      this.#remember(value);
    } else if (value instanceof PyTuple) {
      this.#emit("(");
      for (const item of value.items) this.write(item);
      this.#emit("t");
      this.#remember(value);
    } else if (value instanceof PyPersistent) {
      this.write(value.id);
      this.#emit("Q");
    } else if (value instanceof PyCall) this.#call(value);
    else this.#container(value);
  }

  #container(value: object): void {
    if (Array.isArray(value)) {
      this.#emit("]");
      this.#remember(value);
      this.#emit("(");
      for (const item of value) this.write(item);
      this.#emit("e");
    } else if (value instanceof Map) {
      this.#emit("}");
      this.#remember(value);
      this.#entries(value);
    } else throw new Error("no pickle for this object");
  }

  #call(value: PyCall): void {
    this.write(value.callee);
    this.write(value.args);
    this.#emit(value.asNew ? "\x81" : "R");
    this.#remember(value);
    if (value.entries.size > 0) this.#entries(value.entries);
    if (value.state === undefined) return;
    this.write(value.state);
    this.#emit("b");
  }

  #entries(entries: ReadonlyMap<unknown, unknown>): void {
    this.#emit("(");
    for (const [key, item] of entries) {
      this.write(key);
      this.write(item);
    }
    this.#emit("u");
  }

  #remember(value: unknown): void {
    const slot = this.#memo.size;
    this.#memo.set(value, slot);
    this.#emit("r", u32(slot));
  }

  #emit(opcode: string, ...rest: readonly Buffer[]): void {
    this.parts.push(Buffer.from(opcode, "latin1"), ...rest);
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
