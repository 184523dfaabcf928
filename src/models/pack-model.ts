import { join } from "node:path";
import type { DetectorSpec, Window } from "../stream/ports.ts";
import { toSamples } from "../stream/units.ts";
import type { Content } from "./job.ts";
import { outputWidth } from "./llr.ts";
import type { Model } from "./messages.ts";
import { formatOrder, type FrameOrder } from "./safeear/permutation.ts";
import type { Pack } from "./store.ts";

/** What workers need to know of a pack. Throws an Error where nothing can be scored with it, or not in that order. */
export function modelOf(pack: Pack, hopMs: number, order?: FrameOrder): Model {
  const { manifest, spec } = pack;
  return {
    outputWidth: outputWidth(manifest.output),
    graphs: graphsOf(pack, order),
    window: spec.window,
    hop: toSamples(hopMs, spec.rate),
    batchSizes: manifest.batch_sizes,
  };
}

function graphsOf({ folder, modelPath, manifest }: Pack, order: FrameOrder | undefined): Model["graphs"] {
  const { codec, input, output } = manifest;
  if (codec?.detector === undefined || codec.halves === undefined) {
    if (order === undefined) return { kind: "one", path: modelPath, input: input.name, output: output.name };
    throw new Error(`model pack ${manifest.id} hears frames in no order of its own: only SafeEar does`);
  }
  const { halves, detector } = codec;
  return {
    kind: "safeear",
    front: join(folder, halves.front),
    back: join(folder, halves.back),
    detector: join(folder, detector.file),
    stages: codec.stages,
    frameSamples: codec.frame_samples,
    before: halves.before_samples,
    after: halves.after_samples,
    fewest: codec.fewest_samples,
    order: order === undefined ? detector.order : formatOrder(order),
  };
}

/** A pack's spec where frames are heard in `order`, if that is given. */
export function specIn({ spec }: Pack, order: FrameOrder | undefined): DetectorSpec {
  if (order === undefined) return spec;
  const ordered: { -readonly [K in keyof DetectorSpec]: DetectorSpec[K] } = { ...spec };
  delete ordered.seed;
  return order.kind === "seed" ? { ...ordered, seed: order.seed } : ordered;
}

/** What a detector judges of a window. Throws a RangeError where that is not what it takes. */
export function contentOf(window: Window, spec: DetectorSpec): Content {
  if (window.codes !== undefined)
    return { kind: "codes", data: checked(window.codes, spec), place: undefined };
  if (window.samples.length !== spec.window) {
    throw new RangeError(`a window of ${window.samples.length} samples, not ${spec.window}`);
  }
  // What fills up a short window is nobody's timeline.
  const isWhole = window.track !== undefined && window.end - window.start === spec.window;
  const place = isWhole ? { track: window.track, start: window.start } : undefined;
  return { kind: "audio", data: window.samples, place };
}

function checked(codes: Int32Array, { codes: spec }: DetectorSpec): Int32Array {
  if (spec === undefined) throw new RangeError("a window of codes, which the model does not take");
  const length = spec.stages * spec.frames;
  if (codes.length !== length) throw new RangeError(`a window of ${codes.length} codes, not ${length}`);
  const wrong = codes.find((code) => code < 0 || code >= spec.choices);
  if (wrong !== undefined) throw new RangeError(`a code of ${wrong}, not below ${spec.choices}`);
  return codes;
}
