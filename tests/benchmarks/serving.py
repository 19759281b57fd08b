"""Requests a second and latency of an export's server under load, beside the bare ONNX Runtime session.

    .venv/bin/python tests/benchmarks/serving.py EXPORT IMAGES [--clients 50] [--requests 8]

Each client sends one image after another, all at the same time. The bare session classifies the same images in as many
threads as the server has, decoded before, and with decoding. Server and clients share the processor.
"""

import asyncio
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from bench import heading, read_options, row

from visionft.data.decode import IMAGE_SUFFIXES, decode

THREADS = os.cpu_count() or 1


def main() -> None:
    """Print the table."""
    given = read_options(__doc__ or "", folders=2, clients=50, requests=8)
    export, folder = given.folders
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    paths = [paths[place] for place in np.linspace(0, len(paths) - 1, 40).astype(int)]
    count = given.clients * given.requests
    print(f"{count} requests, load of the computer before: {os.getloadavg()[0]:.1f}, {THREADS} cores")
    heading("", "requests/s", "median ms", "99 % ms")
    report("bare session, decoded images", *bare(export, [decode(path) for path in paths], count))
    report("bare session, files", *bare(export, paths, count))
    report(f"server, {given.clients} clients", *served(export, paths, given.clients, given.requests))


def report(name: str, seconds: float, latencies: list[float]) -> None:
    """Print a row, from the wall time of all and the latency of each, in seconds."""
    median, late = (1000 * float(np.quantile(latencies, share)) for share in (0.5, 0.99))
    row(name, f"{len(latencies) / seconds:.1f}", f"{median:.0f}", f"{late:.0f}")


def bare(export: Path, images: list, count: int) -> tuple[float, list[float]]:
    """Classify images, or files, in threads of this process."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(export / "model.onnx", options, providers=["CPUExecutionProvider"])

    def classify(place: int) -> float:
        began, image = time.perf_counter(), images[place % len(images)]
        pixels = decode(image) if isinstance(image, Path) else image
        session.run(["probabilities"], {"image": np.asarray(pixels)[None]})
        return time.perf_counter() - began

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(classify, range(THREADS)))
        began = time.perf_counter()
        latencies = list(pool.map(classify, range(count)))
        return time.perf_counter() - began, latencies


def served(export: Path, paths: list[Path], clients: int, requests: int) -> tuple[float, list[float]]:
    """Ask the server of the export, in its own process."""
    command = [sys.executable, str(export / "samples" / "server" / "app.py"), "--port", "0"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        try:
            found = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stderr)
            address = next(each for each in found if each)[0]
            return asyncio.run(ask(address, [path.read_bytes() for path in paths], clients, requests))
        finally:
            server.terminate()


async def ask(address: str, contents: list[bytes], clients: int, requests: int) -> tuple[float, list[float]]:
    """Send the images, each client one after another over its own connection.

    A client's library would take as much of the processor as the server does: these requests are bytes, made before.
    """
    host, port = address.removeprefix("http://").split(":")
    messages, latencies = [request_of(each) for each in contents], list[float]()

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for place in range(requests):
            began = time.perf_counter()
            writer.write(messages[(number + place) % len(messages)])
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.findall(rb"(?i)content-length: (\d+)", head)[0]))
            assert head.startswith(b"HTTP/1.1 200 "), head
            latencies.append(time.perf_counter() - began)
        writer.close()

    await one(0)
    latencies.clear()
    began = time.perf_counter()
    await asyncio.gather(*map(one, range(clients)))
    return time.perf_counter() - began, latencies


def request_of(content: bytes) -> bytes:
    """Return an HTTP request with an image in the form field `file`."""
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="image"\r\n\r\n'
    body = head + content + b"\r\n--edge--\r\n"
    kind = "Content-Type: multipart/form-data; boundary=edge"
    return f"POST /predict HTTP/1.1\r\nHost: localhost\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


if __name__ == "__main__":
    main()
