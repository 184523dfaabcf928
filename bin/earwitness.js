#!/usr/bin/env node
import { existsSync } from "node:fs";

const buildScript = new URL("../scripts/build.js", import.meta.url);
const source = new URL("../src/cli/main.ts", import.meta.url);

// A checkout builds what it runs; an installed package has neither sources nor compiler, and was built before it was packed.
if (existsSync(source) && existsSync(buildScript)) {
  const { ensureBuilt } = await import(buildScript.href);
  if (!(await ensureBuilt())) process.exit(1);
}
const { main } = await import("../dist/src/cli/main.js");
await main(process.argv);
