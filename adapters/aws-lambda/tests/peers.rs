//! The adapter against what nobody here wrote: moto as the gate for signatures and keys, serverless-offline and
//! cargo-lambda as Lambdas, and botocore as the judge of signatures. `make setup` installs them in `tests/peers`.
//!
//! moto checks SigV4 and IAM with real keys once its `reset-auth` was called with 0; its
//! functions only echo. serverless-offline and cargo-lambda run functions and check no signature.

#[path = "../../../tests/peers/judge.rs"]
mod judge;
#[path = "peers/signatures.rs"]
mod signatures;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use merit_venue::{Call, ErrorKind, MeterBasis, Outcome, Reply, Target, Venue, VenueError};
use merit_venue_aws_lambda::{CredentialsFrom, LambdaConfig, LambdaVenue};
use tokio::time::{Instant, sleep};

/// How long a peer may take to start: both load half a second to ten seconds of other people's code.
const START: Duration = Duration::from_secs(60);

/// A peer as a process; it ends with this value.
struct Peer {
    process: Child,
    url: String,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left behind.
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Peer {
    /// Starts it on a free port and waits until it answers.
    async fn start(program: &Path, command: impl FnOnce(&mut Command, u16)) -> Self {
        assert!(program.exists(), "{} is not installed: run `make setup`", program.display());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port").port();
        let mut spawned = Command::new(program);
        command(&mut spawned, port);
        spawned.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut peer = Self { process: spawned.spawn().expect("it starts"), url: format!("http://127.0.0.1:{port}") };
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(begun.elapsed() < START, "{} does not listen", program.display());
            assert_eq!(peer.process.try_wait().expect("it can be asked"), None, "{} ended", program.display());
            sleep(Duration::from_millis(50)).await;
        }
        peer
    }
}

/// Where the peers are installed.
fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers")
}

async fn venue(peer: &Peer, key: &str, secret: &str) -> LambdaVenue {
    let config = LambdaConfig {
        endpoint_url: Some(peer.url.clone()),
        credentials: CredentialsFrom::Keys {
            access_key_id: key.to_owned(),
            secret_access_key: secret.to_owned(),
            session_token: None,
        },
        ..LambdaConfig::new("us-east-1", || UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()))
    };
    LambdaVenue::try_new(config).await.expect("a good configuration")
}

async fn invoke(venue: &LambdaVenue, target: &str, payload: &'static str) -> Result<Reply, VenueError> {
    let call = Call {
        invocation: "0199f0a2-7c1e-7fff-bfff-ffffffffffff".parse().expect("an id"),
        attempt: 1,
        function: "peer".parse().expect("a name"),
        target: Arc::new(Target::try_new(target).expect("a target")),
        payload: payload.into(),
        content_type: None,
        traceparent: None,
        tracestate: None,
        deadline: Instant::now() + Duration::from_secs(30),
        lambda: None,
        http: None,
    };
    venue.invoke(call).await
}

/// A user of moto's with the right to call Lambda, and moto checking from then on. Returns its key.
async fn gated(moto: &Peer) -> (String, String) {
    let http = reqwest::Client::new();
    let post = async |path: &str, body: String| {
        // moto reads what is no form only when it is not called one.
        let kind = if path == "/" { "application/x-www-form-urlencoded" } else { "text/plain" };
        let form = http.post(format!("{}{path}", moto.url)).body(body).header("content-type", kind);
        // moto finds the service by the scope of a credential it does not check yet.
        let scope =
            "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
        let answer = form.header("authorization", scope).send().await.expect("moto answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.text().await.expect("text")
    };
    post("/moto-api/config", r#"{"lambda":{"use_docker":false}}"#.to_owned()).await;
    let iam = |action: &str| format!("Action={action}&Version=2010-05-08&UserName=merit");
    post("/", iam("CreateUser")).await;
    let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22lambda%3A*%22%2C%22Resource%22%3A%22*%22%7D%5D%7D";
    post("/", format!("{}&PolicyName=lambda&PolicyDocument={policy}", iam("PutUserPolicy"))).await;
    let made = post("/", iam("CreateAccessKey")).await;
    let part = |name: &str| {
        let (_, rest) = made.split_once(&format!("<{name}>")).expect(name);
        rest.split('<').next().unwrap_or_default().to_owned()
    };
    let key = (part("AccessKeyId"), part("SecretAccessKey"));
    post("/moto-api/reset-auth", "0".to_owned()).await;
    key
}

#[tokio::test]
async fn moto_takes_our_signatures_and_refuses_wrong_ones() {
    let server = peers().join(".venv/bin/moto_server");
    let moto = Peer::start(&server, |command, port| {
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    })
    .await;
    let (key, secret) = gated(&moto).await;
    let good = venue(&moto, &key, &secret).await;
    // Names whose path differs before and after the second encoding of SigV4.
    for target in ["resize", "resize:live", "arn:aws:lambda:us-east-1:123456789012:function:resize:$LATEST"] {
        let reply = invoke(&good, target, "{\"n\":1}").await.unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(reply.meters, MeterBasis::OwnClock, "moto tells no REPORT line");
    }
    for (key, secret) in [(key.as_str(), "wrong"), ("AKIAIOSFODNN7EXAMPLE", secret.as_str())] {
        let bad = venue(&moto, key, secret).await;
        let error = invoke(&bad, "resize", "{}").await.expect_err("refused");
        assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::BadCredentials), "{error}");
        assert!(bad.unready().is_some(), "the key is at fault: {error}");
    }
}

