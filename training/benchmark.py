"""Milliseconds of CPU per window in ONNX Runtime, one thread."""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort


def milliseconds(model: Path, batch: int, runs: int = 60) -> float:
    """Median CPU time per window at this batch size, of this process, one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    audio = np.random.default_rng(0).normal(0, 0.05, (batch, 64_000)).astype(np.float32)
    times = []
    for _ in range(runs):
        start = time.process_time()
        session.run(None, {"audio": audio})
        times.append((time.process_time() - start) / batch * 1000)
    return round(float(np.median(times)), 2)


def cpu_name() -> str:
    """The processor, as the kernel names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def measure(model: Path) -> dict:
    """The table for the model card."""
    return {
        "cpu": cpu_name(),
        "runtime": f"onnxruntime {ort.__version__}, Python, 1 thread",
        "ms_per_window": {str(batch): milliseconds(model, batch) for batch in (1, 2, 4, 8)},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    print(json.dumps(measure(parser.parse_args().model), indent=2))
