"""Figures of the structure of the code: how far a REGISTER travels, how often a failure is renamed, what is there twice.

    python tests/structure/measure.py            # the checkout that this file belongs to
    python tests/structure/measure.py OTHER      # another checkout, for a comparison
    python tests/structure/measure.py --list path OTHER      # what stands behind one figure

It is to be run by a Python that has the dependencies of the checkout, such as the one in `.venv/bin` after `make demo`;
wic itself is taken from the checkout that is measured. The program reads the sources as text, but for two figures: it runs a client against a connection in memory, with its
calls counted. Calls are those of functions of `wic`; comprehensions and generator expressions belong to the function
they stand in. The client that is counted is the second one of its process, as in a fleet: what is made once for all
clients does not count.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import functools
import re
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
RIDDLES = re.compile(
    r"(?<![^\W_])(nobody|somebody|anybody|everybody|whoever|whomever|whatever)(?![^\W_])", re.IGNORECASE
)
INDIRECT = re.compile(r"(What|How|Who|Whom|Whose|Where|Which|When|Why)\b")
FAILURES = frozenset(
    # Kinds of failure, values that carry one, and the fields by which they differ. What has been decided about a
    # failure is not among them: carrying that out is no decision.
    [
        "AuthenticationFailed",
        "RegistrationFailed",
        "TokenRefused",
        "UsimFailed",
        "SignInFailed",
        "GiveUp",
        "StartAnew",
        "SendAgain",
        "Refused",
        "BindingLost",
        "BindingSuspended",
        "RegisterFailed",
        "Trial",
        "Consequence",
        "next_server",
        "elsewhere",
        "stale",
        "by_itself",
        "is_end",
        "waits",
    ]
)
STATUSES = range(300, 700)

# the sources


def modules(tree: Path, *packages: str) -> Iterator[tuple[str, Path]]:
    """Yield the dotted names and the files of some packages."""
    for package in packages:
        for path in sorted((tree / package).rglob("*.py")):
            yield ".".join(path.relative_to(tree).with_suffix("").parts), path


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Parse a file, once for all figures."""
    return ast.parse(path.read_text(encoding="utf-8"))


def equal_class_names(tree: Path) -> list[str]:
    """Name each class that is defined in more than one place of `wic` and the command line."""
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for name, path in modules(tree, "wic", "cli"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    return [f"{name}: {', '.join(found)}" for name, found in sorted(homes.items()) if len(found) > 1]


def imports(tree: Path) -> dict[str, set[str]]:
    """Return the modules that each module of `wic` imports, for type checkers or to run."""
    known = {name.removesuffix(".__init__") for name, _ in modules(tree, "wic")}
    found: dict[str, set[str]] = {name: set() for name in known}
    for name, path in modules(tree, "wic"):
        module = name.removesuffix(".__init__")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                wanted = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                wanted = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
                if wanted[0] in known:
                    wanted.pop()  # `from package import module` needs the module, not the names of the package
            else:
                continue
            found[module].update(each for each in wanted if each in known and each != module)
    return found


def import_circles(tree: Path) -> list[str]:
    """Return the groups of modules that import each other (strongly connected components, by Tarjan's algorithm)."""
    graph = imports(tree)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            at = stack.index(module)
            circles.append(sorted(stack[at:]))
            del stack[at:]

    sys.setrecursionlimit(10_000)
    for module in graph:
        if module not in index:
            visit(module)
    return [f"{len(each)} modules: {', '.join(each)}" for each in circles if len(each) > 1]


def machines_without_table(tree: Path) -> list[str]:
    """Name each enumeration of states that objects move through, and that no table at module level speaks of.

    A table is a module-level assignment that names at least half of the states.
    """
    states: dict[str, tuple[str, int]] = {}
    moved: set[str] = set()
    tables: defaultdict[str, set[str]] = defaultdict(set)
    for name, path in modules(tree, "wic"):
        module = parsed(path)
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef) and node.name.endswith("State") and is_enum(node):
                states[node.name] = (name, sum(isinstance(each, ast.Assign) for each in node.body))
            for target, value in moves(node):
                if target in ("state", "_state", "_move", "_advance"):
                    moved.update(owner for owner, _ in attributes(value))
        for statement in module.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                for owner, attribute in attributes(statement.value):
                    tables[owner].add(attribute)
    return [
        f"{state} in {module}"
        for state, (module, count) in sorted(states.items())
        if state in moved and len(tables[state]) * 2 < count
    ]


def is_enum(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id.endswith("Enum") for base in node.bases)


