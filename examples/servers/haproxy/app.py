import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Says back `text`, after `ms` milliseconds."""
        query = parse_qs(urlsplit(self.path).query)
        time.sleep(int(query.get("ms", ["0"])[0]) / 1000)
        body = query.get("text", ["hello"])[0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "haproxy"

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("", 0), App, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
server.serve_forever()
