import { Malformed } from "./errors.ts";
import type { CheckpointLimits } from "./limits.ts";
import { PickleInput } from "./pickle-input.ts";
import { PickleStack } from "./pickle-stack.ts";
import { describeValue, Global, Inert, TensorRef } from "./values.ts";

/** What a pickle's owner decides: everything that is more than literals. */
export interface PickleRules {
  /** The value of calling `callee`; an {@link Inert} for whatever is not known. */
  call(callee: Global, args: unknown): unknown;
  /** The value of a persistent id. */
  persistent(id: unknown): unknown;
}

/** A pickle's value and where it ends. */
export interface Unpickled {
  readonly value: unknown;
  /** Bytes up to and including its STOP. */
  readonly bytes: number;
}

/**
 * Reads one pickle (protocols 2 to 4, the opcodes that checkpoints use) from the start of `bytes`. Nothing is imported
 * or executed: names stay names, calls go to `rules`. Dictionaries become Maps, lists and tuples arrays, sets Sets;
 * integers numbers or, beyond 2^53, bigints. The value may contain itself.
 * Throws PickleEnds where the bytes end first, Malformed on anything else.
 */
export function readPickle(bytes: Uint8Array, rules: PickleRules, limits: CheckpointLimits): Unpickled {
  const machine = new Machine(bytes, rules, limits);
  for (let step = 0; step < limits.steps; step += 1) {
    if (!machine.step()) return { value: machine.stack.pop(), bytes: machine.input.position };
  }
  throw new Malformed(`holds more than ${limits.steps} steps of object tree`);
}

const stop = 0x2e;

class Machine {
  readonly input: PickleInput;
  readonly stack: PickleStack;
  readonly rules: PickleRules;
  readonly #memo = new Map<number, unknown>();
  readonly #names = new Map<string, Global>();
  readonly #memoLimit: number;

  constructor(bytes: Uint8Array, rules: PickleRules, limits: CheckpointLimits) {
    this.input = new PickleInput(bytes);
    this.stack = new PickleStack(limits);
    this.rules = rules;
    this.#memoLimit = limits.memo;
  }

  /** Does one opcode; false at the end. */
  step(): boolean {
    const at = this.input.position;
    const opcode = this.input.u8();
    if (opcode === stop) return false;
    const action = actions.get(opcode);
    if (action === undefined) {
      throw new Malformed(`is damaged: opcode 0x${opcode.toString(16)} at byte ${at} of its object tree`);
    }
    action(this);
    return true;
  }

