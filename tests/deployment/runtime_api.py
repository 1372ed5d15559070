"""A function's binary under a Lambda Runtime API of our own: how long it takes to start, how much memory it needs."""

import json
import os
import queue
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from checks import Failed

FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:measured"


class Environment:
    """One execution environment: it is initialized when it asks for its first event."""

    def __init__(self, binary, variables, log):
        self._events = queue.Queue()
        self._answers = queue.Queue()
        self._asked = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "measured",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_STREAM_NAME": "measured",
            "AWS_LAMBDA_LOG_GROUP_NAME": "measured",
            **variables,
        }
        self._log = open(log, "ab")
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [binary], env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        if not self._asked.wait(20):
            self.close()
            raise Failed(f"{binary} did not start; see {log}")
        self.initialized_in = time.perf_counter() - started

    def invoke(self, event, seconds):
        """Hands over one event; gives the answer and how long it took."""
        started = time.perf_counter()
        self._events.put((json.dumps(event).encode(), seconds))
        kind, body = self._answers.get(timeout=seconds)
        if kind != "response":
            raise Failed(f"the invocation failed: {body[:500]!r}")
        return json.loads(body), time.perf_counter() - started

    def peak_memory(self):
        """The most memory the process ever held, in MB."""
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
            peak = next(line for line in status if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024

    def close(self):
        """Ends the environment."""
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _handler(self):
        environment = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                environment._asked.set()
                event, seconds = environment._events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "measured")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + seconds) * 1000)))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", FUNCTION)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self):
                body = self._body()
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                environment._answers.put((self.path.rsplit("/", 1)[1], body))

            def _body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

        return Handler
