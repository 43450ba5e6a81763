"""Verifies assertions the way Google's own library reads them.

Reads one JSON object a line from stdin: the public key (PEM), its id, the audience that a token is wanted for, the form that
was sent, the time at which it was made, in seconds since 1970, and for how many seconds the assertion is good. Prints
"verified" and the claims' address for each.
"""

import base64
import datetime
import json
import sys
from unittest import mock
from urllib.parse import parse_qs

from google.auth import crypt, jwt


def verify(asked):
    form = {name: values[0] for name, values in parse_qs(asked["form"], strict_parsing=True).items()}
    assert sorted(form) == ["assertion", "grant_type"], form
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", form["grant_type"]

    assertion = form["assertion"]
    signed, _, signature = assertion.rpartition(".")
    padded = signature + "=" * (-len(signature) % 4)
    verifier = crypt.RSAVerifier.from_string(asked["public"])
    assert verifier.verify(signed.encode(), base64.urlsafe_b64decode(padded)), "the signature does not hold"

    header = jwt.decode_header(assertion)
    assert (header["alg"], header["typ"], header["kid"]) == ("RS256", "JWT", asked["kid"]), header
    # Checks what times there are, and that all parts are those of a token.
    claims = jwt.decode(assertion, verify=False)
    assert claims["aud"] == "https://oauth2.googleapis.com/token", claims
    assert claims["target_audience"] == asked["audience"], claims
    assert claims["exp"] - claims["iat"] == asked["lifetime"], claims
    now = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=asked["now"])
    with mock.patch("google.auth._helpers.utcnow", return_value=now):
        jwt._verify_iat_and_exp(claims, clock_skew_in_seconds=10)
    return claims["iss"]


for line in sys.stdin:
    print("verified", verify(json.loads(line)))
