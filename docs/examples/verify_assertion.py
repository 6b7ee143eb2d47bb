"""Verifies Vouchsafe's signed assertion (the header X-Vouchsafe-Assertion) in an application.

    pip install joserfc

    verifier = Verifier(
        issuer="https://auth.example.com/",                          # portal.url, with its slash
        audience="app.example.com",                                  # the application's own host
        keys="https://auth.example.com/.well-known/jwks.json",
    )
    claims = verifier.verify(request.headers["X-Vouchsafe-Assertion"])   # or ValueError: answer 401
    user = claims["sub"]

What must not be left out:
- issuer, audience and the keys' URL come from your configuration, never from the request or the token;
- the algorithms are these two, whatever the token says about itself;
- the header is there exactly once. None, or an empty one: nobody is logged in.

As a program, for trying: it reads one token from standard input and prints its claims.
"""

import json
import time
import urllib.request

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ALGORITHMS = ["EdDSA", "ES256"]
LEEWAY = 5  # seconds that the clocks of the two machines may differ
KEEP = 300  # seconds that keys are kept, as the answer's Cache-Control says
AGAIN = 10  # seconds between two fetches because of a key that is not known


class Verifier:
    """Keeps the keys; one for the whole application."""

    def __init__(self, issuer, audience, keys):
        self.issuer, self.audience, self.url = issuer, audience, keys
        self.keys, self.fetched = {}, None

    def verify(self, token, now=None):
        """The claims of a good token; ValueError says what is wrong with any other."""
        now = int(time.time() if now is None else now)
        try:
            # The key alone has chosen: an Ed25519 key verifies no HS256, and no key verifies `none`.
            claims = jwt.decode(token, self._key, algorithms=ALGORITHMS).claims
            jwt.JWTClaimsRegistry(
                now=now,
                leeway=LEEWAY,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self.audience},
                sub={"essential": True},
                iat={"essential": True},
                nbf={"essential": True},
                exp={"essential": True},
            ).validate(claims)
        except (JoseError, ValueError) as error:
            raise ValueError(f"refused: {error}") from error
        return claims

    def _key(self, token):
        """The published key that the token names; the name is for looking it up and for nothing else."""
        kid = token.headers().get("kid")
        age = None if self.fetched is None else time.monotonic() - self.fetched
        if age is None or age > KEEP or (kid not in self.keys and age > AGAIN):
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                keys = KeySet.import_key_set(json.load(answer)).keys
            self.keys = {key.kid: key for key in keys}
            self.fetched = time.monotonic()
        if kid not in self.keys:
            raise ValueError("signed with a key that is not published")
        return self.keys[kid]


if __name__ == "__main__":
    import argparse
    import sys

    parser = argparse.ArgumentParser()
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", required=True)
    parser.add_argument("--keys", required=True)
    parser.add_argument("--now", type=int, help="seconds since 1970 instead of the clock")
    arguments = parser.parse_args()
    verifier = Verifier(arguments.issuer, arguments.audience, arguments.keys)
    try:
        print(json.dumps(verifier.verify(sys.stdin.read().strip(), arguments.now)))
    except ValueError as error:
        sys.exit(str(error))
