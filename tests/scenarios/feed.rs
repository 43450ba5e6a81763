//! Market data through the real broker: books, fills, candles, and what readers are held to.

use std::time::Duration;

use merit_wire::feed::{FeedBody, FeedData, FeedMessage, LevelView};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::feed::{Reader, fills};
use crate::support::{
    Client, Gate, KEY, PATIENCE, Process, Reply, Setup, Upstream, Worth, flat_sheet, merit_command, run_to_end, script,
};

/// A broker with function `f` at venue `a` for a cent a call.
async fn broker(upstream: &Upstream) -> (Setup, Process, Client) {
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (broker, client) = setup.start_with_client().await;
    (setup, broker, client)
}

fn levels(data: &FeedData) -> &[LevelView] {
    match &data.body {
        FeedBody::Book { levels, .. } => levels,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_book_tells_room_and_price_as_they_change() {
    let gate = Gate::closed();
    let upstream = Upstream::start(script::echoes_behind(&gate)).await;
    let (_setup, broker, client) = broker(&upstream).await;
    let mut reader = Reader::connect(broker.address(), KEY).await;
    let snapshot = reader.subscribe("book", "f").await;
    let level = &levels(&snapshot)[0];
    assert_eq!((level.deployment.as_str(), level.venue.as_str(), level.cost.as_str()), ("a", "a", "0.01"));
    assert_eq!(level.free, level.capacity);

    let running = tokio::spawn({
        let client = client.clone();
        async move { client.invoke("f", "x").await }
    });
    let taken = reader.update().await;
    assert_eq!((taken.prev_seq, levels(&taken)[0].free), (Some(snapshot.seq), level.capacity - 1));
    gate.open();
    running.await.expect("the call ends").expect(200);
    let given = reader.update().await;
    assert_eq!((given.prev_seq, levels(&given)[0].free), (Some(taken.seq), level.capacity));

    client.put_sheet("a", flat_sheet("a", "0.02", 2)).await.expect(200);
    let dearer = reader.update().await;
    assert_eq!((levels(&dearer).len(), levels(&dearer)[0].cost.as_str()), (1, "0.02"));

    let again = reader.subscribe("book", "f").await;
    assert_eq!((again.seq, levels(&again)), (dearer.seq, levels(&dearer)));
}

#[tokio::test]
async fn the_tape_and_the_candles_tell_fills_and_nothing_of_the_caller() {
    let upstream = Upstream::start(script::echoes()).await;
    let (_setup, broker, client) = broker(&upstream).await;
    let caller = client.create_key("secretive", &["invoke"]).await;
    let client = client.with_key(&caller.secret);
    let mut one = Reader::connect(broker.address(), KEY).await;
    let mut all = Reader::connect(broker.address(), &caller.secret).await;
    assert_eq!(fills(&one.subscribe("tape", "f").await), Vec::<Value>::new());
    assert_eq!(fills(&all.subscribe("tape", "*").await), Vec::<Value>::new());
    let mut minutes = Reader::connect(broker.address(), KEY).await;
    minutes.subscribe("candles", "f").await;

    let order = client.order("f").header("merit-tags", "team=tagged").header("idempotency-key", "keyed");
    let reply = Reply::of(order.body("payload")).await.expect(200);
    for reader in [&mut one, &mut all] {
        let data = reader.update().await;
        let told = fills(&data);
        let keys: Vec<&str> = told[0].as_object().expect("a fill").keys().map(String::as_str).collect();
        assert_eq!(keys, ["at", "charge", "deployment", "estimated", "function", "size", "venue"]);
        let fill = &told[0];
        assert_eq!((&fill["function"], &fill["venue"], &fill["charge"]), (&json!("f"), &json!("a"), &json!("0.01")));
        assert_eq!(fill["size"], json!({"memory_mb": 128, "architecture": "x86_64"}));
        let text = format!("{data:?}");
        let of_the_caller = ["secretive", caller.id.as_str(), reply.invocation(), "team", "tagged", "keyed", "payload"];
        for private in of_the_caller {
            assert!(!text.contains(private), "{private} in {text}");
        }
    }
    let FeedBody::Candles { candles } = minutes.update().await.body else { panic!("candles") };
    let candle = &candles[0];
    assert_eq!((candle.open.as_str(), candle.volume, candle.charged.as_str()), ("0.01", 1, "0.01"));

    // Who comes later sees what was told before.
    let mut late = Reader::connect(broker.address(), KEY).await;
    assert_eq!(fills(&late.subscribe("tape", "f").await).len(), 1);
}

#[tokio::test]
async fn a_heartbeat_comes_every_second_and_tells_where_each_subscription_stands() {
    let upstream = Upstream::start(script::echoes()).await;
    let (_setup, broker, _client) = broker(&upstream).await;
    let mut reader = Reader::connect(broker.address(), KEY).await;
    let snapshot = reader.subscribe("book", "f").await;
    let began = Instant::now();
    for _ in 0..3 {
        let message = reader.next().await;
        let FeedMessage::Heartbeat { standing, .. } = message else { panic!("{message:?}") };
        assert_eq!((standing.len(), standing[0].function.as_str(), standing[0].seq), (1, "f", snapshot.seq));
    }
    // Three of them lie at least two seconds apart, and on a busy machine more.
    assert!(began.elapsed() >= Duration::from_millis(1900), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named_and_the_connection_stands() {
    let upstream = Upstream::start(script::echoes()).await;
    let (_setup, broker, _client) = broker(&upstream).await;
    let mut reader = Reader::connect(broker.address(), KEY).await;
    for (request, reason, named, id) in [
        ("subscribe", "bad_message", "expected value", None),
        (r#"{"type":"subscribe","channel":"book"}"#, "bad_message", "at least one", None),
        (r#"{"type":"subscribe","channel":"book","classes":["a b"],"id":10}"#, "bad_message", "`a b`", Some(10)),
        (r#"{"type":"unsubscribe","channel":"book","classes":["x"],"id":11}"#, "not_subscribed", "class x", Some(11)),
        (r#"{"type":"subscribe","channel":"depth","functions":["f"],"id":1}"#, "bad_message", "`depth`", Some(1)),
        (
            r#"{"type":"subscribe","channel":"book","functions":["f"],"class":"x","id":2}"#,
            "bad_message",
            "`class`",
            Some(2),
        ),
        (r#"{"type":"subscribe","channel":"book","functions":[],"id":3}"#, "bad_message", "at least one", Some(3)),
        (r#"{"type":"subscribe","channel":"book","functions":["*"],"id":4}"#, "bad_message", "tape alone", Some(4)),
        (r#"{"type":"subscribe","channel":"tape","functions":["a b"],"id":5}"#, "bad_message", "`a b`", Some(5)),
        (
            r#"{"type":"subscribe","channel":"book","functions":["ff"],"id":6}"#,
            "unknown_function",
            "did you mean `f`",
            Some(6),
        ),
        (r#"{"type":"unsubscribe","channel":"book","functions":["f"],"id":7}"#, "not_subscribed", "book of f", Some(7)),
        (r#"{"type":"trade","channel":"book","functions":["f"],"id":8}"#, "bad_message", "`trade`", Some(8)),
    ] {
        reader.send(request).await;
        let (told, message, echoed) = reader.refusal().await;
        assert_eq!((told.as_str(), echoed), (reason, id), "{request}: {message}");
        assert!(message.contains(named), "{request}: {message}");
    }
    reader.subscribe("book", "f").await;
    reader.send(r#"{"type":"unsubscribe","channel":"book","functions":["f"],"id":9}"#).await;
    let last = reader.news().await;
    assert!(matches!(&last, FeedMessage::Unsubscribed { id: Some(9), reason, .. } if reason == "asked"), "{last:?}");
    reader.send("x".repeat(70_000)).await;
    assert_eq!(reader.closed().await, (1009, "message_too_large".to_owned()));
}

#[tokio::test]
async fn who_may_not_read_or_asks_for_no_websocket_is_refused_before_the_upgrade() {
    let setup = Setup::new().set("feed", "max_connections_per_key", 1).set("feed", "max_subscriptions", 1);
    let upstream = Upstream::start(script::echoes()).await;
    let setup = setup.flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let setup = setup.text("venues.own", "kind", "provider").text("venues.own", "region", "here");
    let (broker, client) = setup.start_with_client().await;
    let upgrade = |request: reqwest::RequestBuilder| {
        request
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    Reply::of(upgrade(client.bare(Method::GET, "/v1/feed"))).await.problem(401, "unauthenticated");
    let plain = Reply::of(client.request(Method::GET, "/v1/feed")).await.problem(400, "bad-request");
    assert!(plain.detail.contains("WebSocket"), "{plain:?}");

    let mut first = Reader::connect(broker.address(), KEY).await;
    let second = Reply::of(upgrade(client.request(Method::GET, "/v1/feed"))).await.problem(429, "too-many-readers");
    assert!(second.detail.contains("feed.max_connections_per_key, 1"), "{second:?}");
    for role in ["invoke", "finance", "provider"] {
        let venues: &[&str] = if role == "provider" { &["own"] } else { &[] };
        let spec = json!({ "account": "someone", "roles": [role], "venues": venues, "note": "" });
        let made = Reply::of(client.request(Method::POST, "/v1/keys").json(&spec)).await;
        let other: merit_wire::KeyCreated = made.json(201);
        let mut reader = Reader::connect(broker.address(), &other.secret).await;
        assert_eq!(levels(&reader.subscribe("book", "f").await).len(), 1, "{role}");
        reader.send(r#"{"type":"subscribe","channel":"tape","functions":["f"]}"#).await;
        let (reason, message, _) = reader.refusal().await;
        assert_eq!(reason, "too_many_subscriptions", "{message}");
        let path = format!("/v1/keys/{}", other.id);
        Reply::of(client.request(Method::DELETE, &path)).await.expect(204);
        assert_eq!(reader.closed().await, (4002, "key_revoked".to_owned()));
    }
    first.subscribe("book", "f").await;
}

#[tokio::test]
async fn a_slow_reader_is_dropped_with_the_reason_and_the_others_go_on() {
    let upstream = Upstream::start(script::echoes()).await;
    let mut setup = Setup::new().flat("a", &upstream.url(), "0.01").set("feed", "max_queued", 16);
    setup = setup.set("functions.f", "idempotent", true);
    // A book of 100 deployments has about 10 kB, so that the network's own buffers are soon full.
    for number in 0..100 {
        let section = format!("functions.f.deployments.deployment-with-a-rather-long-name-{number:03}");
        setup =
            setup.text(&section, "venue", "a").text(&section, "target", "f").set(&section, "memory_mb", 128 + number);
    }
    let (broker, client) = setup.start_with_client().await;
    let mut quick = Reader::connect(broker.address(), KEY).await;
    let mut last = quick.subscribe("book", "f").await.seq;
    let mut slow = Reader::open(broker.address(), KEY, Some(4096)).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = Reply::of(client.bare(Method::GET, "/metrics")).await.text();
        if page.contains("merit_feed_closed_total{kind=\"slow_reader\"} 1") {
            break;
        }
        assert!(Instant::now() < deadline, "the slow reader is not dropped");
        for _ in 0..20 {
            slow.send(r#"{"type":"subscribe","channel":"book","functions":["f"]}"#).await;
        }
    }
    client.put_sheet("a", flat_sheet("a", "0.02", 2)).await.expect(200);
    let update = quick.update().await;
    assert_eq!(update.prev_seq, Some(std::mem::replace(&mut last, update.seq)));
    assert_eq!(slow.closed().await, (4001, "slow_reader".to_owned()));
    client.invoke("f", "x").await.expect(200);
}

#[tokio::test]
async fn subscriptions_end_with_the_function_and_connections_with_the_broker() {
    let upstream = Upstream::start(script::echoes()).await;
    let (_setup, mut broker, client) = broker(&upstream).await;
    let spec = json!({"deployments": {"a": {"venue": "a", "target": "g", "memory_mb": 128}}});
    let _put: Value = client.put("/v1/functions/g", &spec).await;
    let mut reader = Reader::connect(broker.address(), KEY).await;
    for channel in ["book", "tape", "candles"] {
        reader.subscribe(channel, "g").await;
    }
    Reply::of(client.request(Method::DELETE, "/v1/functions/g")).await.expect(204);
    for _ in 0..3 {
        let last = reader.news().await;
        assert!(matches!(&last, FeedMessage::Unsubscribed { reason, .. } if reason == "function_removed"), "{last:?}");
    }
    assert!(reader.is_quiet(Duration::from_millis(300)).await);
    let (status, closed) = tokio::join!(broker.stop(), reader.closed());
    assert_eq!(closed, (1001, "going_away".to_owned()));
    assert!(status.success(), "{status:?}");
}

#[tokio::test]
async fn the_command_line_follows_a_book_and_the_tape() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let upstream = Upstream::start(script::echoes()).await;
    let (_setup, broker, client) = broker(&upstream).await;
    let follow = |args: &[&str]| {
        let mut command = merit_command(args);
        command.args(["--json", "--url", &format!("http://{}", broker.address()), "--key", KEY]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("the binary can be started");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        (child, lines)
    };
    let (_book, mut books) = follow(&["book", "f", "--follow"]);
    let (_tape, mut tape) = follow(&["tape"]);
    let mut line = async || -> Value {
        let read = tokio::time::timeout(PATIENCE, books.next_line()).await;
        let text = read.expect("a line comes").expect("it can be read").expect("there is one");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let first = line().await;
    assert_eq!((&first["function"], &first["levels"][0]["cost"]), (&json!("f"), &json!("0.01")));
    client.put_sheet("a", flat_sheet("a", "0.02", 2)).await.expect(200);
    assert_eq!(line().await["levels"][0]["cost"], "0.02");
    // The tape may be subscribed to only now: what was told before is in its snapshot, what comes after follows.
    let told = async {
        loop {
            client.invoke("f", "x").await.expect(200);
            let read = tokio::time::timeout(Duration::from_millis(200), tape.next_line()).await;
            if let Ok(text) = read {
                return text.expect("it can be read").expect("there is one");
            }
        }
    };
    let text = tokio::time::timeout(PATIENCE, told).await.expect("a fill is told");
    let fill: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&fill["function"], &fill["venue"], &fill["charge"]), (&json!("f"), &json!("a"), &json!("0.02")));

    let mut unknown = merit_command(&["book", "nope", "--follow", "--url"]);
    unknown.args([&format!("http://{}", broker.address()), "--key", KEY]);
    let ended = run_to_end(&mut unknown).await;
    assert_eq!(ended.status.code(), Some(6), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test]
async fn the_command_line_connects_again_when_the_broker_comes_back() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let upstream = Upstream::start(script::echoes()).await;
    let (setup, mut broker, _client) = broker(&upstream).await;
    let address = broker.address();
    let mut command = merit_command(&["book", "f", "--follow", "--json", "--key", KEY, "--url"]);
    command.arg(format!("http://{address}")).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut follower = command.spawn().expect("the binary can be started");
    let mut books = BufReader::new(follower.stdout.take().expect("stdout is piped")).lines();
    let mut words = BufReader::new(follower.stderr.take().expect("stderr is piped")).lines();
    let cost = async |line: std::io::Result<Option<String>>| {
        let text = line.expect("it can be read").expect("the command goes on");
        let book: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        book["levels"][0]["cost"].as_str().expect("a price").to_owned()
    };
    let line = tokio::time::timeout(PATIENCE, books.next_line()).await.expect("a line comes");
    assert_eq!(cost(line).await, "0.01");

    broker.stop().await;
    let told = tokio::time::timeout(PATIENCE, words.next_line()).await.expect("it says why it waits");
    let told = told.expect("it can be read").expect("there is a line");
    assert!(told.contains("the connection ended") && told.contains("going_away"), "{told}");
    // The same broker again, with another price.
    setup.write("a.sheet.toml", &flat_sheet("a", "0.03", 2));
    let setup = setup.text("server", "listen", address);
    let (_broker, _client) = setup.start_with_client().await;
    let line = tokio::time::timeout(PATIENCE, books.next_line()).await.expect("a book comes again");
    assert_eq!(cost(line).await, "0.03");
    follower.kill().await.expect("it runs");
}

#[tokio::test]
async fn candles_are_there_for_who_comes_after_the_fills() {
    let upstream = Upstream::start(script::echoes()).await;
    let (_setup, broker, client) = broker(&upstream).await;
    for _ in 0..3 {
        client.invoke("f", "x").await.expect(200);
    }
    let mut late = Reader::connect(broker.address(), KEY).await;
    let FeedBody::Candles { candles } = late.subscribe("candles", "f").await.body else { panic!("candles") };
    let volume: u64 = candles.iter().map(|candle| candle.volume).sum();
    assert_eq!(volume, 3, "{candles:?}");
}

#[tokio::test]
async fn a_class_is_followed_as_functions_join_and_leave_it() {
    let upstream = Upstream::start(script::echoes()).await;
    let setup = Setup::new().flat("a", &upstream.url(), "0.01").function("f", Worth::Once, &["a"]);
    let (broker, client) = setup.start_with_client().await;
    let put = async |name: &str, class: &str| {
        let deployments = json!({"a": {"venue": "a", "target": name, "memory_mb": 128}});
        let _: Value =
            client.put(&format!("/v1/functions/{name}"), &json!({"class": class, "deployments": deployments})).await;
    };
    put("resize", "images").await;
    let mut reader = Reader::connect(broker.address(), KEY).await;
    let class = async |reader: &mut Reader| match reader.news().await {
        FeedMessage::Class { functions, id, .. } => (functions.join(" "), id),
        other => panic!("{other:?}"),
    };
    let snapshot = async |reader: &mut Reader| match reader.news().await {
        FeedMessage::Snapshot(data) => data.function,
        other => panic!("{other:?}"),
    };
    reader.send(r#"{"type":"subscribe","channel":"book","classes":["images","sounds"],"id":3}"#).await;
    assert_eq!(class(&mut reader).await, ("resize".to_owned(), Some(3)));
    assert_eq!(snapshot(&mut reader).await, "resize");
    assert_eq!(class(&mut reader).await, (String::new(), Some(3)), "a class without functions may have some later");

    put("crop", "images").await;
    assert_eq!(class(&mut reader).await, ("crop resize".to_owned(), None));
    assert_eq!(snapshot(&mut reader).await, "crop");
    client.put_sheet("a", flat_sheet("a", "0.02", 2)).await.expect(200);
    let both = [reader.update().await.function, reader.update().await.function];
    assert!(both.contains(&"crop".to_owned()) && both.contains(&"resize".to_owned()), "{both:?}");

    put("resize", "sounds").await;
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(match reader.news().await {
            FeedMessage::Class { class, functions, .. } => format!("{class}: {}", functions.join(" ")),
            FeedMessage::Snapshot(data) => format!("snapshot {}", data.function),
            FeedMessage::Unsubscribed { function, reason, .. } => format!("{function} {reason}"),
            _ => continue,
        });
    }
    assert_eq!(told, ["images: crop", "sounds: resize", "snapshot resize"], "it is of another class that is followed");
    put("resize", "texts").await;
    assert_eq!(class(&mut reader).await, (String::new(), None));
    let left = reader.news().await;
    assert!(
        matches!(&left, FeedMessage::Unsubscribed { function, reason, .. } if function == "resize" && reason == "left_class"),
        "{left:?}"
    );
    reader.send(r#"{"type":"unsubscribe","channel":"book","classes":["images"]}"#).await;
    let last = reader.news().await;
    assert!(matches!(&last, FeedMessage::Unsubscribed { function, .. } if function == "crop"), "{last:?}");
}
