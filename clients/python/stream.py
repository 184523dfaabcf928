"""Plays a WAV file into a running server over gRPC as if it were a call, prints what the server says, and checks it.

Exits with 0 when every event was as the protocol promises, with 1 when one was not, with 2 when the call failed.
"""

import argparse
import importlib
import importlib.resources
import pathlib
import sys
import tempfile
import time
import wave

import grpc
from grpc_tools import protoc

PROTO_FOLDER = pathlib.Path(__file__).resolve().parents[2] / "proto"
PROTO_FILE = "earwitness/v1/earwitness.proto"


class Broken(Exception):
    """The server did not keep to the protocol."""


def check(condition, message):
    if not condition:
        raise Broken(message)


def load_schema():
    """Compiles the .proto into a temporary folder, so that no generated code can fall behind it."""
    folder = tempfile.mkdtemp(prefix="earwitness-")
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-I{PROTO_FOLDER}", f"-I{well_known}", f"--python_out={folder}"]
    check(protoc.main([*arguments, f"--grpc_python_out={folder}", PROTO_FILE]) == 0, "the .proto does not compile")
    sys.path.insert(0, folder)
    messages = importlib.import_module("earwitness.v1.earwitness_pb2")
    services = importlib.import_module("earwitness.v1.earwitness_pb2_grpc")
    return messages, services


def read_wav(path):
    """Its rate, channels and 16-bit samples; TypeError for any other WAV."""
    with wave.open(path, "rb") as file:
        if file.getsampwidth() != 2 or file.getnchannels() > 2:
            raise TypeError(f"{path}: only 16-bit WAV of one or two channels")
        return file.getframerate(), file.getnchannels(), file.readframes(file.getnframes())


def requests(pb, options, rate, channels, samples):
    """`config`, then the audio at its own pace; the end of this iterator ends the session."""
    yield pb.StreamingDetectRequest(
        config=pb.StreamingConfig(
            call_id=options.call_id,
            pace=pb.PACE_LIVE if options.speed <= 1 else pb.PACE_FILE,
            audio=pb.AudioConfig(encoding=pb.ENCODING_PCM_S16LE, sample_rate=rate, channels=channels),
        )
    )
    frame = rate * options.frame_ms // 1000 * channels * 2
    begin = time.monotonic()
    for sent in range(0, len(samples), frame):
        due = begin + sent / (rate * channels * 2) / options.speed
        time.sleep(max(0.0, due - time.monotonic()))
        yield pb.StreamingDetectRequest(audio=samples[sent : sent + frame])


class Checker:
    """Follows one session's events and says what is wrong with them."""

    def __init__(self, pb, rate, channels, duration_ms):
        self.pb = pb
        self.rate = rate
        self.channels = channels
        self.duration_ms = duration_ms
        self.ready = None
        self.summary = None
        self.seq = 0
        self.scores = {channel: [] for channel in range(channels)}

    def take(self, event):
        kind = event.WhichOneof("event")
        check(event.seq == self.seq, f"event {self.seq} was numbered {event.seq}")
        self.seq += 1
        check((kind == "ready") == (event.seq == 0), f"event {event.seq} was {kind}")
        check(self.summary is None or kind == "error", f"{kind} came after the summary")
        handler = getattr(self, f"_{kind}", None)
        if handler is not None:
            handler(getattr(event, kind))
        return kind

    def _ready(self, ready):
        self.ready = ready
        check(ready.audio.sample_rate == self.rate, "the server understood another rate")
        check(ready.audio.channels == self.channels, "the server understood other channels")
        check(ready.detection.hop_ms > 0 and ready.model.id != "", "ready says too little")

    def _score(self, score):
        before = self.scores[score.channel]
        check(score.index > (before[-1].index if before else -1), "a window came twice or out of order")
        check(score.window.end_sample > score.window.start_sample, "a window is empty")
        undecided = score.verdict == self.pb.VERDICT_UNDECIDED
        check(undecided == (not score.HasField("p_spoof")), "a probability without a verdict, or none with one")
        check(undecided == (score.reason != self.pb.REASON_UNSPECIFIED), "a reason without need, or none")
        before.append(score)

    def _summary(self, summary):
        self.summary = summary

    def finish(self):
        check(self.ready is not None and self.summary is not None, "ready or summary never came")
        check(self.summary.ended_by == self.pb.Summary.ENDED_BY_CLOSE, "the session ended by something else")
        check(len(self.summary.channels) == self.channels, "a channel has no summary")
        hop, window = self.ready.detection.hop_ms, self.ready.detection.window_ms
        due = max(0, (self.duration_ms - window) // hop + 1)
        for found in self.summary.channels:
            scores = self.scores[found.channel]
            check(found.audio_ms == self.duration_ms, f"{found.audio_ms} ms of {self.duration_ms} were counted")
            check(len(scores) == found.windows - found.shed, "a window has no score")
            check(found.windows >= due, f"{found.windows} windows in {self.duration_ms} ms")


def describe(pb, kind, body):
    if kind == "ready":
        return f"{body.model.id} {body.model.version}, a window of {body.detection.window_ms} ms every {body.detection.hop_ms} ms"
    if kind == "score":
        p = f"{body.rolling.p_spoof:.3f}" if body.rolling.HasField("p_spoof") else "undecided"
        verdict = pb.Verdict.Name(body.verdict).removeprefix("VERDICT_").lower()
        return f"channel {body.channel} to {body.window.end_ms} ms: {verdict}; so far {p}, {body.rolling.speech_ms} ms of speech"
    if kind == "state":
        return f"channel {body.channel} at {body.at_ms} ms: {pb.ChannelState.Name(body.to).removeprefix('CHANNEL_STATE_').lower()}"
    if kind == "summary":
        return "; ".join(
            f"channel {found.channel} {pb.ChannelState.Name(found.state).removeprefix('CHANNEL_STATE_').lower()}"
            f" (LLR {found.llr:.2f}, {found.speech_ms} ms of speech)"
            for found in body.channels
        )
    return " ".join(str(body).split())


def run(options):
    pb, services = load_schema()
    rate, channels, samples = read_wav(options.file)
    duration_ms = len(samples) // (2 * channels) * 1000 // rate
    checker = Checker(pb, rate, channels, duration_ms)
    with grpc.insecure_channel(options.target) as channel:
        stub = services.SpoofDetectionStub(channel)
        metadata = (("authorization", f"Bearer {options.token}"),) if options.token else ()
        for event in stub.StreamingDetect(requests(pb, options, rate, channels, samples), metadata=metadata):
            kind = checker.take(event)
            print(f"{event.seq:4} {kind:8} {describe(pb, kind, getattr(event, kind))}", flush=True)
    checker.finish()
    print(f"ok: {checker.seq} events, {sum(map(len, checker.scores.values()))} scores", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="16-bit WAV of one or two channels")
    parser.add_argument("--target", default="127.0.0.1:50051", help="host:port of the server (%(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time; above 1 the pace is `file`")
    parser.add_argument("--frame-ms", type=int, default=20, help="audio in one message (%(default)s)")
    parser.add_argument("--call-id", default="", help="what watchers can find it by")
    parser.add_argument("--token", help="bearer token")
    try:
        run(parser.parse_args())
    except Broken as reason:
        print(f"not as promised: {reason}", file=sys.stderr)
        sys.exit(1)
    except grpc.RpcError as error:
        print(f"{error.code().name}: {error.details()}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