def moves(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield what a statement gives to attributes, and to methods called `_move`."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Attribute):
                yield target.attr, node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        for argument in node.args:
            yield node.func.attr, argument


def attributes(value: ast.expr) -> Iterator[tuple[str, str]]:
    """Yield each `Name.ATTRIBUTE` within an expression."""
    for node in ast.walk(value):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr


def dicts_by_flow(tree: Path) -> list[str]:
    """Return the attributes at the eP-CSCF that are dicts keyed by a flow, the owner of one, or a device."""
    keyed = re.compile(r"\b(dict|defaultdict|Counter)\[(Flow|Owner|DeviceKey|tuple\[(Flow|Owner)\b|_Key\b)")
    found = []
    for name, path in modules(tree, "wic/network/epcscf"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute):
                annotation = ast.unparse(node.annotation)
                if keyed.search(annotation) or annotation == "Counter[str]":
                    found.append(f"{name}: {ast.unparse(node.target)}: {annotation}")
    return found


def deciding_modules(tree: Path) -> list[str]:
    """Return the modules of registration and client with a branch that depends on how a registration failed."""
    found = []
    for name, path in modules(tree, "wic/registration", "wic/client"):
        if name.startswith("wic.client.web.") or "usim" in name:
            continue  # these get credentials, and raise these errors; they decide nothing about a registration
        decisions = 0
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.If | ast.IfExp | ast.While):
                decisions += bool(names(node.test) & FAILURES)
            elif isinstance(node, ast.match_case):
                decisions += bool(names(node.pattern) & FAILURES)
            elif isinstance(node, ast.ExceptHandler) and node.type is not None:
                decisions += bool(names(node.type) & FAILURES)
            elif isinstance(node, ast.Dict):
                decisions += any(isinstance(key, ast.Constant) and key.value in STATUSES for key in node.keys)
        if decisions:
            found.append(f"{name}: {decisions} branches")
    return found


def names(node: ast.AST) -> set[str]:
    found = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            found.add(each.id)
        elif isinstance(each, ast.Attribute):
            found.add(each.attr)
        elif isinstance(each, ast.MatchClass):
            found.update(each.kwd_attrs)
    return found


def lines(tree: Path) -> list[str]:
    """Return each file of `wic` with its count of lines."""
    counts = [(len(path.read_bytes().splitlines()), name) for name, path in modules(tree, "wic")]
    return [f"{count} {name}" for count, name in sorted(counts, reverse=True)]


def docstrings_that_ask(tree: Path) -> list[str]:
    """Return the module docstrings that begin as a question does."""
    found = []
    for name, path in modules(tree, "wic", "cli"):
        docstring = ast.get_docstring(parsed(path)) or ""
        if INDIRECT.match(docstring):
            found.append(f"{name}: {docstring.splitlines()[0]}")
    return found


def persons_without_a_name(tree: Path, *packages: str) -> list[str]:
    """Return the indefinite persons and things in names, docstrings, comments and messages: of the code, by default."""
    return [
        f"{name}:{number}: {match[0]}"
        for name, path in modules(tree, *(packages or ("wic", "cli")))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for match in RIDDLES.finditer(line)
    ]


def riddles(tree: Path) -> list[str]:
    """Return the module docstrings that are questions, and the indefinite persons and things in texts of the code."""
    return docstrings_that_ask(tree) + persons_without_a_name(tree)


# a client that runs


class Recorder:
    """Counter of the calls into `wic` while it is switched on, and of the values that are made meanwhile."""

    def __init__(self, tree: Path) -> None:
        self.home = f"{tree / 'wic'}/"
        self.calls: Counter[tuple[str, str]] = Counter()
        self.made: list[str] = []
        self._names: dict[Any, str | None] = {}

    def start(self) -> None:
        self.calls.clear()
        self.made.clear()
        sys.setprofile(self._profile)

    def stop(self) -> None:
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code.co_name == "__init__" and "self" in frame.f_locals:
            kind = type(frame.f_locals["self"])
            if kind.__module__.startswith(("wic.registration", "wic.client", "wic.errors")):
                self.made.append(f"{kind.__module__}.{kind.__qualname__}")
        if code.co_filename.startswith(self.home) and not re.search(r"<(\w+comp|genexpr)>", code.co_name):
            self.calls[code.co_filename.removeprefix(self.home), code.co_qualname] += 1


class MemoryConnection:
    """The client's end of a connection that leads nowhere; what is written is kept."""

    def __init__(self, handler: Any, flow: Any) -> None:
        self.handler, self.flow = handler, flow
        self.on_write: Callable[[bytes], None] = lambda data: None

    def keep_alive(self, how: object) -> None:
        """Look after nothing: the peer is this program."""

    def send(self, data: bytes) -> None:
        self.on_write(data)

    async def close(self, reason: str = "") -> None:
        """End nothing."""

    def abort(self, reason: str = "") -> None:
        """End nothing."""


ACCOUNT = """
[accounts.alice]
server = "wss://127.0.0.1:8443/"
impu = "sip:alice@ims.example"
impi = "alice@ims.example"
password = "sesame"
"""


