//! Deployments that reply otherwise: shadow calls find them, quarantine keeps callers from them over a restart, and
//! what is proven by samples may take calls.

use std::path::PathBuf;

use merit_units::Money;
use merit_wire::{EqualView, QuarantineDetail, QuarantineList, QuoteRequest, ReplayView};

use serde_json::{Value, json};

use crate::providers;
use crate::support::provider::{SECRET, offer, own_sheet, provider_key, signs};
use crate::support::{
    Audit, Client, FIRST_ACCOUNT, KEY, Process, Setup, Upstream, Worth, dollars, merit_command, run_to_end, script,
    until,
};

const ACCOUNT: &str = "equivalence";

/// `merit` on the command line: its exit code and stdout.
async fn merit(broker: &Process, args: &[&str]) -> (i32, String) {
    let mut command = merit_command(args);
    command.env("MERIT_URL", format!("http://{}", broker.address())).env("MERIT_KEY", KEY);
    let output = run_to_end(&mut command).await;
    (output.status.code().expect("not killed"), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Why quotes leave out a venue's deployment, if they do.
async fn excluded(client: &Client, venue: &str) -> Option<String> {
    let quote = client.quote("f", &QuoteRequest::default()).await;
    quote.excluded.into_iter().find(|excluded| excluded.venue == venue).map(|excluded| excluded.reason)
}

async fn quarantined(broker: &Process) -> Vec<String> {
    let (code, out) = merit(broker, &["functions", "quarantine", "list", "--json"]).await;
    assert_eq!(code, 0, "{out}");
    let list: QuarantineList = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    list.quarantined.into_iter().map(|one| format!("{}/{}", one.function, one.deployment)).collect()
}

fn file(setup: &Setup, name: &str, text: &str) -> PathBuf {
    setup.write(name, text);
    setup.path(name)
}

#[tokio::test]
async fn who_replies_otherwise_is_kept_from_callers_until_somebody_lets_it_in_again() {
    let (right, wrong) = (Upstream::start(script::replies("4")).await, Upstream::start(script::replies("5")).await);
    let setup = Setup::new()
        .set("equivalence", "shadow_ppm", 1_000_000)
        .set("equivalence", "quarantine_after", 2)
        .flat("cheap", &right.url(), "0.01")
        .flat("dear", &wrong.url(), "0.02")
        .function("f", Worth::Idempotent, &["cheap", "dear"])
        .function("once", Worth::Once, &["cheap", "dear"]);
    let (mut broker, client) = setup.start_with_client().await;

    client.invoke("once", "2+2").await.expect(200);
    for number in 1..=2 {
        let reply = client.invoke("f", "2+2").await.expect(200);
        assert_eq!((reply.venue(), reply.text().as_str()), ("cheap", "4"), "no caller waits for the other reply");
        until("the shadow call was made", async || (wrong.count() == number).then_some(())).await;
    }
    assert!(wrong.seen().iter().all(|seen| seen.path == "/f"), "what runs once is not run twice");
    until("the other is in quarantine", async || (quarantined(&broker).await == ["f/dear"]).then_some(())).await;
    assert_eq!(excluded(&client, "dear").await.as_deref(), Some("quarantined"));

    // It is in quarantine a moment before its last reply is on disk.
    let detail = until("both replies are kept", async || {
        let (_, out) = merit(&broker, &["functions", "quarantine", "show", "f", "dear", "--json"]).await;
        let detail: QuarantineDetail = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
        (detail.divergences.len() == 2).then_some(detail)
    })
    .await;
    // "2+2", "4" and "5" in base64.
    let kept: Vec<[&str; 3]> = detail.divergences.iter().map(|one| [&*one.payload, &*one.given, &*one.reply]).collect();
    assert_eq!(kept, [["Misy", "NA==", "NQ=="]; 2], "{detail:?}");

    // Whoever calls pays for calls, and the account for what was compared.
    let own = Audit::check_books(&client, FIRST_ACCOUNT).await;
    let compared = Audit::check_books(&client, ACCOUNT).await;
    assert_eq!((dollars(&own.spent), dollars(&compared.spent)), (cents(3), cents(4)));

    // Not even without the right one, and not after a restart either.
    broker.stop().await;
    right.play(script::status(503, None));
    let (broker, client) = setup.start_with_client().await;
    assert_eq!(quarantined(&broker).await, ["f/dear"]);
    let refused = client.invoke("f", "2+2").await;
    assert!(refused.status >= 500 && refused.venue() != "dear", "{refused:?}");
    assert_eq!(wrong.count(), 2, "nothing was sent there");

    wrong.play(script::replies("4"));
    let (code, _) = merit(&broker, &["functions", "quarantine", "lift", "f", "dear"]).await;
    assert_eq!((code, quarantined(&broker).await.len()), (0, 0));
    until("it takes calls again", async || {
        let reply = client.invoke("f", "2+2").await;
        (reply.status == 200 && reply.venue() == "dear").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_offer_takes_calls_once_somebody_says_that_it_is_equal() {
    let upstream = Upstream::start(signs()).await;
    let setup = providers::setup(&["pool"]).set("venues.pool", "vouch", false);
    let setup = setup.set("functions.g", "idempotent", true).text("functions.g", "equivalence", "declared");
    let (mut broker, client) = setup.start_with_client().await;
    let provider = client.with_key(&provider_key(&client, &["pool"]).await);
    provider.put_sheet("pool", own_sheet("pool", "0.0001", 1)).await.expect(200);
    let endpoint = json!({ "url": upstream.url(), "secret": SECRET });
    providers::put(&provider, "pool/endpoint", &endpoint).await.expect(204);
    let offers = json!({ "offers": [offer("a", "f"), offer("b", "g")] });
    providers::put(&provider, "pool/offers", &offers).await.expect(200);
    until("the other function asks for less", async || (client.invoke("g", "x").await.status == 200).then_some(()))
        .await;

    let refused = client.invoke("f", "x").await.problem(422, "no-eligible-venue");
    let excluded = &refused.exclusions[0];
    assert_eq!((excluded.deployment.as_str(), excluded.reason.as_str()), ("pool.a", "not-proven-equal"));
    for hint in ["`merit functions vouch f pool.a`", "samples replay f pool.a", "`vouch = true` in [venues.pool]"] {
        assert!(excluded.detail.contains(hint), "{excluded:?}");
    }
    let (code, out) = merit(&broker, &["functions", "vouch", "f", "pool.a"]).await;
    assert_eq!(code, 0, "{out}");
    assert_eq!(client.invoke("f", "x").await.expect(200).venue(), "pool");

    // Neither a new offer nor a restart asks for it again.
    assert!(broker.stop().await.success());
    let (_broker, client) = setup.start_with_client().await;
    let provider = client.with_key(&provider_key(&client, &["pool"]).await);
    providers::put(&provider, "pool/endpoint", &endpoint).await.expect(204);
    providers::put(&provider, "pool/offers", &offers).await.expect(200);
    providers::is(&client, "pool.a", "live").await;
}

fn cents(count: i128) -> Money {
    Money::from_pico(count * 10_000_000_000)
}

#[tokio::test]
async fn what_has_to_be_proven_takes_calls_once_it_has_replied_as_the_samples_say() {
    let right = Upstream::start(script::replies("{\"sum\": 4, \"of\": [2, 2]}")).await;
    let other = Upstream::start(script::replies("{\"sum\": 5}")).await;
    let setup = Setup::new().flat("cheap", &other.url(), "0.01").flat("dear", &right.url(), "0.02");
    let reply = file(&setup, "reply.json", "{ \"of\": [2, 2], \"sum\": 4.0 }");
    let (broker, client) = setup.start_with_client().await;
    let deployment = |venue| json!({ "venue": venue, "target": "f", "memory_mb": 128 });
    let spec = json!({ "idempotent": true, "equivalence": "proven",
        "deployments": { "cheap": deployment("cheap"), "dear": deployment("dear") } });
    let _: Value = client.put("/v1/functions/f", &spec).await;
    assert_eq!(excluded(&client, "cheap").await, None, "who puts it with an admin's key gives his word");

    let (code, out) = merit(&broker, &["functions", "vouch", "f", "cheap", "--withdraw", "--json"]).await;
    let equal: EqualView = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!((code, equal.by.as_str()), (0, "none"));
    until("it is out", async || {
        (excluded(&client, "cheap").await.as_deref() == Some("not-proven-equal")).then_some(())
    })
    .await;
    assert_eq!(client.invoke("f", "2+2").await.expect(200).venue(), "dear");

    let record = ["functions", "samples", "record", "f", "--data", "2+2", "--reply", reply.to_str().expect("UTF-8")];
    let (code, out) = merit(&broker, &record).await;
    assert_eq!(code, 0, "{out}");
    let replay = async || {
        let (code, out) = merit(&broker, &["functions", "samples", "replay", "f", "cheap", "--json"]).await;
        let view: ReplayView = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
        (code, view)
    };
    let (code, view) = replay().await;
    assert!(code == 1 && !view.proven && view.samples[0].detail.contains("sum"), "{view:?}");
    assert_eq!(excluded(&client, "cheap").await.as_deref(), Some("not-proven-equal"));

    other.play(script::replies("{\"sum\": 4, \"of\": [2, 2]}"));
    let (code, view) = replay().await;
    assert!(code == 0 && view.proven, "{view:?}");
    until("it takes calls", async || (client.invoke("f", "2+2").await.expect(200).venue() == "cheap").then_some(()))
        .await;
    let compared = Audit::check_books(&client, ACCOUNT).await;
    assert_eq!(dollars(&compared.spent), cents(2), "each replay is a call that is paid for");
}
