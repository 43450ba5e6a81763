//! `ANY /fn/{function}/...`: an app behind a URL gets each request as it was sent, and its answers come back as they were
//! given; beside it everything that an invocation has: terms, money, attempts, a receipt.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Full;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{Client, KEY, PATIENCE, Process, Raw, Reply, Setup, Upstream, Worth, merit_command, script};

async fn one_venue(upstream: &Upstream, worth: Worth) -> (Setup, Process, Client) {
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("app", worth, &["a"]);
    let (broker, client) = setup.start_with_client().await;
    (setup, broker, client)
}

fn method(word: &str) -> Method {
    word.parse().expect("a method")
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let upstream = Upstream::start(script::echoes()).await;
    let (_setup, broker, client) = one_venue(&upstream, Worth::Once).await;
    for (word, path, payload) in [
        ("GET", "/fn/app", ""),
        ("GET", "/fn/app/", ""),
        ("POST", "/fn/app/orders/17%2F3?x=1&y=%20&x=2", "{}"),
        ("PUT", "/fn/app//double?", "abc"),
        ("DELETE", "/fn/app/orders/17", ""),
        ("PROPFIND", "/fn/app/dav", "<a/>"),
        ("OPTIONS", "/fn/app/orders", ""),
    ] {
        let order = client
            .request(method(word), path)
            .header("cookie", "session=1")
            .header("accept", "text/html")
            .header("accept", "*/*;q=0.1")
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            .header("merit-max-price", "0.01")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .body(payload);
        let reply = Reply::of(order).await.expect(200);
        assert_eq!(reply.body, payload);
        let seen = upstream.seen().pop().expect("a request");
        let target = seen.query.as_deref().map_or_else(|| seen.path.clone(), |query| format!("{}?{query}", seen.path));
        let below = path.strip_prefix("/fn").expect("a path of this door");
        assert_eq!((seen.method.as_str(), target.as_str(), &seen.payload[..]), (word, below, payload.as_bytes()));
        assert_eq!(seen.headers.get_all("accept").iter().collect::<Vec<_>>(), ["text/html", "*/*;q=0.1"]);
        assert_eq!((seen.header("cookie"), seen.header("x-forwarded-prefix")), ("session=1", "/fn/app"));
        assert_eq!(seen.header("x-forwarded-host"), broker.address().to_string());
        assert_eq!(seen.header("host"), upstream.url().trim_start_matches("http://").trim_end_matches('/'));
        assert!(seen.header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        for absent in ["authorization", "x-hop", "connection", "merit-max-price"] {
            assert_eq!(seen.header(absent), "", "{absent} of {word}");
        }
        assert_eq!(seen.invocation(), reply.invocation());
    }
}

/// An app whose answers say what they are asked for: `/STATUS`.
fn app() -> crate::support::Script {
    script::of(|seen| async move {
        let status = seen.path.trim_start_matches("/app/").parse().unwrap_or(200);
        let answer = Response::builder()
            .status(status)
            .header("content-type", "text/html")
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2")
            .header("location", "/elsewhere")
            .header("server-timing", "db;dur=3")
            .header("merit-charge", "1000")
            .header("keep-alive", "timeout=5");
        Some(answer.body(Full::new(Bytes::from_static(b"<p>own</p>"))).expect("an answer"))
    })
}

#[tokio::test]
async fn an_answer_comes_back_as_it_was_given() {
    let upstream = Upstream::start(app()).await;
    let (_setup, _broker, client) = one_venue(&upstream, Worth::Once).await;
    for status in [200, 201, 302, 400, 401, 403, 404, 405, 409, 413, 418, 422, 451, 500, 501, 507] {
        // What follows redirects would go to the broker's own paths.
        let broker_url = client.bare(Method::GET, "").build().expect("a request").url().clone();
        let request = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let request = request.expect("a client").get(broker_url.join(&format!("/fn/app/{status}")).expect("a URL"));
        let reply = Reply::of(request.bearer_auth(KEY)).await.expect(status);
        assert_eq!(reply.text(), "<p>own</p>");
        let all = |name: &str| reply.headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(
            (all("set-cookie"), all("location")),
            (vec!["a=1".parse().unwrap(), "b=2".parse().unwrap()], vec!["/elsewhere".parse().unwrap()])
        );
        assert_eq!((reply.header("merit-charge"), reply.header("keep-alive"), reply.venue()), ("0.01", "", "a"));
        let timings = all("server-timing");
        assert_eq!(timings.len(), 2, "{timings:?}");
        let error = if status >= 500 { format!("Http{status}") } else { String::new() };
        assert_eq!(reply.header("merit-function-error"), error, "{status}");
        let receipt = client.receipt(reply.invocation()).await;
        assert_eq!(receipt.attempts.len(), 1, "{status}");
        assert_eq!(receipt.attempts[0].result, if status >= 500 { "function-error" } else { "ok" }, "{status}");
    }
    let attempts = upstream.count();
    for status in [429, 502, 503, 504] {
        let request = client.request(Method::GET, &format!("/fn/app/{status}"));
        let problem = Reply::of(request).await.problem(502, "venues-failed");
        assert_eq!(problem.attempts.len(), 1, "a gateway's word");
    }
    assert!(upstream.count() > attempts);
}

#[tokio::test]
async fn only_the_functions_declaration_says_whether_a_request_is_repeated() {
    let cuts = Upstream::start(script::cuts()).await;
    let good = Upstream::start(script::replies("done")).await;
    let setup = Setup::new()
        .flat("first", &cuts.url(), "0.01")
        .flat("second", &good.url(), "0.02")
        .function("once", Worth::Once, &["first", "second"])
        .function("again", Worth::Idempotent, &["first", "second"]);
    let (_broker, client) = setup.start_with_client().await;
    for word in ["GET", "PUT", "POST"] {
        let reply = Reply::of(client.request(method(word), "/fn/once/x")).await;
        assert_eq!(reply.problem(502, "venues-failed").attempts.len(), 1, "{word}");
        let reply = Reply::of(client.request(method(word), "/fn/again/x")).await.expect(200);
        assert_eq!((reply.venue(), reply.header("merit-attempts")), ("second", "2"), "{word}");
        assert_eq!(good.seen().pop().map(|seen| (seen.method, seen.path)), Some((method(word), "/again/x".to_owned())));
    }
}

#[tokio::test]
async fn what_can_not_be_asked_is_refused_with_the_reason() {
    let upstream = Upstream::start(app()).await;
    let setup = Setup::new()
        .set("server", "max_url_bytes", 100)
        .set("server", "max_header_bytes", 400)
        .set("server", "max_payload_bytes", 50)
        .flat("a", &upstream.url(), "0.01")
        .lambda("cloud", "http://127.0.0.1:1", "us-east-1")
        .text("venues.cloud", "sheet", "aws-lambda/us-east-1/x86_64")
        .function("app", Worth::Once, &["a"])
        .function("elsewhere", Worth::Once, &["cloud"])
        .function("both", Worth::Once, &["cloud", "a"]);
    let (broker, client) = setup.start_with_client().await;
    let get = |path: &str| client.request(Method::GET, path);
    let near = Reply::of(get("/fn/ap/x")).await.problem(404, "unknown-function");
    assert_eq!(near.near, ["app"]);
    let problem = Reply::of(get("/fn/elsewhere/x")).await.problem(422, "no-eligible-venue");
    assert_eq!(problem.exclusions[0].reason, "no-plain-http");
    assert!(problem.exclusions[0].detail.contains("/v1/functions/FUNCTION/invocations"), "{problem:?}");
    let reply = Reply::of(get("/fn/both/200")).await.expect(200);
    assert_eq!(reply.venue(), "a");
    let receipt = client.receipt(reply.invocation()).await;
    let cloud = receipt.candidates.iter().find(|candidate| candidate.venue == "cloud").expect("a candidate");
    assert_eq!(cloud.excluded.as_deref(), Some("no-plain-http"));
    Reply::of(get(&format!("/fn/app/{}", "x".repeat(100)))).await.problem(414, "url-too-long");
    Reply::of(get("/fn/app/200").header("cookie", "x".repeat(400))).await.problem(431, "headers-too-large");
    Reply::of(get("/fn/app/200").body("x".repeat(51))).await.problem(413, "payload-too-large");
    Reply::of(get("/fn/app/200").header("merit-max-prize", "1")).await.problem(400, "malformed-terms");
    Reply::of(client.request(Method::TRACE, "/fn/app/200")).await.problem(405, "method-not-allowed");
    Reply::of(client.bare(Method::GET, "/fn/app/200")).await.problem(401, "unauthenticated");
    Reply::of(get("/fn/")).await.problem(404, "not-found");
    // Clients write dots out by themselves, so this one is written by hand.
    let mut raw = Raw::connect(broker.address()).await;
    let dots = format!("GET /fn/app/../x HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    raw.write(dots.as_bytes()).await;
    raw.read().await.problem(400, "bad-request");
}

#[tokio::test]
async fn the_functions_own_authorization_is_passed_on_beside_merits() {
    let upstream = Upstream::start(script::echoes()).await;
    let (_setup, _broker, client) = one_venue(&upstream, Worth::Once).await;
    let order = client.bare(Method::GET, "/fn/app/x").header("authorization", "Basic dTpw");
    Reply::of(order.header("merit-authorization", format!("Bearer {KEY}"))).await.expect(200);
    let seen = upstream.seen().pop().expect("a request");
    assert_eq!((seen.header("authorization"), seen.header("merit-authorization")), ("Basic dTpw", ""));
}

#[tokio::test]
async fn an_idempotency_key_is_for_one_request_and_replays_all_of_its_answer() {
    let upstream = Upstream::start(app()).await;
    let (_setup, _broker, client) = one_venue(&upstream, Worth::Once).await;
    let order = |path: &str| client.request(Method::POST, path).header("idempotency-key", "k1").body("x");
    let first = Reply::of(order("/fn/app/201?n=1")).await.expect(201);
    let again = Reply::of(order("/fn/app/201?n=1")).await.expect(201);
    assert_eq!((again.header("idempotency-replayed"), upstream.count()), ("true", 1));
    let cookies = |reply: &Reply| reply.headers.get_all("set-cookie").iter().cloned().collect::<Vec<_>>();
    assert_eq!((cookies(&again), cookies(&again).len(), &again.body), (cookies(&first), 2, &first.body));
    for other in ["/fn/app/201?n=2", "/fn/app/200?n=1"] {
        Reply::of(order(other)).await.problem(422, "idempotency-mismatch");
    }
    let other = client.request(Method::PUT, "/fn/app/201?n=1").header("idempotency-key", "k1").body("x");
    Reply::of(other).await.problem(422, "idempotency-mismatch");
}

#[tokio::test]
async fn a_pool_refuses_requests_of_functions_that_are_none_and_another_venue_answers() {
    let other = Upstream::start(script::replies("another's")).await;
    let setup = Setup::new();
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/functions");
    let mut command = merit_command(&["pool", "--listen", "127.0.0.1:0", "--functions"]);
    command.arg(functions);
    let pool = Process::start(command, &setup.path("pool.log")).await;
    let setup = setup
        .venue("pool", &format!("http://{}/", pool.address()), "own/default")
        .flat("other", &other.url(), "0.05")
        .function("markdown", Worth::Once, &["pool", "other"])
        .function("nothing", Worth::Once, &["pool", "other"]);
    let (_broker, client) = setup.start_with_client().await;
    let post = client.request(Method::POST, "/fn/markdown").body("# Hello");
    let reply = Reply::of(post).await.expect(200);
    assert!(reply.text().contains("<h1>Hello</h1>"), "{}", reply.text());
    assert_eq!((reply.venue(), reply.header("merit-meter-duration-us")), ("pool", ""));
    assert!(!client.receipt(reply.invocation()).await.estimated, "its meters are believed, and not passed on");
    for (word, path, refusal) in [
        ("GET", "/fn/markdown", "payload-refused"),
        ("POST", "/fn/markdown/below", "not-found"),
        ("POST", "/fn/nothing", "not-found"),
    ] {
        let reply = Reply::of(client.request(method(word), path)).await.expect(200);
        assert_eq!((reply.venue(), reply.text().as_str()), ("other", "another's"), "{word} {path}");
        let receipt = client.receipt(reply.invocation()).await;
        let first = &receipt.attempts[0];
        let told = (first.venue.as_str(), first.result.as_str(), first.outcome.as_str(), first.charge.as_str());
        assert_eq!(told, ("pool", refusal, "not-started", "0"), "{word} {path}");
    }
}

/// Python's own server of files, which nobody here wrote.
async fn python(folder: &Path) -> (Child, String) {
    let mut command = Command::new("python3");
    command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().expect("python3");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let line =
        tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("text").expect("a line");
    let port: u16 =
        line.split(' ').skip_while(|word| *word != "port").nth(1).and_then(|port| port.parse().ok()).expect(&line);
    (child, format!("http://127.0.0.1:{port}/"))
}

#[tokio::test]
async fn a_real_server_serves_its_files_through_it() {
    let files = tempfile::TempDir::new().expect("a folder");
    let page = "<h1>Merit</h1>".repeat(1000);
    std::fs::create_dir_all(files.path().join("site/docs")).expect("a folder");
    std::fs::write(files.path().join("site/docs/index.html"), &page).expect("a file");
    let (_server, url) = python(files.path()).await;
    let setup = Setup::new().flat("a", &url, "0.01").function("site", Worth::Idempotent, &["a"]);
    let (_broker, client) = setup.start_with_client().await;
    let ask = |word: &str, path: &str| client.request(method(word), path).timeout(Duration::from_secs(20));
    let got = Reply::of(ask("GET", "/fn/site/docs/?v=1")).await.expect(200);
    assert_eq!((got.text(), got.header("content-type"), got.header("merit-venue")), (page.clone(), "text/html", "a"));
    assert!(got.header("server").starts_with("SimpleHTTP/"), "{:?}", got.headers);
    let head = Reply::of(ask("HEAD", "/fn/site/docs/index.html")).await.expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), (page.len().to_string().as_str(), 0));
    let since = ask("GET", "/fn/site/docs/index.html").header("if-modified-since", got.header("last-modified"));
    assert_eq!(Reply::of(since).await.expect(304).body.len(), 0);
    let missing = Reply::of(ask("GET", "/fn/site/nothing")).await.expect(404);
    assert!(missing.text().contains("Error code: 404"), "{}", missing.text());
    let unsupported = Reply::of(ask("POST", "/fn/site/docs/").body("x")).await.expect(501);
    assert_eq!(unsupported.header("merit-function-error"), "Http501");
}