  remember(slot = this.#memo.size): void {
    if (this.#memo.size >= this.#memoLimit)
      throw new Malformed(`remembers more than ${this.#memoLimit} values`);
    this.#memo.set(slot, this.stack.top());
  }

  recall(slot: number): void {
    if (!this.#memo.has(slot))
      throw new Malformed(`is damaged: its object tree refers to value ${slot}, which is not there`);
    this.stack.push(this.#memo.get(slot));
  }

  /** The same object for the same name, since a name can be a dictionary's key. */
  pushName(module: string, name: string): void {
    const known = this.#names.get(`${module}\n${name}`);
    const global = known ?? new Global(module, name);
    if (known === undefined) this.#names.set(`${module}\n${name}`, global);
    this.stack.push(global);
  }

  call(): void {
    const args = this.stack.pop();
    const callee = this.stack.pop();
    if (callee instanceof Global) this.stack.push(this.rules.call(callee, args));
    else if (callee instanceof Inert) this.stack.push(new Inert(callee.global, args));
    else throw new Malformed(`is damaged: its object tree calls ${describeValue(callee)}`);
  }

  build(): void {
    const state = this.stack.pop();
    const target = this.stack.top();
    if (target instanceof Inert) target.state = state;
    // Attributes of dictionaries and tensors (versions, hooks) say nothing about their content.
    else if (!(target instanceof Map || target instanceof TensorRef)) {
      throw new Malformed(`is damaged: its object tree sets attributes of ${describeValue(target)}`);
    }
  }

  setItems(pairs: readonly unknown[]): void {
    const target = this.stack.top();
    const entries = target instanceof Inert ? target.entries : target;
    if (!(entries instanceof Map) || pairs.length % 2 !== 0) {
      throw new Malformed(
        `is damaged: its object tree sets ${pairs.length} keys and values in ${describeValue(target)}`,
      );
    }
    for (let i = 0; i < pairs.length; i += 2) entries.set(pairs[i], pairs[i + 1]);
  }

  append(items: readonly unknown[]): void {
    const target = this.stack.top();
    const list: unknown = target instanceof Inert ? target.items : target;
    if (!Array.isArray(list))
      throw new Malformed(`is damaged: its object tree appends to ${describeValue(target)}`);
    for (const item of items) list.push(item);
  }

  addItems(items: readonly unknown[]): void {
    const target = this.stack.top();
    if (!(target instanceof Set))
      throw new Malformed(`is damaged: its object tree adds to ${describeValue(target)}`);
    for (const item of items) target.add(item);
  }

  stackName(): void {
    const name = this.stack.pop();
    const module = this.stack.pop();
    if (typeof name !== "string" || typeof module !== "string") {
      throw new Malformed("is damaged: its object tree has a name that is no text");
    }
    this.pushName(module, name);
  }
}

function protocol({ input }: Machine): void {
  const version = input.u8();
  if (version < 2 || version > 5)
    throw new Malformed(`has an object tree of pickle protocol ${version}, not 2 to 5`);
}

function two(stack: PickleStack): unknown[] {
  const second = stack.pop();
  return [stack.pop(), second];
}

const actions = new Map<number, (machine: Machine) => void>([
  [0x80, protocol], // PROTO
  [0x95, ({ input }) => void input.u64()], // FRAME: a hint for buffering
  [0x28, ({ stack }) => stack.mark()], // MARK
  [0x30, ({ stack }) => stack.drop()], // POP
  [0x31, ({ stack }) => void stack.popToMark()], // POP_MARK
  [0x32, ({ stack }) => stack.push(stack.top())], // DUP

  [0x4e, ({ stack }) => stack.push(null)], // NONE
  [0x88, ({ stack }) => stack.push(true)], // NEWTRUE
  [0x89, ({ stack }) => stack.push(false)], // NEWFALSE
  [0x4a, ({ stack, input }) => stack.push(input.i32())], // BININT
  [0x4b, ({ stack, input }) => stack.push(input.u8())], // BININT1
  [0x4d, ({ stack, input }) => stack.push(input.u16())], // BININT2
  [0x8a, ({ stack, input }) => stack.push(input.long(input.u8()))], // LONG1
  [0x8b, ({ stack, input }) => stack.push(input.long(input.u32()))], // LONG4
  [0x47, ({ stack, input }) => stack.push(input.f64())], // BINFLOAT

  [0x58, ({ stack, input }) => stack.push(input.text(input.u32()))], // BINUNICODE
  [0x8c, ({ stack, input }) => stack.push(input.text(input.u8()))], // SHORT_BINUNICODE
  [0x8d, ({ stack, input }) => stack.push(input.text(input.u64()))], // BINUNICODE8
  [0x55, ({ stack, input }) => stack.push(input.text(input.u8()))], // SHORT_BINSTRING
  [0x54, ({ stack, input }) => stack.push(input.text(input.u32()))], // BINSTRING
  [0x43, ({ stack, input }) => stack.push(input.bytes(input.u8()))], // SHORT_BINBYTES
  [0x42, ({ stack, input }) => stack.push(input.bytes(input.u32()))], // BINBYTES

  [0x7d, ({ stack }) => stack.push(new Map())], // EMPTY_DICT
  [0x5d, ({ stack }) => stack.push([])], // EMPTY_LIST
  [0x29, ({ stack }) => stack.push([])], // EMPTY_TUPLE
  [0x8f, ({ stack }) => stack.push(new Set())], // EMPTY_SET
  [0x74, ({ stack }) => stack.push(stack.popToMark())], // TUPLE
  [0x85, ({ stack }) => stack.push([stack.pop()])], // TUPLE1
  [0x86, ({ stack }) => stack.push(two(stack))], // TUPLE2
  [
    0x87, // TUPLE3
    ({ stack }) => {
      const third = stack.pop();
      stack.push([...two(stack), third]);
    },
  ],
  [0x73, (machine) => machine.setItems(two(machine.stack))], // SETITEM
  [0x75, (machine) => machine.setItems(machine.stack.popToMark())], // SETITEMS
  [0x61, (machine) => machine.append([machine.stack.pop()])], // APPEND
  [0x65, (machine) => machine.append(machine.stack.popToMark())], // APPENDS
  [0x90, (machine) => machine.addItems(machine.stack.popToMark())], // ADDITEMS

  [0x71, (machine) => machine.remember(machine.input.u8())], // BINPUT
  [0x72, (machine) => machine.remember(machine.input.u32())], // LONG_BINPUT
  [0x94, (machine) => machine.remember()], // MEMOIZE
  [0x68, (machine) => machine.recall(machine.input.u8())], // BINGET
  [0x6a, (machine) => machine.recall(machine.input.u32())], // LONG_BINGET

  [0x63, (machine) => machine.pushName(machine.input.line(), machine.input.line())], // GLOBAL
  [0x93, (machine) => machine.stackName()], // STACK_GLOBAL
  [0x52, (machine) => machine.call()], // REDUCE
  [0x81, (machine) => machine.call()], // NEWOBJ
  [0x62, (machine) => machine.build()], // BUILD
  [0x51, ({ stack, rules }) => stack.push(rules.persistent(stack.pop()))], // BINPERSID
]);
