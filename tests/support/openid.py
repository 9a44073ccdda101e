"""A small OpenID provider on loopback: discovery, codes with PKCE, RS256 tokens, keys, userinfo. Real HTTP."""

import base64
import hashlib
import json
import secrets
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "andon", "a secret of two"


@cache
def _key():
    """One key for all: making one takes a while, and no test asks for two."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """Signs everyone in as `claims` says, or refuses with `error`."""

    def __init__(self):
        self.key = _key()
        self.claims, self.error, self.asked, self.broken = {}, "", [], False
        self._codes, self._granted = {}, {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.get(self)

            def do_POST(self):
                provider.post(self)

            def log_message(self, *_args):
                """Nothing: the test says what matters."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        """Be gone; more than once is the same."""
        self.server.shutdown()
        self.server.server_close()

    def settings(self):
        """What ANDON_OIDC_* become in Django's settings."""
        return {
            "openid_connect": {
                "OAUTH_PKCE_ENABLED": True,
                "APPS": [
                    {
                        "provider_id": "sso",
                        "name": "Example sign-on",
                        "client_id": CLIENT_ID,
                        "secret": CLIENT_SECRET,
                        "settings": {"server_url": self.issuer},
                    }
                ],
            }
        }

    def get(self, request):
        path, query = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
        self.asked.append(path)
        if self.broken:
            self._json(request, {"error": "server_error"}, 500)
        elif path == "/.well-known/openid-configuration":
            self._json(request, self._discovery())
        elif path == "/jwks":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            self._json(request, {"keys": [key | {"kid": "one", "use": "sig", "alg": "RS256"}]})
        elif path == "/authorize":
            self._authorize(request, {name: values[0] for name, values in query.items()})
        elif path == "/userinfo":
            token = request.headers["Authorization"].removeprefix("Bearer ")
            self._json(request, self._granted[token])
        else:
            self._json(request, {"error": "not_found"}, 404)

    def post(self, request):
        self.asked.append(request.path)
        body = request.rfile.read(int(request.headers["Content-Length"])).decode()
        given = {name: values[0] for name, values in parse_qs(body).items()}
        asked = self._codes.pop(given["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or (given["client_id"], given["client_secret"]) != (CLIENT_ID, CLIENT_SECRET)
            or challenge.rstrip(b"=").decode() != asked["code_challenge"]
            or given["redirect_uri"] != asked["redirect_uri"]
        ):
            self._json(request, {"error": "invalid_grant"}, 400)
            return
        now, access = int(time.time()), secrets.token_urlsafe()
        self._granted[access] = dict(self.claims)
        claims = self.claims | {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 60}
        token = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "one"})
        self._json(request, {"access_token": access, "token_type": "Bearer", "expires_in": 60, "id_token": token})

    def _authorize(self, request, asked):
        if self.error:
            answer = {"error": self.error, "state": asked["state"]}
        else:
            code = secrets.token_urlsafe()
            self._codes[code] = asked
            answer = {"code": code, "state": asked["state"]}
        request.send_response(302)
        request.send_header("Location", f"{asked['redirect_uri']}?{urlencode(answer)}")
        request.end_headers()

    def _discovery(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    @staticmethod
    def _json(request, body, status=200):
        data = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)
