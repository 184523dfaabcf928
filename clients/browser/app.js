import { Curve } from "./curve.js";
import { Session } from "./session.js";
import { closeMicrophone, openFile, openMicrophone, playFile, relayMicrophone } from "./sources.js";

const words = {
  undecided: { word: "Undecided", mark: "?", why: "" },
  bonafide: { word: "Sounds human", mark: "✓", why: "the evidence points to a person" },
  suspect: {
    word: "Suspicious",
    mark: "!",
    why: "the evidence points to a machine, but is not enough to say so",
  },
  spoof: { word: "Sounds machine-made", mark: "✕", why: "the evidence points to a machine" },
};

const reasons = {
  too_little_speech: "not enough speech yet",
  no_speech: "no speech is heard",
  low_quality: "the sound is too poor to judge",
  out_of_domain: "this kind of audio is not what the model knows",
  gap: "part of the audio is missing",
  overload: "the server is behind",
  inconclusive: "the evidence points neither way",
};

const byId = (id) => document.getElementById(id);
const status = byId("status");
const problem = byId("problem");
/** Certainty is nothing that this can give. */
const percent = (p) =>
  p === null ? "–" : p > 0.99 ? "> 99 %" : p < 0.01 ? "< 1 %" : `${Math.round(p * 100)} %`;
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/** One channel's card. */
class ChannelView {
  #root;
  #curve;
  #label;
  #state = "undecided";

  constructor(label) {
    const fragment = byId("channel").content.cloneNode(true);
    this.#root = fragment.firstElementChild;
    this.#label = label;
    this.#text("label", label);
    this.#curve = new Curve(this.#root.querySelector(".curve"));
    byId("channels").append(fragment);
    this.setState("undecided", "too_little_speech");
    this.#describe(null);
  }

  setThresholds(thresholds) {
    this.#curve.setThresholds(thresholds);
  }

  setState(state, reason) {
    this.#state = state;
    this.#root.dataset.state = state;
    this.#text("word", words[state].word);
    this.#text("mark", words[state].mark);
    this.#text("why", reason === null ? words[state].why : (reasons[reason] ?? reason));
  }

  /** What a screen reader is told of a change. */
  sentence() {
    return `${this.#label}: ${words[this.#state].word}.`;
  }

  addScore({ window, speech_ms, llr, p_spoof, verdict, reason, rolling }) {
    this.#curve.add({ atMs: window.end_ms, rolling: rolling.p_spoof, own: p_spoof, state: this.#state });
    this.#text("probability", percent(rolling.p_spoof));
    if (this.#state === "undecided") this.setState("undecided", reason ?? "inconclusive");
    this.#text("speech", seconds(rolling.speech_ms));
    this.setHeard(window.end_ms);
    this.#describe(rolling.p_spoof);
    const row = this.#root.querySelector("tbody").insertRow(0);
    const cells = [
      `${(window.start_ms / 1000).toFixed(1)} – ${(window.end_ms / 1000).toFixed(1)}`,
      seconds(speech_ms),
      llr === null ? "–" : llr.toFixed(2),
      p_spoof === null ? "–" : p_spoof.toFixed(3),
      reason === null ? verdict : `${verdict} (${reason})`,
    ];
    for (const cell of cells) row.insertCell().textContent = cell;
  }

  addGap({ start_ms, end_ms }) {
    this.#curve.addGap(start_ms, end_ms);
  }

  setHeard(ms) {
    this.#text("heard", seconds(ms));
  }

  /** The server's last word. */
  conclude({ state, reason, p_spoof, speech_ms, audio_ms }) {
    this.setState(state, reason);
    if (p_spoof !== null) this.#text("probability", percent(p_spoof));
    this.#text("speech", seconds(speech_ms));
    this.setHeard(audio_ms);
  }

  #describe(p) {
    const now = p === null ? "no probability yet" : `now ${percent(p)}`;
    this.#root
      .querySelector(".curve")
      .setAttribute("aria-label", `Probability over time that ${this.#label} is machine-made: ${now}.`);
  }

  #text(name, text) {
    this.#root.querySelector(`.${name}`).textContent = text;
  }
}