class Scene:
    """Clients of one account, each at a connection in memory."""

    def __init__(self, tree: Path) -> None:
        from wic.client import Account
        from wic.sip.flow import Flow

        self.recorder = Recorder(tree)
        self.flow = Flow("WSS", ("127.0.0.1", 40000), ("127.0.0.1", 8443))
        self.connection: MemoryConnection
        self.on_write: Callable[[bytes], None] = lambda data: None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "accounts.toml")
            path.write_text(ACCOUNT, encoding="utf-8")
            path.chmod(0o600)
            self.account = Account.load("alice", path)

    async def dial(self, url: str, handler: Any) -> MemoryConnection:
        self.connection = MemoryConnection(handler, self.flow)
        self.connection.on_write = self.on_write
        handler.opened(self.connection)
        return self.connection

    def client(self) -> Any:
        from wic.client import Client, ClientOptions

        return Client(self.account, ClientOptions(dial=self.dial, reg_event=False))

    def answer(self, request: bytes, status: str, *headers: str) -> None:
        kept = [line for line in request.decode().split("\r\n") if re.match("(Via|From|To|Call-ID|CSeq):", line)]
        kept = [f"{line};tag=r1" if line.startswith("To:") else line for line in kept]
        text = "\r\n".join([f"SIP/2.0 {status}", *kept, *headers, "Content-Length: 0", "", ""])
        asyncio.get_running_loop().call_soon(self.connection.handler.received, self.flow, text.encode())


def path_of_a_register(tree: Path) -> Counter[tuple[str, str]]:
    """Count the calls from `Client.__aenter__` to the first write."""

    async def run() -> Counter[tuple[str, str]]:
        scene = Scene(tree)
        written = asyncio.Event()

        def write(data: bytes) -> None:
            scene.recorder.stop()
            written.set()

        scene.on_write = write
        for _ in range(2):
            written.clear()
            client = scene.client()
            scene.recorder.start()
            task = asyncio.ensure_future(client.__aenter__())
            await written.wait()
            counted = Counter(scene.recorder.calls)
            scene.on_write = lambda data: None
            scene.connection.on_write = scene.on_write
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            scene.on_write = write
        return counted

    return asyncio.run(run())


def values_of_a_refusal(tree: Path) -> list[str]:
    """Return the kinds of values between a 403 that answers a refresh, and the error and the event that tell of it.

    Members of enumerations are made once, so that a verdict that is one is not counted.
    """

    async def run() -> list[str]:
        scene = Scene(tree)
        refused: list[str] = []
        lost = asyncio.Event()
        told: list[object] = []

        def write(data: bytes) -> None:
            if b"\r\nCSeq: 1 REGISTER" in data:
                contact = re.search(rb"(?m)^Contact: ([^\r]+)", data)
                assert contact is not None
                scene.answer(data, "200 OK", f"Contact: {contact[1].decode()};expires=600")
            elif not told:
                told.append(data)
                scene.answer(data, "403 Forbidden")
                asyncio.get_running_loop().call_soon(lambda: None)
                scene.recorder.start()

        def hear(event: object) -> None:
            if type(event).__name__ == "RegistrationLost":
                scene.recorder.stop()
                refused.extend(scene.recorder.made)
                lost.set()

        scene.on_write = write
        client = scene.client()
        client.on_event(hear)
        await client.__aenter__()
        await lost.wait()
        await client.__aexit__(None, None, None)
        return refused

    from wic.transport.virtual_time import VirtualTimeLoop

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:  # the refresh is due in half of 600 s
        made = runner.run(run())
    ends = ("wic.errors.", "wic.client.events.", "wic.registration.identities.")
    return [kind for kind in dict.fromkeys(made) if not kind.startswith(ends)]


# the report


def measure(tree: Path) -> dict[str, tuple[str, list[str]]]:
    """Return each figure with what stands behind it."""
    path = path_of_a_register(tree)
    refusal = values_of_a_refusal(tree)
    files = sorted({file for file, _ in path})
    counted = lines(tree)
    return {
        "path": (
            f"{sum(path.values())} calls of {len(path)} functions in {len(files)} files",
            [f"{count} {file} {function}" for (file, function), count in path.items()],
        ),
        "refusal": (f"{len(refusal)}", refusal),
        "deciding": (f"{len(found := deciding_modules(tree))}", found),
        "dicts": (f"{len(found := dicts_by_flow(tree))}", found),
        "names": (f"{len(found := equal_class_names(tree))}", found),
        "circles": (f"{len(found := import_circles(tree))}", found),
        "machines": (f"{len(found := machines_without_table(tree))}", found),
        "lines": (f"{sum(int(each.split()[0]) for each in counted)} in {len(counted)} files", counted),
        "riddles": (f"{len(found := riddles(tree))}", found),
    }


TITLES = {
    "path": "from Client.__aenter__ to the first write",
    "refusal": "kinds of values between a refusal and its error",
    "deciding": "modules that decide what follows a failed registration",
    "dicts": "dicts keyed by flow or owner at the eP-CSCF",
    "names": "classes of equal name",
    "circles": "import circles",
    "machines": "state machines without a table",
    "lines": "lines of wic",
    "riddles": "riddles: docstrings that ask, persons without a name",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of the structure of the code.")
    parser.add_argument("tree", nargs="?", type=Path, default=ROOT, help="a checkout [default: this one]")
    parser.add_argument("--list", choices=TITLES, help="print what stands behind one figure")
    arguments = parser.parse_args()
    tree = arguments.tree.resolve()
    sys.path.insert(0, str(tree))
    figures = measure(tree)
    if arguments.list:
        print(*figures[arguments.list][1], sep="\n")
    for key, title in TITLES.items():
        print(f"{title:58} {figures[key][0]}")


if __name__ == "__main__":
    main()
