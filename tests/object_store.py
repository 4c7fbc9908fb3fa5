"""As much of an S3 server as reading a folder takes: objects of one bucket, from files below a folder."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@contextmanager
def serving(folder, seen=lambda: None):
    """Serve the files of a folder as s3://bucket/…; yield a client's environment, and what was asked for.

    `seen` is called before a part of a file is sent.
    """
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each of its answers waits for a delayed ACK

        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self._object(with_body=False)

        def do_GET(self):
            query = parse_qs(urlsplit(self.path).query)
            if "list-type" in query:
                self._list(query.get("prefix", [""])[0])
            else:
                self._object(with_body=True)

        def _list(self, prefix):
            found = sorted(path for path in folder.rglob("*") if path.is_file())
            names = [path.relative_to(folder).as_posix() for path in found]
            rows = "".join(
                f"<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>x</ETag><Size>{path.stat().st_size}</Size></Contents>"
                for name, path in zip(names, found, strict=True)
                if name.startswith(prefix)
            )
            body = (
                f"<ListBucketResult><Name>bucket</Name><Prefix>{prefix}</Prefix>"
                f"<IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
            )
            self._answer(200, body.encode(), {"Content-Type": "application/xml"})

        def _object(self, with_body):
            path = folder / urlsplit(self.path).path.removeprefix("/bucket").lstrip("/")
            if not path.is_file():
                return self._answer(404, b"")
            content, code, more = path.read_bytes(), 200, {}
            if part := self.headers.get("Range"):
                first, last = part.removeprefix("bytes=").split("-")
                more["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
                content, code = content[int(first) : int(last) + 1], 206
                asked.append(path.name)
                seen()
            more["Last-Modified"] = "Thu, 01 Jan 2026 00:00:00 GMT"
            self._answer(code, content, more, with_body)

        def _answer(self, code, body, more=None, with_body=True):
            self.send_response(code)
            for name, value in ({"Content-Length": str(len(body))} | (more or {})).items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "x",
    }
    try:
        yield told, asked
    finally:
        server.shutdown()
        server.server_close()
