"""A small inference service: GET /predict?seed=N runs the model on the input that the seed stands for."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import numpy as np
import onnxruntime

WIDTH = 1024
BATCH = 16

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession("/opt/inference/model.onnx", options)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlparse(self.path)
        if url.path == "/healthz":
            self.answer(200, {"ok": True})
        elif url.path == "/predict":
            seed = int(parse_qs(url.query).get("seed", ["0"])[0])
            image = np.random.default_rng(seed).standard_normal((1, WIDTH), dtype=np.float32)
            # The same input many times over: what a batch of one costs would not move an autoscaler.
            scores = session.run(None, {"input": np.repeat(image, BATCH, axis=0)})[0][0]
            self.answer(200, {"seed": seed, "label": int(scores.argmax())})
        else:
            self.answer(404, {"error": "only /predict and /healthz are here"})

    def answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
