#!/usr/bin/env bash
# The AWS CLI calls functions through Merit.
set -euo pipefail
out=$TMPDIR/out

fail() {
  echo "failed: $*" >&2
  exit 1
}

"$AWS" lambda invoke --function-name echo --payload '{"größe": "日本"}' "$out" --query '[StatusCode,ExecutedVersion]' --output text |
  grep -qP '^200\t\$LATEST$' || fail "a plain call"
grep -q '{"größe": "日本"}' "$out" || fail "its reply: $(cat "$out")"
echo "ok a plain call"

"$AWS" lambda invoke --function-name echo:prod --log-type Tail "$out" --query LogResult --output text |
  base64 -d | grep -q 'REPORT RequestId' || fail "the tail of the log"
echo "ok the tail of the log of an alias"

"$AWS" lambda invoke --function-name raises "$out" --query FunctionError --output text | grep -q '^Unhandled$' || fail "a function's error"
grep -q 'no such order' "$out" || fail "a function's error: $(cat "$out")"
echo "ok a function's error"

"$AWS" lambda invoke --function-name echo --invocation-type DryRun "$out" --query StatusCode --output text | grep -q '^204$' || fail "a dry run"
echo "ok a dry run"

"$AWS" lambda invoke --function-name later --invocation-type Event --payload '"cli"' "$out" --query StatusCode --output text | grep -q '^202$' || fail "an event"
echo "ok an event"

"$AWS" lambda list-functions --endpoint-url "$AWS_ENDPOINT_URL_LAMBDA/aws" --query 'length(Functions)' --output text | grep -q '^7$' || fail "the list"
echo "ok the list, below /aws"

status=0
AWS_SECRET_ACCESS_KEY=wrong "$AWS" lambda invoke --function-name echo "$out" 2>"$out" || status=$?
[ $status -ne 0 ] && grep -q InvalidSignatureException "$out" || fail "a wrong secret: $status $(cat "$out")"
echo "ok a wrong secret"
