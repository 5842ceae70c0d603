"""Takes webhooks and writes each down as a line of JSON, with the time of its arrival: `hook_receiver.py PORT FILE`."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with open(sys.argv[2], "a") as file:
            file.write(json.dumps({"at": time.time(), "headers": headers, "body": body.decode()}) + "\n")
        self.send_response(204)
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
