"""A small server that speaks the Hugging Face Hub's HTTP interface, as far as one download needs it."""

import contextlib
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextlib.contextmanager
def serve(folder: Path, model: str, token: str | None = None, gated: bool = False):
    """Serve the files of `folder` as the Hub model `model`; yields (address, list of the tokens that came).

    token: only who sends it may have the files. gated: the refusal is that of a licence not accepted.
    """
    came = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, body: bytes = b"", **headers: str):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_GET(self):
            came.append((self.headers.get("Authorization") or "").removeprefix("Bearer "))
            path = urlsplit(self.path).path
            if not path.startswith((f"/{model}/resolve/", f"/api/models/{model}")):
                return self.answer(404, X_Error_Code="RepoNotFound")
            if token and came[-1] != token:
                code = "GatedRepo" if gated else "RepoNotFound"
                return self.answer(403 if gated else 401, X_Error_Code=code, X_Error_Message="no access")
            file = folder / path.rpartition("/")[2]
            if path.startswith("/api/") or not file.is_file():
                return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            body = file.read_bytes()
            etag = hashlib.sha1(body).hexdigest()
            return self.answer(200, body, ETag=f'"{etag}"', X_Repo_Commit=COMMIT)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        server.server_close()
