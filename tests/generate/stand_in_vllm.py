"""As much of `vllm serve` as an engine of ours asks for; put on PATH as `vllm`.

SAYS: what it dies of at its start. ANSWERS: how many prompts it answers, until it ends.
UNUSED: the layers of each adapter that it has no use for.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

given = dict(one.lstrip("-").partition("=")[::2] for one in sys.argv if one.startswith("--"))
modules = sys.argv[sys.argv.index("--lora-modules") + 1 :] if "--lora-modules" in sys.argv else []
names = [given["served-model-name"], *(json.loads(one)["name"] for one in modules)]
left = int(os.environ.get("ANSWERS", "1000"))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.say({"data": [{"id": name, "max_model_len": 256} for name in names]})

    def do_POST(self):
        global left
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not left:
            print("(EngineCore pid=7) ERROR 11-29 21:00:00 [core.py:9] ValueError: no blocks left")
            print("RuntimeError: Engine core died. See root cause above.", flush=True)
            os._exit(1)
        left -= 1
        with Path("asked.jsonl").open("a") as lines:
            print(json.dumps(asked), file=lines)
        choices = [{"index": i, "token_ids": [5, 6 + i]} for i in reversed(range(asked["n"]))]
        self.say({"choices": choices})

    def say(self, row):
        body = json.dumps(row).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


Path("argv.json").write_text(json.dumps(sys.argv[1:]))
if said := os.environ.get("SAYS"):
    sys.exit(said)
for i in range(1, len(names)):
    folder = Path(os.environ["PYTHONPATH"].split(os.pathsep)[0])
    (folder / f"{i}.7.unused").write_text(os.environ["UNUSED"])
HTTPServer((given["host"], int(given["port"])), Handler).serve_forever()
