#!/usr/bin/env node
// Adds NVIDIA CUDA to onnxruntime-node: see docs/gpu.md.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const runtimeVersion = "1.30.0";

/** Pinned, so that what is loaded into the process is what was tried. `mib` is the size of the download. */
export const wheels = [
  {
    name: "onnxruntime-gpu",
    version: runtimeVersion,
    sha256: "6acc0f4b3d5ac5f2984432faa59dd8fcce6775f8b43a7140afa0f322c7a703b1",
    mib: 235,
    provider: true,
    libraries: [
      "libonnxruntime_providers_shared.so",
      "libonnxruntime_providers_cuda.so",
      "libonnxruntime_providers_tensorrt.so",
    ],
  },
  {
    name: "nvidia-cublas",
    version: "13.10.0.20",
    sha256: "dcc6d63884c53d07e267ce7e6feac17b2538cebaafec5db865736c3e28e4dc84",
    mib: 424,
    libraries: ["libcublas.so.13", "libcublasLt.so.13"],
  },
  {
    name: "nvidia-cuda-runtime",
    version: "13.5.37",
    sha256: "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
    mib: 2,
    libraries: ["libcudart.so.13"],
  },
  {
    name: "nvidia-cuda-nvrtc",
    version: "13.5.37",
    sha256: "86b4d68058807988b7d9af5b44917a0601e9c337f35ccd657bfb3c759ff8d8bc",
    mib: 55,
    libraries: ["libnvrtc.so.13", "libnvrtc-builtins.so.13.5"],
  },
  {
    name: "nvidia-curand",
    version: "10.4.5.25",
    sha256: "22bb226a857e5888fe6b54ae465fc4371296bcff13a35f79e19691bcf454f529",
    mib: 74,
    libraries: ["libcurand.so.10"],
  },
  {
    name: "nvidia-cufft",
    version: "12.5.0.14",
    sha256: "b8be26837a5abad2b5b74f3e92dd29f622a42934b355be0961a48712cbba23ad",
    mib: 157,
    libraries: ["libcufft.so.12"],
  },
  {
    name: "nvidia-nvjitlink",
    version: "13.5.37",
    sha256: "280d7cb9649704145f074b8dbde500de04ce02d0872e066e20a83c17bcaa93eb",
    mib: 44,
    libraries: ["libnvJitLink.so.13"],
  },
  {
    name: "nvidia-cudnn-cu13",
    version: "9.28.1.4",
    sha256: "a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec",
    mib: 493,
    libraries: [
      "libcudnn.so.9",
      "libcudnn_adv.so.9",
      "libcudnn_cnn.so.9",
      "libcudnn_engines_precompiled.so.9",
      "libcudnn_engines_runtime_compiled.so.9",
      "libcudnn_engines_tensor_ir.so.9",
      "libcudnn_ext.so.9",
      "libcudnn_graph.so.9",
      "libcudnn_heuristic.so.9",
      "libcudnn_ops.so.9",
    ],
  },
];

const usage = `Usage: node scripts/install-cuda.js [--dir FOLDER] [--dry-run | --check]

Adds the CUDA provider of ONNX Runtime ${runtimeVersion} and the CUDA 13 libraries it needs.
  --dir FOLDER  keep the CUDA libraries (1.9 GiB) there, where \`npm ci\` does not delete them
  --dry-run     say what would be downloaded, from which package, and where it would go
  --check       say what is there and what is missing; exit status 1 if anything is`;

class Refusal extends Error {}

/** Where onnxruntime-node keeps its own libraries: the only place in which it looks for providers. */
function runtimeFolder() {
  const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  if (version !== runtimeVersion) {
    throw new Refusal(
      `onnxruntime-node is ${version}; this script has the provider of ${runtimeVersion}, which must be the same`,
    );
  }
  return join(dirname(manifest), "bin", "napi-v6", process.platform, process.arch);
}

function checkPlatform() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Refusal(
      `CUDA files exist for Linux on x64 only; this is ${process.platform} on ${process.arch}`,
    );
  }
}

const homeOf = (wheel, places) => (wheel.provider ? places.runtime : places.cuda);

const isInstalled = (wheel, places) => {
  const mark = join(homeOf(wheel, places), `.${wheel.name}`);
  return (
    existsSync(mark) &&
    readFileSync(mark, "utf8") === wheel.sha256 &&
    wheel.libraries.every((library) => existsSync(join(homeOf(wheel, places), library)))
  );
};

function plan(places) {
  const missing = wheels.filter((wheel) => !isInstalled(wheel, places));
  for (const wheel of wheels) {
    const what = missing.includes(wheel) ? `download ${wheel.mib} MiB` : "there";
    console.log(`${wheel.name} ${wheel.version}: ${what} → ${homeOf(wheel, places)}`);
  }
  return missing;
}

function python(args, what) {
  const { status, error } = spawnSync("python3", args, { stdio: "inherit" });
  if (error) throw new Refusal(`python3 cannot be run: ${error.message}`);
  if (status !== 0) throw new Refusal(`${what} failed`);
}

