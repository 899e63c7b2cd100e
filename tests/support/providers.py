"""OpenID Connect providers: a real one (npm's oidc-provider, run by node), and one whose answers a test may falsify."""

import hashlib
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from ports import free_port
from servers import START_SECONDS
from shared import made_once
from tools import ROOT, not_checked, tool

PLACE = ROOT / "apps" / "query" / "tests" / "oidc"
FILES = ("package.json", "package-lock.json", "provider.mjs")
TOOLS = ROOT / ".tools"


def install() -> Path:
    """Install the real provider's packages if they aren't, and return their folder. Other tests' processes wait for it meanwhile."""
    TOOLS.mkdir(exist_ok=True)
    digest = hashlib.sha256(b"".join((PLACE / name).read_bytes() for name in FILES)).hexdigest()
    return made_once(TOOLS / f"oidc-{digest[:8]}", _install)


def _install(folder: Path) -> None:
    npm = tool("npm")
    folder.mkdir(exist_ok=True)
    for name in FILES:
        shutil.copy(PLACE / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    if subprocess.run(command, cwd=folder, check=False).returncode != 0:
        not_checked("oidc-provider can't be fetched (npm ci failed)")


@contextmanager
def real_provider(redirect_uri: str) -> Iterator[str]:
    """The issuer of a real provider that serves."""
    node, port = tool("node"), free_port()
    command = [node, "provider.mjs", str(port), redirect_uri]
    with subprocess.Popen(command, cwd=install(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                assert process.poll() is None, "the provider didn't start"
                assert time.monotonic() < deadline
                try:
                    requests.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration", timeout=5)
                    break
                except requests.RequestException:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


class LyingProvider:
    """A provider whose answers a test may falsify. `make` gets valid claims and returns an ID token.

    Attributes:
        redeemed: the forms that were sent to redeem codes.
        fetched: how often its keys were fetched.
        status: the status of its answers to codes.
        seconds: how long it waits before each answer.
        said: a body for all answers, in place of the right one.
    """

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one"})
        self.reset()
        self._end = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self, "")

            def do_POST(self) -> None:
                outer._answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,)).start()

    def reset(self) -> None:
        """Answer correctly again, and drop what was recorded."""
        self.listed = [self.key]
        self.redeemed: list[dict[str, str]] = []
        self.fetched = 0
        self.status, self.seconds = 200, 0.0
        self.said: bytes | None = None
        self.metadata: dict[str, Any] = {}
        self.nonce = ""
        self.make: Callable[[dict[str, Any]], str] = self.sign

    def close(self) -> None:
        """Stop the server."""
        self._end.set()
        self.server.shutdown()
        self.server.server_close()

    def claims(self) -> dict[str, Any]:
        """The claims of a valid ID token."""
        now = int(time.time())
        return {
            "iss": self.issuer, "sub": "7", "aud": "tracker", "iat": now, "exp": now + 60, "nonce": self.nonce,
            "email": "zoe@example.com", "email_verified": True, "groups": ["staff"],
        }  # fmt: skip

    def sign(self, claims: dict[str, Any], key: RSAKey | None = None) -> str:
        """Sign an ID token."""
        key = key or self.key
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)

    def sign_by_public_key(self, claims: dict[str, Any]) -> str:
        """Sign an ID token by HMAC, with the public key as the secret."""
        secret = OctKey.import_key(self.key.as_pem(private=False).replace(b"-----", b""))
        return jwt.encode({"alg": "HS256", "kid": "one"}, claims, secret, algorithms=["HS256"])

    def _answer(self, request: BaseHTTPRequestHandler, body: str) -> None:
        self._end.wait(self.seconds)
        path, status, answer = urlsplit(request.path).path, 200, {}
        if path == "/.well-known/openid-configuration":
            answer = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.metadata,
            }
        elif path == "/keys":
            self.fetched += 1
            answer = {"keys": [{"kty": "new"}, *(key.as_dict(private=False) for key in self.listed)]}
        elif path == "/token":
            self.redeemed.append({name: values[0] for name, values in parse_qs(body).items()})
            status = self.status
            answer = {"error": "invalid_grant"} if status == 400 else {"id_token": self.make(self.claims())}
        sent = self.said or json.dumps(answer).encode()
        try:
            request.send_response(status)
            if 300 <= status < 400:
                request.send_header("Location", f"{self.issuer}/elsewhere")
            request.send_header("Content-Length", str(len(sent)))
            request.end_headers()
            request.wfile.write(sent)
        except OSError:
            pass  # the client has closed the connection
