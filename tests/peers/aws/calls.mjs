// The AWS SDK for JavaScript calls functions through Merit.

import assert from "node:assert/strict";
import {
  GetFunctionCommand,
  InvokeCommand,
  InvokeWithResponseStreamCommand,
  LambdaClient,
  ResourceNotFoundException,
  TooManyRequestsException,
  paginateListFunctions,
} from "@aws-sdk/client-lambda";

const endpoint = process.env.AWS_ENDPOINT_URL_LAMBDA;
const lambda = new LambdaClient({ maxAttempts: 1 });
const text = (bytes) => Buffer.from(bytes ?? []).toString();
const invoke = (FunctionName, more = {}) => lambda.send(new InvokeCommand({ FunctionName, ...more }));

const scenarios = {
  async "a plain call"() {
    const answer = await invoke("echo", { Payload: JSON.stringify({ größe: "日本 🚀" }) });
    assert.equal(answer.StatusCode, 200);
    assert.equal(answer.ExecutedVersion, "$LATEST");
    assert.equal(text(answer.Payload), JSON.stringify({ größe: "日本 🚀" }));
    assert.match(answer.$metadata.requestId, /^[0-9a-f-]{36}$/);
  },
  async "no payload"() {
    assert.equal(text((await invoke("echo")).Payload), "");
  },
  async "six megabytes"() {
    const payload = Buffer.alloc(6 * 1024 * 1024, "x");
    assert.ok(payload.equals(Buffer.from((await invoke("echo", { Payload: payload })).Payload)));
  },
  async "the tail of the log"() {
    const answer = await invoke("echo", { LogType: "Tail" });
    assert.match(Buffer.from(answer.LogResult, "base64").toString(), /^REPORT RequestId: \S+\tDuration: /m);
  },
  async "by ARN and qualifier"() {
    const arn = "arn:aws:lambda:us-east-1:123456789012:function:echo:prod";
    assert.equal((await invoke(arn, { Payload: "1" })).StatusCode, 200);
    assert.equal((await invoke("echo", { Payload: "1", Qualifier: "$LATEST" })).StatusCode, 200);
  },
  async "a dry run"() {
    assert.equal((await invoke("echo", { InvocationType: "DryRun" })).StatusCode, 204);
  },
  async "an event"() {
    assert.equal((await invoke("later", { InvocationType: "Event", Payload: '"js"' })).StatusCode, 202);
  },
  async "a function's own error"() {
    const answer = await invoke("raises", { Payload: "{}" });
    assert.equal(answer.FunctionError, "Unhandled");
    assert.equal(JSON.parse(text(answer.Payload)).errorType, "ValueError");
  },
  async "refusals are its own exceptions"() {
    await assert.rejects(invoke("ekho"), (error) => error instanceof ResourceNotFoundException && /ekho/.test(error.message));
    await assert.rejects(invoke("throttled"), (error) => {
      assert.ok(error instanceof TooManyRequestsException, error);
      assert.equal(error.Reason, "ConcurrentInvocationLimitExceeded");
      return error.retryAfterSeconds === "1";
    });
    const large = Buffer.alloc(6 * 1024 * 1024 + 1);
    await assert.rejects(invoke("echo", { Payload: large }), { name: "RequestTooLargeException" });
    const wrong = new LambdaClient({
      maxAttempts: 1,
      credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: "wrong" },
    });
    await assert.rejects(wrong.send(new InvokeCommand({ FunctionName: "echo" })), { name: "InvalidSignatureException" });
  },
  async "a throttled call is tried again"() {
    const patient = new LambdaClient({ maxAttempts: 2 });
    await assert.rejects(patient.send(new InvokeCommand({ FunctionName: "throttled" })), (error) => {
      assert.equal(error.$metadata.attempts, 2);
      return true;
    });
  },
  async "a stream comes piece by piece"() {
    const answer = await lambda.send(new InvokeWithResponseStreamCommand({ FunctionName: "streams", Payload: "{}" }));
    const pieces = [];
    let end;
    for await (const event of answer.EventStream) {
      if (event.PayloadChunk) {
        pieces.push(text(event.PayloadChunk.Payload));
        // The next piece is not sent before this one has been seen.
        await fetch(process.env.MERIT_UPSTREAM + "release", { method: "POST" });
      }
      end = event.InvokeComplete ?? end;
    }
    assert.deepEqual(pieces, ["piece 0;", "piece 1;", "piece 2;"]);
    assert.equal(end.ErrorCode, undefined);
  },
  async "lists, and below /aws"() {
    const names = [];
    for await (const page of paginateListFunctions({ client: lambda, pageSize: 4 }, {})) {
      names.push(...page.Functions.map((found) => found.FunctionName));
    }
    assert.deepEqual(names, ["echo", "echo.prod", "later", "once", "raises", "streams", "throttled"]);
    const below = new LambdaClient({ endpoint: `${endpoint}/aws` });
    const found = await below.send(new GetFunctionCommand({ FunctionName: "echo" }));
    assert.equal(found.Configuration.MemorySize, 128);
  },
};

for (const [name, scenario] of Object.entries(scenarios)) {
  try {
    await scenario();
  } catch (error) {
    console.error(`failed: ${name}\n`, error);
    process.exit(1);
  }
  console.log(`ok ${name}`);
}
