import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { WebSocket } from "ws";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Where a Chromium is installed, if one is: `CHROMIUM`, or the first that `PATH` has. */
export function findChromium(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const candidates = [
    process.env["CHROMIUM"] ?? "",
    ...names.flatMap((name) => folders.map((f) => join(f, name))),
  ];
  return candidates.find((path) => path !== "" && existsSync(path));
}

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** A headless Chromium with one page, driven over the DevTools protocol. Its microphone plays `microphoneWav`. */
export class Browser {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #pending = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (reason: Error) => void }
  >();
  #nextId = 1;
  #session = "";
  /** What the page complained of: uncaught exceptions, refused loads, errors on the console. */
  readonly complaints: string[] = [];

  static async launch(executable: string, microphoneWav: string): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "earwitness-page-"));
    const child = spawn(
      executable,
      [
        ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"],
        ...["--no-first-run", "--remote-debugging-port=0", `--user-data-dir=${profile}`],
        ...["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
        `--use-file-for-fake-audio-capture=${microphoneWav}`,
        "about:blank",
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    const socket = new WebSocket(await devToolsUrl(child));
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const browser = new Browser(child, profile, socket);
    await browser.#attach();
    return browser;
  }

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = child;
    this.#profile = profile;
    this.#socket = socket;
    // Only the browser that this process started is at the other end.
    socket.on("message", (raw: Buffer) => this.#hear(JSON.parse(raw.toString()) as Reply));
  }

  async open(url: string, viewport = { width: 900, height: 1000, dark: false }): Promise<void> {
    const { width, height, dark } = viewport;
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 500,
    });
    const scheme = { name: "prefers-color-scheme", value: dark ? "dark" : "light" };
    await this.send("Emulation.setEmulatedMedia", { features: [scheme] });
    await this.send("Page.navigate", { url });
    await this.until("document.readyState === 'complete' && location.href !== 'about:blank'");
  }

  /** The value of an expression in the page. */
  async value(expression: string): Promise<unknown> {
    const answer = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    // The shape is the DevTools protocol's.
    const { result, exceptionDetails } = answer as {
      result: { value?: unknown };
      exceptionDetails?: unknown;
    };
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** Resolves once the expression is true, looking whenever the page changes. */
  async until(expression: string): Promise<void> {
    await this.value(`new Promise((resolve) => {
      const look = () => { if (${expression}) { watcher.disconnect(); resolve(true); } };
      const watcher = new MutationObserver(look);
      watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      addEventListener("load", look);
      look();
    })`);
  }

  /** Clicks in the middle of an element, as a person would. */
  async click(selector: string): Promise<void> {
    const box = await this.value(
      `(() => { const e = document.querySelector(${JSON.stringify(selector)}); e.scrollIntoView();
        const { x, y, width, height } = e.getBoundingClientRect(); return [x + width / 2, y + height / 2]; })()`,
    );
    // What the expression above gives.
    const [x, y] = box as [number, number];
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
    }
  }

  async press(key: string): Promise<void> {
    for (const type of ["keyDown", "keyUp"]) {
      await this.send("Input.dispatchKeyEvent", {
        type,
        key,
        code: key,
        windowsVirtualKeyCode: key === "Tab" ? 9 : 32,
      });
    }
  }

  async pickFile(selector: string, path: string): Promise<void> {
    const answer = await this.send("Runtime.evaluate", {
      expression: `document.querySelector(${JSON.stringify(selector)})`,
    });
    // The shape is the DevTools protocol's.
    const { result } = answer as { result: { objectId: string } };
    await this.send("DOM.setFileInputFiles", { files: [path], objectId: result.objectId });
  }

  async screenshot(): Promise<Buffer> {
    const answer = await this.send("Page.captureScreenshot", { captureBeyondViewport: true });
    // The shape is the DevTools protocol's.
    return Buffer.from((answer as { data: string }).data, "base64");
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("close", resolve));
    this.#socket.terminate();
    this.#process.kill("SIGKILL");
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  async send(method: string, params: object = {}): Promise<unknown> {
    const id = this.#nextId++;
    const session = this.#session === "" ? {} : { sessionId: this.#session };
    const answered = new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#socket.send(JSON.stringify({ id, method, params, ...session }));
    return await answered;
  }

  async #attach(): Promise<void> {
    const created = await this.send("Target.createTarget", { url: "about:blank" });
    // The shapes are the DevTools protocol's.
    const { targetId } = created as { targetId: string };
    const attached = await this.send("Target.attachToTarget", { targetId, flatten: true });
    this.#session = (attached as { sessionId: string }).sessionId;
    for (const domain of ["Page", "Runtime", "Log", "DOM"]) await this.send(`${domain}.enable`);
  }

  #hear({ id, method, params, result, error }: Reply): void {
    if (method === "Runtime.exceptionThrown" || isBadEntry(method, params))
      this.complaints.push(JSON.stringify(params));
    if (id === undefined) return;
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(result);
    else pending?.reject(new Error(error.message));
  }
}

function isBadEntry(method: string | undefined, params: unknown): boolean {
  const text = JSON.stringify(params ?? {});
  return (
    (method === "Log.entryAdded" && text.includes('"level":"error"')) ||
    (method === "Runtime.consoleAPICalled" && text.includes('"type":"error"'))
  );
}

async function devToolsUrl(child: ChildProcess): Promise<string> {
  return await new Promise((resolve, reject) => {
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const url = /DevTools listening on (\S+)/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once("error", reject);
    child.once("close", () => reject(new Error(`the browser did not start: ${said}`)));
  });
}
