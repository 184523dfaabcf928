"""Telephone, GSM, Opus, G.722 and noise suppression: round trips, 16 kHz in and 16 kHz out."""

import ctypes
import ctypes.util
import importlib.util
import shutil
import subprocess
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly


def mulaw_levels() -> np.ndarray:
    """The 256 decoded values of G.711 mu-law in [-1, 1], ascending."""
    code = np.arange(128)
    magnitude = (((code & 15) * 2 + 33) << (code >> 4)) - 33
    return np.unique(np.concatenate([-magnitude, magnitude])).astype(np.float32) / 8192


def alaw_levels() -> np.ndarray:
    """The 256 decoded values of G.711 A-law in [-1, 1], ascending."""
    code = np.arange(128)
    segment, step = code >> 4, code & 15
    magnitude = np.where(segment == 0, step * 2 + 1, (step * 2 + 33) << np.maximum(segment - 1, 0))
    return np.unique(np.concatenate([-magnitude, magnitude])).astype(np.float32) / 4096


MULAW, ALAW = mulaw_levels(), alaw_levels()


def quantise(samples: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Each sample replaced by the nearest level."""
    return levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, samples)]


def telephone(samples: np.ndarray, levels: np.ndarray = MULAW) -> np.ndarray:
    """16 kHz audio through an 8 kHz G.711 line and back, same length."""
    narrow = quantise(resample_poly(samples, 1, 2).astype(np.float32), levels)
    return resample_poly(narrow, 2, 1).astype(np.float32)[: len(samples)]


class Opus:
    """libopus through ctypes; `available` is False where the library is missing."""

    VOIP, FRAME, SET_BITRATE, SET_COMPLEXITY = 2048, 320, 4002, 4010

    def __init__(self) -> None:
        name = ctypes.util.find_library("opus")
        self.available = name is not None
        if name is None:
            return
        self.lib = ctypes.CDLL(name)
        self.lib.opus_encoder_create.restype = ctypes.c_void_p
        self.lib.opus_decoder_create.restype = ctypes.c_void_p

    def round_trip(self, samples: np.ndarray, bits_per_second: int, lost: np.ndarray | None = None) -> np.ndarray:
        """Encode and decode in 20 ms frames at 16 kHz mono; the codec's delay is left in.

        Frames for which `lost` is true never arrive: the decoder conceals them.
        """
        lib, error = self.lib, ctypes.c_int()
        encoder = ctypes.c_void_p(lib.opus_encoder_create(16_000, 1, self.VOIP, ctypes.byref(error)))
        decoder = ctypes.c_void_p(lib.opus_decoder_create(16_000, 1, ctypes.byref(error)))
        lib.opus_encoder_ctl(encoder, ctypes.c_int(self.SET_BITRATE), ctypes.c_int(bits_per_second))
        lib.opus_encoder_ctl(encoder, ctypes.c_int(self.SET_COMPLEXITY), ctypes.c_int(3))
        frames = -(-len(samples) // self.FRAME)
        padded = np.zeros(frames * self.FRAME, np.float32)
        padded[: len(samples)] = samples
        out = np.zeros_like(padded)
        packet = ctypes.create_string_buffer(1500)
        for i in range(frames):
            offset = i * self.FRAME * 4
            size = lib.opus_encode_float(encoder, ctypes.c_void_p(padded.ctypes.data + offset), self.FRAME, packet, 1500)
            target = ctypes.c_void_p(out.ctypes.data + offset)
            if lost is not None and lost[i % len(lost)]:
                lib.opus_decode_float(decoder, None, 0, target, self.FRAME, 0)
            elif size > 0:
                lib.opus_decode_float(decoder, packet, size, target, self.FRAME, 0)
        lib.opus_encoder_destroy(encoder)
        lib.opus_decoder_destroy(decoder)
        return out[: len(samples)]


class Gsm:
    """GSM 06.10 full rate by libgsm; `available` is False where the library is missing."""

    FRAME = 160

    def __init__(self) -> None:
        name = ctypes.util.find_library("gsm")
        self.available = name is not None
        if name is None:
            return
        self.lib = ctypes.CDLL(name)
        self.lib.gsm_create.restype = ctypes.c_void_p

    def round_trip(self, samples: np.ndarray) -> np.ndarray:
        """Down to 8 kHz, through 13 kbit/s, and back up; same length."""
        narrow = np.clip(resample_poly(samples, 1, 2) * 32768, -32768, 32767).astype(np.int16)
        narrow = np.pad(narrow, (0, -len(narrow) % self.FRAME))
        out, packet, state = np.empty_like(narrow), ctypes.create_string_buffer(33), ctypes.c_void_p(self.lib.gsm_create())
        for i in range(0, len(narrow), self.FRAME):
            self.lib.gsm_encode(state, ctypes.c_void_p(narrow.ctypes.data + 2 * i), packet)
            self.lib.gsm_decode(state, packet, ctypes.c_void_p(out.ctypes.data + 2 * i))
        self.lib.gsm_destroy(state)
        return (resample_poly(out.astype(np.float32), 2, 1) / 32768).astype(np.float32)[: len(samples)]


class G722:
    """G.722 at 64 kbit/s by the program ffmpeg; `available` is False where it is missing."""

    PCM = ("-f", "f32le", "-ar", "16000", "-ac", "1")

    def __init__(self) -> None:
        self.program = shutil.which("ffmpeg")
        self.available = self.program is not None

    def _run(self, *arguments: str, data: bytes) -> bytes:
        return subprocess.run([self.program, "-v", "error", *arguments], input=data, capture_output=True, check=True).stdout

    def decode(self, packets: bytes) -> np.ndarray:
        """Samples of a stream of G.722."""
        return np.frombuffer(self._run("-f", "g722", "-i", "-", *self.PCM, "-", data=packets), np.float32)

    def round_trip(self, samples: np.ndarray) -> np.ndarray:
        """Encode and decode, same length; the codec's delay is left in."""
        packets = self._run(*self.PCM, "-i", "-", "-f", "g722", "-", data=np.clip(samples, -1, 1).astype(np.float32).tobytes())
        back = self.decode(packets)
        return np.pad(back, (0, max(0, len(samples) - len(back))))[: len(samples)]


class Suppressor:
    """Noise suppression by RNNoise (from the package pyrnnoise), as softphones do it; `available` is False where it is missing."""

    FRAME = 480

    def __init__(self) -> None:
        found = importlib.util.find_spec("pyrnnoise")
        self.available = found is not None
        if found is None:
            return
        self.lib = ctypes.CDLL(str(Path(found.origin).parent / "librnnoise.so"))
        self.lib.rnnoise_create.restype = ctypes.c_void_p
        self.lib.rnnoise_create.argtypes = [ctypes.c_void_p]
        self.lib.rnnoise_process_frame.argtypes = [ctypes.c_void_p] * 3
        self.lib.rnnoise_process_frame.restype = ctypes.c_float
        self.lib.rnnoise_destroy.argtypes = [ctypes.c_void_p]

    def round_trip(self, samples: np.ndarray) -> np.ndarray:
        """16 kHz through the suppressor's 48 kHz and back, same length; its delay of two frames is left in."""
        loud = resample_poly(samples, 3, 1).astype(np.float32) * 32768
        loud = np.pad(loud, (0, -len(loud) % self.FRAME))
        out, state = np.empty_like(loud), self.lib.rnnoise_create(None)
        for i in range(0, len(loud) * 4, self.FRAME * 4):
            self.lib.rnnoise_process_frame(state, out.ctypes.data + i, loud.ctypes.data + i)
        self.lib.rnnoise_destroy(state)
        return (resample_poly(out, 1, 3) / 32768).astype(np.float32)[: len(samples)]
