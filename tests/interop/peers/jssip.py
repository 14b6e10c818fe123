"""The page of a browser WIC, served on loopback: JsSIP from npm, as one script."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .process import missing

if TYPE_CHECKING:
    from types import TracebackType

FOLDER = Path(__file__).parent.parent / "browser"
MODULES = FOLDER / "node_modules"

# CommonJS in a page: every file a function, `require` resolves as Node does, `package.json` main included.
LOADER = """
const JsSIP = (() => {
  const files = {%s};
  const loaded = {};
  const join = (from, to) => {
    const parts = from.split("/").slice(0, -1);
    for (const part of to.split("/")) part === ".." ? parts.pop() : part !== "." && parts.push(part);
    return parts.join("/");
  };
  const find = (path) => [path, path + ".js", path + "/index.js"].find((candidate) => candidate in files);
  const resolve = (from, name) => (name.startsWith(".") ? find(join(from, name)) : mains[name]);
  const mains = %s;
  const load = (path) => {
    if (!(path in loaded)) {
      const module = (loaded[path] = { exports: {} });
      files[path](module, module.exports, (name) => load(resolve(path, name)), { env: {} });
    }
    return loaded[path].exports;
  };
  return load(mains.jssip);
})();
"""


def script() -> str:
    """Put JsSIP and what it requires into one script that defines `JsSIP`."""
    if not (MODULES / "jssip").is_dir():
        missing("jssip (npm)")
    files, mains = [], {}
    for manifest in sorted(MODULES.glob("*/package.json")):
        package, described = manifest.parent, json.loads(manifest.read_text())
        named = described.get("browser")
        main = package / (named if isinstance(named, str) else described.get("main", "index.js"))
        main = main / "index.js" if main.is_dir() else main.with_suffix(".js")
        mains[package.name] = _key(main)
        facts = {name: described.get(name) for name in ("name", "version", "title", "homepage")}
        files.append(f"{_quoted(manifest)}: (module) => {{ module.exports = {json.dumps(facts)}; }}")
        sources = main.parent.rglob("*.js") if main.parent != package else [main]
        files += [
            f"{_quoted(source)}: (module, exports, require, process) => {{\n{source.read_text()}\n}}"
            for source in sorted(sources)
            if "test" not in source.parts
        ]
    return LOADER % (",\n".join(files), json.dumps(mains))


def phone() -> str:
    """Return JsSIP and phone.js as one script for a page of another server."""
    return f"{script()}\n{(FOLDER / 'phone.js').read_text()}"


def _key(source: Path) -> str:
    return source.relative_to(MODULES).as_posix()


def _quoted(source: Path) -> str:
    return json.dumps(_key(source))


class PageServer:
    """HTTP server of page.html, phone.js and jssip.js on loopback."""

    def __init__(self) -> None:
        contents = {
            "/page.html": ("text/html", (FOLDER / "page.html").read_bytes()),
            "/phone.js": ("text/javascript", (FOLDER / "phone.js").read_bytes()),
            "/jssip.js": ("text/javascript", script().encode()),
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, body = contents.get(self.path, ("text/plain", b""))
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/page.html"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
