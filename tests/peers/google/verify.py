"""Verifies an assertion the way Google's own library reads one.

Arguments: the public key's file, and the audience the token is wanted for. The form is read from stdin.
Prints "verified" and the claims' address when everything holds.
"""

import sys
from urllib.parse import parse_qs

from google.auth import crypt, jwt

key, audience = sys.argv[1:]
form = {name: values[0] for name, values in parse_qs(sys.stdin.read(), strict_parsing=True).items()}
assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", form["grant_type"]

assertion = form["assertion"]
with open(key, "rb") as file:
    verifier = crypt.RSAVerifier.from_string(file.read())
signed, _, signature = assertion.rpartition(".")
padded = signature + "=" * (-len(signature) % 4)
import base64  # noqa: E402

assert verifier.verify(signed.encode(), base64.urlsafe_b64decode(padded)), "the signature does not hold"

header = jwt.decode_header(assertion)
assert (header["alg"], header["typ"], header["kid"]) == ("RS256", "JWT", "kid1"), header
# Checks what times there are, and that all parts are those of a token.
claims = jwt.decode(assertion, verify=False)
assert claims["aud"] == "https://oauth2.googleapis.com/token", claims
assert claims["target_audience"] == audience, claims
assert claims["exp"] - claims["iat"] == 3600, claims
jwt._verify_iat_and_exp(claims, clock_skew_in_seconds=10)
print("verified", claims["iss"])