/** Any pip can fetch any wheel: it is told the platform and a Python version instead of using its own. */
function download(wheel, folder) {
  const requirements = join(folder, "requirements.txt");
  writeFileSync(requirements, `${wheel.name}==${wheel.version} --hash=sha256:${wheel.sha256}\n`);
  const tags = ["manylinux_2_28", "manylinux_2_27", "manylinux2014", "manylinux2010", "manylinux1"];
  const platforms = tags.flatMap((tag) => ["--platform", `${tag}_x86_64`]);
  const pip = [
    "-m",
    "pip",
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--no-cache-dir",
  ];
  const target = ["--python-version", "3.12", "--implementation", "cp", ...platforms];
  python(
    [...pip, ...target, "--dest", folder, "--requirement", requirements],
    `the download of ${wheel.name}`,
  );
  const file = readdirSync(folder).find((name) => name.endsWith(".whl"));
  if (file === undefined) throw new Refusal(`pip left no wheel of ${wheel.name}`);
  return join(folder, file);
}

function* filesUnder(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else yield { name: entry.name, path };
  }
}

function install(wheel, places) {
  const home = homeOf(wheel, places);
  mkdirSync(home, { recursive: true });
  const folder = mkdtempSync(join(home, ".unpack-"));
  try {
    const file = download(wheel, folder);
    const unpacked = join(folder, "unpacked");
    python(["-m", "zipfile", "-e", file, unpacked], `unpacking ${wheel.name}`);
    const found = new Map([...filesUnder(unpacked)].map(({ name, path }) => [name, path]));
    for (const library of wheel.libraries) {
      const path = found.get(library);
      if (path === undefined) throw new Refusal(`${wheel.name} ${wheel.version} has no ${library}`);
      renameSync(path, join(home, library));
    }
    writeFileSync(join(home, `.${wheel.name}`), wheel.sha256);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The server looks for the libraries beside the runtime, wherever they really lie. */
function link(places) {
  const beside = join(places.runtime, "cuda");
  if (existsSync(beside) && realpathSync(beside) === realpathSync(places.cuda)) return;
  rmSync(beside, { recursive: true, force: true });
  symlinkSync(places.cuda, beside, "dir");
}

/** Whether the loader knows the driver, for as long as there is no provider to ask it with. */
function hasDriver() {
  const known =
    spawnSync("sh", ["-c", "PATH=$PATH:/sbin:/usr/sbin ldconfig -p"], { encoding: "utf8" }).stdout ?? "";
  const folders = (process.env.LD_LIBRARY_PATH ?? "").split(delimiter).filter(Boolean);
  return (
    known.includes("libcuda.so.1 ") || folders.some((folder) => existsSync(join(folder, "libcuda.so.1")))
  );
}

/** What the system's loader cannot find for the libraries in place: name → who needs it. */
function unresolved(places) {
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: [places.cuda, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter),
  };
  const missing = new Map(hasDriver() ? [] : [["libcuda.so.1", "libonnxruntime_providers_cuda.so"]]);
  for (const wheel of wheels) {
    for (const library of wheel.libraries) {
      const path = join(homeOf(wheel, places), library);
      // TensorRT itself is the user's to install, and `cuda` does not need it.
      if (!existsSync(path) || library.includes("tensorrt")) continue;
      const { stdout } = spawnSync("ldd", [path], { env, encoding: "utf8" });
      for (const [, name] of (stdout ?? "").matchAll(/^\s*(\S+) => not found/gm)) missing.set(name, library);
    }
  }
  return missing;
}

const remedies = {
  "libcuda.so.1":
    "the NVIDIA driver, 580 or later: your distribution's driver package, or the container runtime's --gpus",
  "libz.so.1": "zlib: the package zlib1g or zlib",
};

function check(places) {
  let complete = true;
  for (const wheel of wheels) {
    if (isInstalled(wheel, places)) continue;
    complete = false;
    console.log(`missing: ${wheel.name} ${wheel.version} (run this script without --check)`);
  }
  for (const [name, library] of unresolved(places)) {
    complete = false;
    console.log(`missing: ${name}, needed by ${library}: ${remedies[name] ?? "a system library"}`);
  }
  if (complete) console.log("complete: CUDA, and a driver that the loader finds");
  console.log(`The server finds these by itself. For other programs: LD_LIBRARY_PATH=${places.cuda}`);
  return complete;
}

function main() {
  const { values } = parseArgs({
    options: {
      dir: { type: "string" },
      "dry-run": { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(usage);
  checkPlatform();
  const runtime = runtimeFolder();
  const beside = join(runtime, "cuda");
  const places = { runtime, cuda: values.dir === undefined ? beside : resolve(values.dir) };
  if (existsSync(places.cuda)) {
    if (!statSync(places.cuda).isDirectory()) throw new Refusal(`${places.cuda} is not a folder`);
    places.cuda = realpathSync(places.cuda);
  }
  if (values.check) {
    process.exitCode = check(places) ? 0 : 1;
    return;
  }
  const missing = plan(places);
  if (values["dry-run"]) return;
  for (const wheel of missing) install(wheel, places);
  link(places);
  check(places);
}

if (import.meta.url === pathToFileURL(realpathSync(process.argv[1] ?? "")).href) {
  try {
    main();
  } catch (reason) {
    if (!(reason instanceof Refusal) && !String(reason?.code).startsWith("ERR_PARSE_ARGS")) throw reason;
    console.error(reason.message);
    process.exitCode = 2;
  }
}