/** The cards of one session, fed by its events. */
class SessionView {
  #channels = [];
  #ended = false;

  show(event) {
    switch (event.type) {
      case "ready":
        return this.#begin(event);
      case "score":
        return this.#channels[event.channel]?.addScore(event);
      case "state":
        return this.#change(event);
      case "gap":
        return this.#channels[event.channel]?.addGap(event);
      case "summary":
        return this.#conclude(event);
      case "warning":
        if (event.code === "draining") status.textContent = "The server is about to stop.";
        return undefined;
      default:
        return undefined;
    }
  }

  get ended() {
    return this.#ended;
  }

  #begin({ audio, detection, model }) {
    byId("channels").replaceChildren();
    const calibrated = model.calibration_id === null ? ", not calibrated" : "";
    byId("model").textContent =
      `Model ${model.id} ${model.version}${calibrated}, ${model.digest.slice(0, 12)}`;
    this.#channels = audio.channel_labels.map((label) => new ChannelView(label));
    for (const channel of this.#channels) channel.setThresholds(detection.thresholds);
  }

  #change({ channel, to, reason }) {
    const view = this.#channels[channel];
    if (view === undefined) return;
    view.setState(to, reason);
    status.textContent = view.sentence();
  }

  #conclude({ channels }) {
    this.#ended = true;
    for (const summary of channels) this.#channels[summary.channel]?.conclude(summary);
    status.textContent = `Finished. ${this.#channels.map((view) => view.sentence()).join(" ")}`;
  }
}

/** The protocol's; a file's name may be longer. */
const maxLabelLength = 64;

let running;

/** Runs one session from a source to its summary; one at a time. */
async function listen(what, openSource, relay, closeSource, pace) {
  const stop = new AbortController();
  running = stop;
  setBusy(true);
  let source;
  try {
    status.textContent = `Opening ${what} …`;
    source = await openSource();
    const view = new SessionView();
    const session = await Session.open(
      {
        pace,
        audio: {
          encoding: "pcm_s16le",
          sample_rate: source.rate,
          channels: source.channels,
          channel_labels: source.channels === 2 ? ["left", "right"] : [what.slice(0, maxLabelLength)],
        },
      },
      (event) => view.show(event),
    );
    session.ended.catch(() => undefined).finally(() => stop.abort());
    if (!view.ended) status.textContent = `Listening to ${what} …`;
    await relay(source, session, stop.signal);
    session.finish();
    await session.ended;
  } catch (reason) {
    showProblem(reason);
  } finally {
    if (source !== undefined) await closeSource(source);
    setBusy(false);
    running = undefined;
  }
}

function listenToFile(file) {
  if (running !== undefined) return;
  const pace = new FormData(byId("controls")).get("pace");
  const aloud = byId("aloud").checked;
  void listen(
    file.name,
    () => openFile(file),
    (source, session, signal) => playFile(source, session, { live: pace === "live", aloud, signal }),
    () => undefined,
    pace,
  );
}

function listenToMicrophone() {
  if (running !== undefined) return;
  const relay = (source, session, signal) => relayMicrophone(source, session, { signal });
  void listen("the microphone", openMicrophone, relay, closeMicrophone, "live");
}

function setBusy(busy) {
  if (busy) problem.hidden = true;
  for (const id of ["file", "microphone"]) byId(id).disabled = busy;
  byId("stop").disabled = !busy;
}

function showProblem(reason) {
  status.textContent = "Nothing is being listened to.";
  const name = document.createElement("code");
  name.textContent = reason.code ?? "internal";
  problem.replaceChildren(name, `: ${reason.message}`);
  problem.hidden = false;
}

byId("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  // The same file can be picked again.
  if (file !== undefined) listenToFile(file);
  target.value = "";
});
byId("microphone").addEventListener("click", listenToMicrophone);
byId("stop").addEventListener("click", () => running?.abort());
byId("controls").addEventListener("submit", (event) => event.preventDefault());

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", () => document.body.classList.remove("dragging"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  const [file] = event.dataTransfer.files;
  if (file !== undefined) listenToFile(file);
});
