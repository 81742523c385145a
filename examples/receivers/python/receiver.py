"""A receiver of callbacks to start from: PORT=9000 WEBHOOK_SECRET=whsec_… python receiver.py"""

import json
import os
import signal
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

# More than Posthorn sends: `data` of up to 1 MiB and what is around it.
MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_REMEMBERED = 100_000

webhook = Webhook(os.environ["WEBHOOK_SECRET"])

# Ids of what was handled, the oldest first.
# In earnest: a table where the id is unique, written in the transaction that does the work.
handled: dict[str, None] = {}
lock = threading.Lock()


def handle(webhook_id: str, body: bytes) -> None:
    """Does the work, or puts it where it is safe to be done later: the sender waits for 15 s at most."""
    event = json.loads(body)
    print(f"handled {webhook_id} {event['type']}\n{body.decode()}", flush=True)


class Receiver(BaseHTTPRequestHandler):
    timeout = 10  # seconds that a read may take

    def do_POST(self) -> None:
        try:
            status = self.receive()
        except Exception:
            traceback.print_exc()
            status = 500  # and the sender tries again
        self.send_response(status)
        self.end_headers()

    def receive(self) -> int:
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return 411
        body = self.rfile.read(min(int(length), MAX_BODY_BYTES + 1))
        if len(body) > MAX_BODY_BYTES:
            return 413
        try:
            # Over the body as it came: JSON that was parsed and written again is other bytes.
            webhook.verify(body, dict(self.headers), json_parse=False)
        except (WebhookVerificationError, ValueError) as error:  # ValueError: what cannot be decoded at all
            print(f"refused: {error}", file=sys.stderr)
            return 401
        webhook_id = self.headers["webhook-id"]
        # Delivery is at least once: an answer can get lost, and a replay comes with the same id.
        with lock:
            if webhook_id not in handled:
                handle(webhook_id, body)
                handled[webhook_id] = None
                if len(handled) > MAX_REMEMBERED:
                    del handled[next(iter(handled))]
        return 204


class Server(ThreadingHTTPServer):
    daemon_threads = False  # so that the end waits for requests under way
    request_queue_size = 128


def stop(*_: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    with Server(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
