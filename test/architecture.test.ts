import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, it } from "node:test";

const root = join(import.meta.dirname, "..");

/**
 * Each layer may import itself and the ones before it. The wire's messages and the client are below the server alone;
 * a model's file format is below the models. The client has the core, and of the models their packs and the order of frames.
 */
const layers = [
  "src/stream",
  "src/codec",
  "src/gen/onnx",
  "src/models",
  "src/evaluation",
  "src/gen",
  "clients/node",
  "src/server",
  "src/cli",
];
const forbidden: Readonly<Record<string, readonly string[]>> = {
  "src/codec": ["src/gen", "clients/node"],
  "src/models": ["src/codec", "clients/node"],
  "src/evaluation": ["src/stream", "src/codec", "src/gen", "src/models", "clients/node"],
  "src/server": ["clients/node", "src/gen/onnx"],
  "clients/node": ["src/codec", "src/gen/onnx", "src/evaluation"],
  "src/cli": ["src/gen/onnx"],
};

const sources = ["src", "clients/node"]
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  )
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.endsWith(".d.ts"));

/** Entries of processes of their own: of windows for the pool, and of whole recordings. */
const inferenceProcesses = ["src/models/onnx-worker.ts", "src/models/whole/whole-worker.ts"];

const textOf = (file: string): string => readFileSync(join(root, file), "utf8");

function importsOf(file: string): string[] {
  const text = textOf(file);
  const named = [...text.matchAll(/^(?:import|export)[^;]*?from "([^"]+)";/gms)];
  const bare = [...text.matchAll(/^import "([^"]+)";/gm)];
  const dynamic = [...text.matchAll(/\bimport\("([^"]+)"\)/g)];
  return [...named, ...bare, ...dynamic].map(([, target = ""]) => target);
}

const layerOf = (file: string): number => layers.findIndex((layer) => file.startsWith(`${layer}/`));
const inside = (file: string): string[] =>
  importsOf(file)
    .filter((name) => name.startsWith("."))
    .map((name) => relative(root, join(root, dirname(file), name)));
const packages = (file: string): string[] => importsOf(file).filter((name) => !name.startsWith("."));

/** A file and all that it imports, however far. */
function reachableFrom(file: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const target of inside(file)) if (sources.includes(target)) reachableFrom(target, found);
  return found;
}

describe("architecture", () => {
  it("finds the sources it judges", () => {
    assert.ok(sources.length > 60, `only ${sources.length} files`);
    for (const layer of layers)
      assert.ok(
        sources.some((file) => file.startsWith(layer)),
        layer,
      );
  });

  it("imports point one way", () => {
    for (const file of sources) {
      for (const target of inside(file)) {
        assert.ok(layerOf(target) <= layerOf(file), `${file} must not import ${target}`);
        const layer = layers[layerOf(file)] ?? "";
        const banned = forbidden[layer]?.find((other) => target.startsWith(`${other}/`));
        assert.equal(banned, undefined, `${file} must not import ${target}`);
      }
    }
  });

  it("the client's edge alone needs the core and the models, and of these nothing that runs them", () => {
    const known = ["src/models/manifest.ts", "src/models/store.ts", "src/models/safeear/permutation.ts"];
    for (const file of sources.filter((name) => name.startsWith("clients/node/"))) {
      const above = inside(file).filter((target) => /^src\/(?:stream|models)\//.test(target));
      if (above.length > 0) assert.match(file, /\/edge-[a-z]+\.ts$/);
      for (const target of above)
        if (target.startsWith("src/models/")) assert.ok(known.includes(target), target);
    }
  });

  it("a client loads its edge when it is asked for one, and no sooner", () => {
    const users = sources.filter(
      (file) => file.startsWith("clients/node/") && importsOf(file).some((name) => /\/edge-/.test(name)),
    );
    for (const file of users.filter((name) => !/\/edge-/.test(name))) {
      assert.equal(file, "clients/node/create-edge.ts");
      assert.doesNotMatch(textOf(file), /from "\.\/edge-/);
    }
  });

  it("the core imports nothing from outside but rxjs", () => {
    for (const file of sources.filter((name) => name.startsWith("src/stream/"))) {
      for (const name of packages(file)) assert.equal(name, "rxjs", `${file} imports ${name}`);
    }
  });

  it("the arithmetic of error rates imports nothing from outside", () => {
    for (const file of sources.filter((name) => name.startsWith("src/evaluation/"))) {
      assert.deepEqual(packages(file), [], file);
    }
  });

  it("only inference processes, a client's edge's too, load ONNX Runtime", () => {
    const users = sources.filter((file) => packages(file).includes("onnxruntime-node"));
    const loaders = ["src/models/inference.ts", "clients/node/edge-process.ts"];
    assert.deepEqual(users.sort(), loaders.sort());
    assert.ok(reachableFrom("src/models/onnx-worker.ts").has("src/models/inference.ts"));
    const elsewhere = sources.filter(
      (file) => file !== "src/models/onnx-worker.ts" && !file.startsWith("src/models/"),
    );
    for (const file of elsewhere) assert.ok(!reachableFrom(file).has("src/models/inference.ts"), file);
  });

  it("only the configuration reads the environment, and only the CLI ends the process", () => {
    const readers = sources.filter((file) => /\bprocess\.env\b/.test(textOf(file)));
    // A worker's parent reads nothing in it, but hands it on with the libraries' folder added.
    const known = ["src/server/config.ts", "src/models/worker.ts", "src/models/whole/whole-process.ts"];
    assert.deepEqual(
      readers.filter((file) => !known.includes(file)),
      [],
    );
    const enders = sources.filter((file) => /\bprocess\.exit\(/.test(textOf(file)));
    assert.deepEqual(
      enders.filter((file) => !file.startsWith("src/cli/") && !inferenceProcesses.includes(file)),
      [],
    );
  });

  it("has no cycles", () => {
    const done = new Set<string>();
    const path: string[] = [];
    const visit = (file: string): void => {
      assert.ok(!path.includes(file), `cycle: ${[...path, file].join(" → ")}`);
      if (done.has(file)) return;
      path.push(file);
      for (const target of inside(file)) if (sources.includes(target)) visit(target);
      path.pop();
      done.add(file);
    };
    for (const file of sources) visit(file);
  });
});