/// The functions of serverless-offline, in a folder of their own.
fn serverless(folder: &Path) {
    let yaml = "service: peer\nframeworkVersion: '3'\nprovider:\n  name: aws\n  runtime: nodejs18.x\n  stage: dev\n\
                plugins:\n  - serverless-offline\nfunctions:\n  echo:\n    handler: handler.echo\n  \
                raises:\n    handler: handler.raises\n";
    let handler = "exports.echo = async (event) => event;\n\
                   exports.raises = async () => { throw new TypeError('no such order'); };\n";
    std::fs::write(folder.join("serverless.yml"), yaml).expect("written");
    std::fs::write(folder.join("handler.js"), handler).expect("written");
    let modules = std::fs::canonicalize(peers().join("node_modules")).expect("`make setup` was run");
    std::os::unix::fs::symlink(modules, folder.join("node_modules")).expect("a link");
}

#[tokio::test]
async fn serverless_offline_is_a_lambda_without_meters() {
    let folder = tempfile::tempdir().expect("a folder");
    serverless(folder.path());
    let program = peers().join("node_modules/.bin/serverless");
    let offline = Peer::start(&program, |command, port| {
        let spare = || TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port").port();
        command.current_dir(folder.path()).env("SLS_TELEMETRY_DISABLED", "1").env("SLS_NOTIFICATIONS_MODE", "off");
        command.args(["offline", "start", "--lambdaPort", &port.to_string()]);
        command.args(["--httpPort", &spare().to_string(), "--websocketPort", &spare().to_string()]);
    })
    .await;
    let venue = venue(&offline, "AKID", "secret").await;
    let reply = invoke(&venue, "peer-dev-echo", "{\"n\":1}").await.expect("an echo");
    assert_eq!((reply.payload.as_ref(), reply.function_error), (&b"{\"n\":1}"[..], None));
    assert_eq!((reply.meters, reply.version), (MeterBasis::OwnClock, None), "no REPORT line and no version");
    let error = invoke(&venue, "peer-dev-raises", "{}").await.expect("it ran").function_error.expect("an error");
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("Error", "no such order"));
    let error = invoke(&venue, "peer-dev-nobody", "{}").await.expect_err("no such function");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::NotFound), "{error}");
}

/// A function by AWS's runtime for Rust, which takes its calls from an emulator.
fn function_at(project: &Path, emulator: &Peer) -> Peer {
    let program = project.join("target/release/lambda-function");
    assert!(program.exists(), "{} is not built: run `make setup`", program.display());
    let api = format!("{}/.rt/lambda-function", emulator.url);
    let mut command = Command::new(program);
    command.env("AWS_LAMBDA_RUNTIME_API", api).env("AWS_LAMBDA_FUNCTION_NAME", "lambda-function");
    command.env("AWS_LAMBDA_FUNCTION_VERSION", "1").env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Peer { process: command.spawn().expect("it starts"), url: String::new() }
}

#[tokio::test]
async fn cargo_lambda_is_a_lambda_that_words_errors_its_own_way() {
    let project = peers().join("../../examples/programs/rust");
    let emulator = Peer::start(&peers().join(".venv/bin/cargo-lambda"), |command, port| {
        command.current_dir(&project).args(["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1"]);
        command.args(["--invoke-port", &port.to_string()]);
    })
    .await;
    let _function = function_at(&project, &emulator);
    let venue = venue(&emulator, "AKID", "secret").await;
    let reply = invoke(&venue, "lambda-function", "{\"numbers\":[1,2,39]}").await.expect("a sum");
    let text = String::from_utf8_lossy(&reply.payload);
    assert!(reply.function_error.is_none() && text.contains("\"sum\":42"), "{text}");
    assert_eq!((reply.meters, reply.version), (MeterBasis::OwnClock, None), "no REPORT line and no version");
    let error = invoke(&venue, "lambda-function", "{\"fail\":true}").await.expect("it ran").function_error;
    let error = error.expect("an error without any header of AWS");
    assert!(error.message.contains("as asked"), "{error:?}");
    let error = invoke(&venue, "nobody", "{}").await.expect_err("no such function");
    assert_eq!((error.outcome, error.kind), (Outcome::NotStarted, ErrorKind::NotFound), "{error}");
}
