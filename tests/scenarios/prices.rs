//! A price list on a web server: fetched when told to, changed, broken in every way, and good again.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use merit_price_lists::aws::sample::OfferSample;
use merit_units::{Money, Rate};
use merit_wire::{BookView, CatalogRefreshView, CatalogView, VenueView};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Client, KEY, Process, Setup, Upstream, Worth, dollars, merit_command, run_to_end, script};

const X86: &str = "aws-lambda/us-east-1/x86_64";

/// A page with its `ETag`.
#[derive(Clone, Default)]
struct Page {
    body: Vec<u8>,
    etag: String,
    gzip: bool,
}

/// A web server with one page.
struct Site {
    page: Arc<Mutex<Page>>,
    url: String,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let page = Arc::<Mutex<Page>>::default();
        let served = Arc::clone(&page);
        drop(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(tokio::spawn(answer(stream, served.lock().expect("no panic").clone())));
            }
        }));
        Self { page, url }
    }

    fn put(&self, body: impl Into<Vec<u8>>, etag: &str) {
        *self.page.lock().expect("no panic") = Page { body: body.into(), etag: format!("\"{etag}\""), gzip: false };
    }

    fn put_packed(&self, body: &[u8], etag: &str) {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(body).expect("packed");
        let body = packed.finish().expect("packed");
        *self.page.lock().expect("no panic") = Page { body, etag: format!("\"{etag}\""), gzip: true };
    }
}

async fn answer(mut stream: TcpStream, page: Page) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let known = head.contains(&format!("if-none-match: {}", page.etag.to_ascii_lowercase()));
    let (status, body) = if known { ("304 Not Modified", Vec::new()) } else { ("200 OK", page.body) };
    let packed = if page.gzip { "Content-Encoding: gzip\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nETag: {}\r\n{packed}Content-Length: {}\r\n\r\n",
        page.etag,
        body.len()
    );
    // A client that has read enough may be gone.
    drop(stream.write_all(head.as_bytes()).await);
    drop(stream.write_all(&body).await);
    drop(stream.shutdown().await);
}

/// AWS's price list for one region with every price at `percent`.
fn offer(percent: u128) -> OfferSample {
    let mut sample = OfferSample::of_regions(&["us-east-1"]);
    for range in sample.products.iter_mut().flat_map(|product| &mut product.ranges) {
        let rate: Rate = range[2].parse().expect("a rate");
        range[2] = Rate::from_atto(rate.atto() * percent / 100).to_string();
    }
    sample
}

/// `merit` on the command line: its exit code, stdout and stderr.
async fn merit(broker: &Process, args: &[&str]) -> (i32, String, String) {
    let mut command = merit_command(args);
    command.env("MERIT_URL", format!("http://{}", broker.address())).env("MERIT_KEY", KEY);
    let output = run_to_end(&mut command).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("not killed"), text(&output.stdout), text(&output.stderr))
}

async fn refresh(broker: &Process) -> (i32, CatalogRefreshView) {
    let (code, out, err) = merit(broker, &["catalog", "refresh", "--json"]).await;
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
}

/// A broker with one function at one venue of Lambda's prices, which has used up its free grant: within it every price
/// is zero.
fn past_the_grant(upstream: &Upstream) -> Setup {
    Setup::new()
        .venue("lambda", &upstream.url(), X86)
        .function("f", Worth::Idempotent, &["lambda"])
        .text("venues.lambda.month_to_date", "request", 1_000_000)
        .text("venues.lambda.month_to_date", "gb_second", 400_000)
}

/// What a call of `f` is expected to cost.
async fn cost(client: &Client) -> Money {
    let book: BookView = client.book("f").await;
    dollars(&book.asks[0].cost)
}

