"""Plays a worker where only its readiness matters: ready at once, ends when it is told to."""

from __future__ import annotations

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(os.environ.get("ANSWER", "200")))
        self.end_headers()
        self.wfile.write(b'{"ready": "as told"}')

    def log_message(self, *arguments: object) -> None:
        return


signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(int(os.environ.get("ENDS_WITH", "0"))))
HTTPServer(("127.0.0.1", int(os.environ["WAVEFLOW_HTTP_PORT"])), Page).serve_forever()
