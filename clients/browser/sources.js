// Where audio comes from: a file that the browser decodes, or the microphone. Both give 16-bit interleaved samples.

const rates = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000];
const fileRate = 48000;
const blockSeconds = 0.1;

/** Decodes a file with the browser's own codecs, at most two channels of it. */
export async function openFile(file) {
  const decoder = new OfflineAudioContext(1, 1, fileRate);
  let audio;
  try {
    audio = await decoder.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw Object.assign(new Error(`this browser cannot decode ${file.name}`), { code: "undecodable_audio" });
  }
  return { rate: audio.sampleRate, channels: Math.min(2, audio.numberOfChannels), audio };
}

/** Sends a decoded file to a session, as it was spoken or as fast as the network takes it, until `signal` aborts. */
export async function playFile({ audio, rate, channels }, session, { live, aloud, signal }) {
  const stopPlaying = aloud && live ? playAloud(audio) : () => undefined;
  const tracks = Array.from({ length: channels }, (_, channel) => audio.getChannelData(channel));
  const started = performance.now();
  const block = Math.round(rate * blockSeconds);
  try {
    for (let at = 0; at < audio.length && !signal.aborted; at += block) {
      if (live) await until(started + (at / rate) * 1000, signal);
      else await session.room();
      if (signal.aborted) return;
      session.send(interleave(tracks, at, Math.min(audio.length, at + block)));
    }
  } finally {
    stopPlaying();
  }
}

/** Opens the microphone with everything off that a browser would do to its sound. */
export async function openMicrophone() {
  if (navigator.mediaDevices === undefined) {
    const message = "a browser gives its microphone only to pages from this machine or over https";
    throw Object.assign(new Error(message), { code: "no_microphone" });
  }
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  } catch (reason) {
    throw Object.assign(new Error(reason.message || "the microphone was refused"), { code: "no_microphone" });
  }
  try {
    const context = await createContext();
    await context.audioWorklet.addModule("worklet.js");
    return { rate: context.sampleRate, channels: 1, context, stream };
  } catch (reason) {
    for (const track of stream.getTracks()) track.stop(); // or the microphone would stay on
    throw reason;
  }
}

/** Sends what the microphone hears to a session until `signal` aborts or the device is gone. */
export async function relayMicrophone({ context, stream }, session, { signal }) {
  const capture = new AudioWorkletNode(context, "earwitness-capture", {
    numberOfOutputs: 0,
    channelCount: 1,
  });
  capture.port.onmessage = ({ data }) => session.send(data);
  context.createMediaStreamSource(stream).connect(capture);
  await context.resume();
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
    for (const track of stream.getTracks()) track.addEventListener("ended", resolve, { once: true });
    if (signal.aborted) resolve();
  });
}

/** Gives the device back. */
export async function closeMicrophone({ context, stream }) {
  for (const track of stream.getTracks()) track.stop();
  await context.close();
}

async function createContext() {
  const context = new AudioContext();
  if (rates.includes(context.sampleRate)) return context;
  await context.close();
  return new AudioContext({ sampleRate: fileRate });
}

function playAloud(audio) {
  const context = new AudioContext();
  const player = new AudioBufferSourceNode(context, { buffer: audio });
  player.connect(context.destination);
  player.start();
  return () => void context.close();
}

function interleave(tracks, from, to) {
  const samples = new Int16Array((to - from) * tracks.length);
  tracks.forEach((track, channel) => {
    for (let i = from, at = channel; i < to; i++, at += tracks.length) {
      samples[at] = Math.max(-32768, Math.min(32767, Math.round(track[i] * 32768)));
    }
  });
  return samples.buffer;
}

async function until(time, signal) {
  const wait = time - performance.now();
  if (wait <= 0) return;
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, wait);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