#[tokio::test]
async fn a_price_list_is_fetched_changed_broken_and_good_again() {
    let (upstream, site) = (Upstream::start(script::echoes()).await, Site::start().await);
    let setup = past_the_grant(&upstream)
        .text("catalog", "aws_lambda_url", format!("{}/{{region}}/index.json", site.url))
        .set("catalog", "max_file_bytes", 300_000);
    let (mut broker, client) = setup.start_with_client().await;
    let built_in = cost(&client).await;

    site.put(offer(100).to_file(), "one");
    let (code, first) = refresh(&broker).await;
    assert_eq!((code, first.put.len(), first.held.len()), (0, 4, 0), "{first:?}");
    assert_eq!(cost(&client).await, built_in, "the list has the catalogue's own figures");
    assert_eq!(refresh(&broker).await.1.feeds[0].outcome, "not modified");

    site.put_packed(offer(110).to_file().as_bytes(), "two");
    assert_eq!(refresh(&broker).await.1.put.len(), 4);
    let dearer = cost(&client).await;
    assert!(dearer > built_in, "{dearer} after {built_in}");

    let good = offer(110).to_file();
    let mut units = offer(110);
    units.group("AWS-Lambda-Duration").for_each(|product| product.unit = "Hrs".to_owned());
    let broken: [(&dyn Fn(), i32, &str); 5] = [
        (&|| site.put(&good.as_bytes()[..good.len() - 99], "cut"), 1, "EOF while parsing"),
        (&|| site.put("<html>Sorry</html>", "html"), 1, "it begins with `<html>Sorry</html>`"),
        (&|| site.put_packed(&vec![b' '; 30_000_000], "bomb"), 1, "unpacked it has more than"),
        (&|| site.put(units.to_file(), "units"), 0, "the unit is `Hrs`"),
        (&|| site.put(offer(55).to_file(), "half"), 0, "more than 25 %"),
    ];
    for (put, expected, why) in broken {
        put();
        let (code, refreshed) = refresh(&broker).await;
        assert_eq!(code, expected, "{why}: {refreshed:?}");
        assert_eq!(cost(&client).await, dearer, "{why}: the last good prices stay");
        let venue: VenueView = client.get("/v1/venues/lambda").await;
        let warning = venue.price_warning.unwrap_or_default();
        assert!(warning.contains(why), "{why}: {warning}");
        let (_, _, shown) = merit(&broker, &["catalog", "show"]).await;
        assert!(shown.contains("warning: ") && shown.contains(why), "{why}: {shown}");
        let (_, _, listed) = merit(&broker, &["venues", "list"]).await;
        assert!(listed.contains(&format!("warning: lambda: {warning}")), "{listed}");
        assert!(broker.log().contains(why), "{why} in the log");
    }
    let (_, diff, _) = merit(&broker, &["catalog", "diff", X86]).await;
    let request = ["request", "0.00000022", "0.00000011"];
    assert!(diff.lines().any(|line| line.split_whitespace().eq(request)), "{diff}");

    site.put(offer(120).to_file(), "three");
    assert_eq!(refresh(&broker).await.1.put.len(), 4);
    let dearest = cost(&client).await;
    assert!(dearest > dearer);
    let view: CatalogView = client.get("/v1/catalog").await;
    assert!(view.warnings.is_empty() && view.held.is_empty(), "{view:?}");

    assert!(broker.stop().await.success());
    let (broker, client) = setup.start_with_client().await;
    assert_eq!(cost(&client).await, dearest, "live prices outlive a restart");
    let (_, history, _) = merit(&broker, &["catalog", "history", X86]).await;
    assert_eq!(history.lines().count(), 5, "a heading, three price lists and the built-in sheet: {history}");
    let (_, then, _) = merit(&broker, &["catalog", "show", X86, "--at", "2020-01-01T00:00:00Z"]).await;
    assert!(then.contains("0.0000002 ") && !then.contains("live"), "{then}");
}

#[tokio::test]
async fn what_is_held_comes_into_force_by_a_persons_word() {
    let (upstream, site) = (Upstream::start(script::echoes()).await, Site::start().await);
    let setup = past_the_grant(&upstream).text("catalog", "aws_lambda_url", format!("{}/index.json", site.url));
    let (broker, client) = setup.start_with_client().await;
    let built_in = cost(&client).await;
    site.put(offer(50).to_file(), "half");
    let (code, refreshed) = refresh(&broker).await;
    assert_eq!((code, refreshed.put.len(), refreshed.held.len()), (0, 0, 4), "{refreshed:?}");
    assert_eq!(cost(&client).await, built_in);
    let reader = client.caller("reader", &["invoke"]).await;
    let refused = crate::support::Reply::of(reader.request(reqwest::Method::POST, "/v1/catalog/accept")).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let (code, out, err) = merit(&broker, &["catalog", "refresh", "--accept", X86]).await;
    assert_eq!((code, out.as_str()), (0, "aws-lambda/us-east-1/x86_64 is in force\n"), "{err}");
    assert!(cost(&client).await < built_in);
    let (_, history, _) = merit(&broker, &["catalog", "history", X86]).await;
    assert!(history.contains("request: 0.0000002 -> 0.0000001"), "{history}");
}

#[tokio::test]
async fn nobody_is_asked_unasked() {
    let site = Site::start().await;
    let setup = Setup::new().text("catalog", "aws_lambda_url", format!("{}/{{region}}.json", site.url));
    let broker = setup.start().await;
    let (code, _, err) = merit(&broker, &["catalog", "refresh"]).await;
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("there is no price feed to ask"), "{err}");
    let (_, out, _) = merit(&broker, &["catalog", "show"]).await;
    assert!(out.contains("by `merit catalog refresh` only"), "{out}");
}
