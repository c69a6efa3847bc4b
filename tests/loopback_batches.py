"""A server of batch jobs on 127.0.0.1: OpenAI's files and batches, Gemini's and Anthropic's.

    with LoopbackBatches() as server:
        ...  # ask server.url; server.jobs and server.asked say what was handed in

It answers as tests/loopback_judge.py's judge does, in an order of its own. Jobs take one step of
their course a look. `python -m tests.loopback_batches` serves it from a shell.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.loopback_judge import Behaviour, completion, reply_text

COURSE = ("validating", "in_progress", "finalizing", "completed")
ENDED = ("completed", "failed", "expired", "cancelled")
BOUNDARY = re.compile(rb"\r\n\r\n(.*?)\r\n--", re.S)

# What becomes of a row of a job: answered, or one of these.
Fate = str  # "answered" | "expired" | "missing" | "status 429" ...
Hook = Callable[[str, "Job"], None]


@dataclass
class Job:
    """One batch job as the server has it."""

    id: str
    number: int
    rows: list[dict[str, Any]]
    course: Sequence[str]
    file: str | None = None
    metadata: Mapping[str, str] | None = None
    steps: int = 0
    cancelled: bool = False
    created: float = 0.0
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        if self.cancelled and self.last not in ("completed", "failed", "expired"):
            return "cancelled"
        return self.last

    @property
    def last(self) -> str:
        return self.course[min(self.steps, len(self.course) - 1)]


@dataclass
class LoopbackBatches:
    """The server; a context manager.

    course: the states of a job, one a look; courses: those of the first jobs, by number.
    fate: what becomes of a row, by the job's number and the request's body.
    hook: is told what happens ("uploaded", "created", "listed", "looked", "read") before it is
        answered; what it raises breaks the connection.
    """

    behaviour: Behaviour = field(default_factory=Behaviour)
    course: Sequence[str] = COURSE
    courses: Mapping[int, Sequence[str]] = field(default_factory=dict)
    fate: Callable[[int, Mapping[str, Any]], Fate] = lambda number, body: "answered"
    hook: Hook = lambda event, job: None
    says: Mapping[int, str] = field(default_factory=dict)  # instead of the judge, by the job
    why: Sequence[Mapping[str, str]] = ({"code": "server_error", "message": "it broke"},)
    has_batches: bool = True
    hidden: bool = False  # jobs are taken in, and looks at them refused
    keeps_files: bool = False
    deleted: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    live: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    port: int = 0

    def __enter__(self) -> LoopbackBatches:
        server = self

        class Handler(_Handler):
            batches = server

        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_port
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"

    def begin(self, rows: list[dict[str, Any]], **facts: Any) -> Job:
        """Take a job in."""
        number = len(self.jobs)
        course = self.courses.get(number, self.course)
        created = datetime.datetime.now().timestamp()
        job = Job(f"batch_{number}", number, rows, course, created=created, **facts)
        self.jobs.append(job)
        self.asked.update(row["custom_id"] for row in rows)
        return job

    def happened(self, event: str, job: Job) -> None:
        """Count what happens, and tell the hook."""
        with self._lock:
            self.events[event] += 1
        self.hook(event, job)


class _Handler(BaseHTTPRequestHandler):
    batches: LoopbackBatches
    protocol_version = "HTTP/1.1"

    def log_message(self, *said: object) -> None:
        pass

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answered(lambda: self._post(self.path.partition("?")[0], raw))

    def do_GET(self) -> None:
        self._answered(lambda: self._get(self.path.partition("?")[0]))

    def do_DELETE(self) -> None:
        self._answered(lambda: self._delete(self.path.partition("?")[0].split("/files/")[-1]))

    def _delete(self, file: str) -> tuple[int, Any]:
        self.batches.happened("deleted", Job("", -1, [], COURSE))
        if self.batches.keeps_files:
            return 500, {"error": {"message": "not now"}}
        self.batches.deleted.append(file)
        return 200, {"id": file, "object": "file", "deleted": True}

    def _answered(self, work: Callable[[], tuple[int, Any]]) -> None:
        self.batches.headers.append({k.lower(): v for k, v in self.headers.items()})
        try:
            status, body = work()
            if isinstance(body, int):  # a refusal
                status = body
            text = body if isinstance(body, str) else json.dumps(body)
        except ConnectionError:
            self.close_connection = True
            self.connection.close()
            return
        data = text.encode()
        self.send_response(status)
        for name, value in getattr(self, "extra", {}).items():
            self.send_header(name, value)
        self.extra: dict[str, str] = {}
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _post(self, path: str, raw: bytes) -> tuple[int, Any]:
        server = self.batches
        if path.endswith("/chat/completions"):
            body = json.loads(raw)
            server.live.append(body)
            text = completion(reply_text(body["messages"], server.behaviour))
            return 200, json.loads(text)
        if not server.has_batches:
            return 404, {"detail": "Not Found"}
        if path == "/upload/v1beta/files":
            self.extra = {"X-Goog-Upload-URL": f"http://{server.host}/upload/session"}
            return 200, {}
        if path == "/upload/session":
            return 200, {"file": {"name": self._kept("files/", raw.decode())}}
        if path.endswith("/files"):
            found = BOUNDARY.findall(raw)
            content = max(found, key=len).decode()
            return 200, {"id": self._kept("file-", content), "object": "file", "purpose": "batch"}
        if path.endswith(("/cancel", ":cancel")):
            job = self._job(re.split(r"[/:]", path)[-2])
            job.cancelled = True
            return 200, self._shown(job)
        if path.endswith("/messages/batches"):
            rows = json.loads(raw)["requests"]
            job = server.begin([{"custom_id": r["custom_id"], "body": r["params"]} for r in rows])
            server.happened("created", job)
            return 200, self._shown_messages(job)
        if path.endswith("/batches"):
            return self._create(json.loads(raw))
        return 404, {"error": {"message": f"no {path}"}}

    def _kept(self, start: str, content: str) -> str:
        server = self.batches
        name = f"{start}{len(server.files)}"
        server.files[name] = content
        server.happened("uploaded", Job("", -1, [], COURSE))
        return name

    def _create(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        server = self.batches
        file = body["input_file_id"]
        rows = [json.loads(line) for line in server.files[file].splitlines()]
        job = server.begin(rows, file=file, metadata=body.get("metadata"))
        server.happened("created", job)
        return 200, self._shown(job)

    def _get(self, path: str) -> tuple[int, Any]:
        server = self.batches
        if path.endswith("/results"):
            return self._read(self._job(path.split("/")[-2]), messages=True)
        if path.endswith(("/content", ":download")):
            name = re.split(r"files/", path.removesuffix("/content").removesuffix(":download"))[-1]
            if name in server.deleted:
                return 404, {"error": {"message": f"no file {name}"}}
            kind, _, id = name.partition("-of-")
            return self._read(self._job(id), errors=kind == "errors")
        if path.endswith("/batches"):
            messages = "/messages/" in path
            server.happened("listed", Job("", -1, [], COURSE))
            shown = self._shown_messages if messages else self._shown
            return 200, {"data": [shown(job) for job in reversed(server.jobs)], "has_more": False}
        job = self._job(path.split("/")[-1])
        if server.hidden:
            return 401, {"error": {"message": "no such key"}}
        server.happened("looked", job)
        shown = self._shown_messages(job) if "/messages/" in path else self._shown(job)
        job.steps += 1
        return 200, shown

    def _job(self, id: str) -> Job:
        return next(job for job in self.batches.jobs if job.id == id.removeprefix("batches/"))

    def _read(self, job: Job, errors: bool = False, messages: bool = False) -> tuple[int, Any]:
        self.batches.happened("read", job)
        rows = sorted(job.rows, key=lambda row: hashlib.sha256(row["custom_id"].encode()).digest())
        made = [self._row(job, row, messages) for row in rows]
        kept = [row for failed, row in made if row and (messages or failed == errors)]
        return 200, "\n".join(map(json.dumps, kept))

    def _fate(self, job: Job, row: Mapping[str, Any]) -> Fate:
        given = self.batches.fate(job.number, row["body"])
        if job.state in ("expired", "cancelled") and given == "answered":
            half = int(hashlib.sha256(row["custom_id"].encode()).hexdigest(), 16) % 2
            return "answered" if half else job.state
        return given

    def _row(self, job: Job, row: Mapping[str, Any], messages: bool) -> tuple[bool, Any]:
        """Whether it stands among the errors, and the row."""
        fate, key = self._fate(job, row), row["custom_id"]
        if fate == "missing":
            return False, None
        if messages:
            return False, {"custom_id": key, "result": self._result(fate, row["body"])}
        if fate == "answered":
            status, text = self._said(job, row["body"])
            response = {"status_code": status, "request_id": "r", "body": json.loads(text)}
            return status != 200, {
                "id": "x",
                "custom_id": key,
                "response": response,
                "error": None,
            }
        if fate.startswith("status "):
            status, _, words = fate.removeprefix("status ").partition(" ")
            body = {"error": {"message": words or "refused", "type": "x", "code": None}}
            response = {"status_code": int(status), "request_id": "r", "body": body}
            return True, {"id": "x", "custom_id": key, "response": response, "error": None}
        error = {"code": f"batch_{fate}", "message": f"This request was {fate}."}
        return True, {"id": "x", "custom_id": key, "response": None, "error": error}

    def _said(self, job: Job, body: dict[str, Any]) -> tuple[int, bytes]:
        """By the behaviour's script where it has one."""
        behaviour = self.batches.behaviour
        if behaviour.script is not None and (answer := behaviour.script(body)) is not None:
            return answer[0], answer[2]
        said = reply_text(body["messages"], behaviour)
        return 200, completion(self.batches.says.get(job.number, said))

    def _result(self, fate: Fate, body: Mapping[str, Any]) -> Any:
        if fate == "answered":
            said = reply_text(body["messages"], self.batches.behaviour)
            message = {
                "model": "loopback-1",
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": said},
                ],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 100, "output_tokens": 10},
            }
            return {"type": "succeeded", "message": message}
        if fate.startswith("status "):
            kind = "overloaded_error" if "529" in fate else "invalid_request_error"
            error = {"type": kind, "message": fate}
            return {"type": "errored", "error": {"type": "error", "error": error}}
        return {"type": {"cancelled": "canceled"}.get(fate, fate)}

    def _shown(self, job: Job) -> dict[str, Any]:
        ended = job.state in ENDED and job.state != "failed"
        row: dict[str, Any] = {
            "id": job.id if not job.file or "/" not in job.file else f"batches/{job.id}",
            "object": "batch",
            "status": job.state,
            "input_file_id": job.file,
            "metadata": job.metadata,
            "request_counts": {
                "total": len(job.rows),
                "completed": len(job.rows) if ended else 0,
                "failed": 0,
            },
        }
        start = "files/" if job.file and "/" in job.file else ""
        if ended:
            row["output_file_id"] = f"{start}answers-of-{job.id}"
            row["error_file_id"] = f"{start}errors-of-{job.id}"
        if job.state == "failed":
            row["errors"] = {"object": "list", "data": list(self.batches.why)}
        return row

    def _shown_messages(self, job: Job) -> dict[str, Any]:
        ended = job.state in ENDED
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        counts["succeeded" if ended else "processing"] = len(job.rows)
        at = datetime.datetime.fromtimestamp(job.created, datetime.UTC).isoformat()
        return {
            "id": job.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "created_at": at,
            "cancel_initiated_at": at if job.cancelled else None,
            "request_counts": counts,
            "results_url": "http://elsewhere.invalid/results",
        }


def main() -> None:
    """Serve until stopped; the first line printed is the address."""
    with LoopbackBatches() as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
