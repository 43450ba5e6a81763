//! Price lists of several pages, Azure's and Google's, against a server that answers as a test wants.

use merit_config::{Config, Env, Source};
use merit_price_lists::azure::sample::RetailSample;
use merit_price_lists::google::sample::CatalogSample;

use super::server::{Answer, BODY, Server};
use super::*;
use crate::clock::Clock;
use crate::testing::START;

const FLEX: &str = "azure-flex/eastus";

struct Stage {
    _folder: tempfile::TempDir,
    clock: Clock,
    server: Server,
    broker: Arc<Broker>,
}

impl Stage {
    /// A broker with a venue under each provider's sheet, and a key for Google.
    async fn new(more: &str) -> Self {
        Self::with("", more).await
    }

    /// With another address below the server's for the prices of AWS; `URL` in `more` is the server's.
    async fn with(aws: &str, more: &str) -> Self {
        let (folder, clock, server) = (tempfile::tempdir().unwrap(), Clock::manual(START), Server::start().await);
        let url = &server.url;
        let aws = if aws.is_empty() { String::new() } else { format!("{url}{aws}") };
        let more = more.replace("URL", url);
        let mut text = format!(
            "[store]\ndir = \"{}\"\n[catalog]\naws_lambda_url = \"{aws}\"\nazure_functions_url = \"{url}/retail\"\n\
             google_run_url = \"{url}/skus?pageSize=9\"\ngoogle_api_key = \"sesame\"\npage_pause_ms = 0\n{more}\n",
            folder.path().display(),
        );
        for (venue, sheet) in [("azure", FLEX), ("google", "google-run/tier1")] {
            text.push_str(&format!(
                "[venues.{venue}]\nkind = \"http\"\nurl = \"http://127.0.0.1:9/\"\nregion = \"somewhere\"\n\
                 sheet = \"{sheet}\"\nprivate_addresses = true\n"
            ));
        }
        let env = Env::default();
        let config = Config::parse(&text, &Source::Defaults, &env).unwrap_or_else(|errors| panic!("{errors}"));
        let started = Box::pin(crate::serve::start(&config, &env, clock.clone()));
        let broker = started.await.expect("a broker").broker;
        Self { _folder: folder, clock, server, broker }
    }

    /// One look at a feed under these answers.
    async fn look(&self, feed: &str, answers: impl IntoIterator<Item = Answer>) -> Refreshed {
        self.server.clear();
        self.server.then(answers);
        self.clock.advance(Micros::from_secs(60));
        let feeds = self.broker.feeds_named(&[feed]).expect("a feed");
        Box::pin(self.broker.refresh_feeds(&feeds)).await
    }

    async fn azure(&self, answers: impl IntoIterator<Item = Answer>) -> Refreshed {
        self.look("azure-functions", answers).await
    }

    fn request_rate(&self, venue: &str) -> String {
        let sheet = self.broker.directory.load().venue(venue).unwrap().prices.sheet().expect("a sheet");
        sheet.prices().next().expect("a price").rate.to_string()
    }
}

fn pages(pages: Vec<String>) -> Vec<Answer> {
    pages.into_iter().map(|page| Answer::ok(page.into_bytes())).collect()
}

fn outcome(refreshed: &Refreshed) -> &str {
    refreshed.feeds[0].outcome.as_ref().map_or_else(String::as_str, String::as_str)
}

/// Rows of eastus on pages of five, with calls at `price` for ten.
fn azure(server: &Server, price: &str) -> Vec<Answer> {
    let mut sample = RetailSample::of_regions(&["eastus", "westeurope"]);
    sample
        .meter("On Demand Total Executions")
        .filter(|row| row.price != "0.0")
        .for_each(|row| row.price = price.into());
    pages(sample.to_pages(5, |number| format!("{}/retail?$skip={}", server.url, number * 5)))
}

#[tokio::test]
async fn all_pages_of_azures_list_come_into_force_together() {
    let stage = Stage::new("").await;
    let answers = azure(&stage.server, "0.0000044");
    let count = answers.len();
    let first = stage.azure(answers).await;
    assert!(outcome(&first).starts_with("read version sha256:"), "{first:?}");
    let names: Vec<&str> = first.put.iter().map(SheetName::as_str).collect();
    for name in [FLEX, "azure-flex/westeurope", "azure-consumption/westeurope", "azure-flex/eastus/always-ready"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_eq!(stage.request_rate("azure"), "0.00000044");
    let targets = stage.server.targets();
    assert_eq!((targets.len(), targets[0].as_str(), targets[1].as_str()), (count, "/retail", "/retail?$skip=5"));
    assert_eq!(stage.server.last("x-goog-api-key"), None, "the key is Google's");
    let again = stage.azure(azure(&stage.server, "0.0000044")).await;
    assert!(outcome(&again).ends_with(", as before") && again.put.is_empty(), "{again:?}");
    assert_eq!(again.confirmed, first.put.len());
    // Halved in one page: held, and the rest confirmed.
    let held = stage.azure(azure(&stage.server, "0.0000022")).await;
    assert_eq!((held.put.len(), held.held.len()), (0, 2), "{held:?}");
    assert_eq!(stage.request_rate("azure"), "0.00000044");
    let warning = stage.broker.catalog.warning(FLEX).expect("a warning");
    assert!(warning.contains("request moves from 0.00000044 to 0.00000022, more than 25 %"), "{warning}");
}

#[tokio::test]
async fn googles_list_is_asked_with_the_key_and_by_tokens() {
    let stage = Stage::new("").await;
    let mut sample = CatalogSample::of_cloud_run();
    sample.sku("Requests").rates[1].2 = 440;
    let first = stage.look("google-run", pages(sample.to_pages(9))).await;
    assert_eq!(first.put.len(), 5, "{first:?}");
    assert_eq!(stage.request_rate("google"), "0.00000044");
    assert_eq!(stage.server.targets(), ["/skus?pageSize=9", "/skus?pageSize=9&pageToken=page-1"]);
    assert_eq!(stage.server.last("x-goog-api-key").as_deref(), Some("sesame"));
    let shown = format!("{:?} {:?}", stage.broker.catalog.state().feeds, stage.broker.settings.load());
    assert!(!shown.contains("sesame"), "{shown}");
    // A redirect to elsewhere is not followed: the key would go along.
    let away = Answer::redirect("http://localhost:9/skus");
    let refreshed = stage.look("google-run", [away]).await;
    assert!(outcome(&refreshed).contains("which the key is not for"), "{refreshed:?}");
}

#[tokio::test]
async fn a_page_that_fails_is_asked_for_again_and_no_other() {
    let stage = Stage::new("").await;
    let mut answers = azure(&stage.server, "0.0000044");
    let count = answers.len();
    answers.insert(2, Answer::status(500));
    answers.insert(2, Answer::status(429).header("Retry-After", "0"));
    let part = Answer::ok(b"{\"Items\":[".to_vec()).cut_short_of(1000);
    answers.insert(1, part);
    let refreshed = stage.azure(answers).await;
    assert_eq!(refreshed.put.len(), 8, "{refreshed:?}");
    let targets = stage.server.targets();
    assert_eq!(targets.len(), count + 3);
    let asked = |target: &str| targets.iter().filter(|asked| *asked == target).count();
    assert_eq!((asked("/retail"), asked("/retail?$skip=5"), asked("/retail?$skip=10")), (1, 2, 3));
}

#[tokio::test]
async fn whatever_is_wrong_with_a_page_leaves_the_last_good_prices() {
    let stage = Stage::new("max_pages = 20\nmax_file_bytes = 60000\ntimeout_ms = 60000").await;
    stage.azure(azure(&stage.server, "0.0000044")).await;
    let link = |link: &str| {
        let sample = RetailSample::of_regions(&["eastus"]);
        let mut made = sample.to_pages(sample.rows.len() - 1, |_| link.to_owned());
        Answer::ok(made.swap_remove(0).into_bytes())
    };
    let url = stage.server.url.clone();
    let endless = |number: usize| link(&format!("{url}/retail?$skip={number}"));
    let good = || RetailSample::of_regions(&["eastus"]).to_page().into_bytes();
    let broken: Vec<(Vec<Answer>, &str)> = vec![
        (
            vec![endless(1), Answer::ok(b"<html>sorry</html>".to_vec())],
            "page 2: it is not a page of Azure Retail Prices",
        ),
        (vec![Answer::ok(good()[..900].to_vec())], "EOF while parsing"),
        (
            vec![endless(1), Answer::ok(super::gzip(&[b' '; 1_000_000])).header("Content-Encoding", "gzip")],
            "page 2: unpacked",
        ),
        (vec![endless(1), Answer::status(404)], "page 2: the server answered 404"),
        (vec![Answer::status(429).header("Retry-After", "86400")], "wants to be left alone for 86400 s"),
        ((0..20).map(endless).collect(), "more than catalog.max_file_bytes = 60000"),
        (vec![endless(1), endless(2), endless(1)], "its pages go in a circle"),
        (vec![link("https://prices.example/retail?$skip=1")], "its next page is at https://prices.example"),
        (vec![link("http://127.0.0.1:1/retail?$skip=1")], "its next page is at http://127.0.0.1:1"),
        (vec![Answer::ok(b"{\"Items\":[]}".to_vec())], "it has no price of Azure Functions in any region"),
    ];
    for (answers, wanted) in broken {
        let refreshed = stage.azure(answers).await;
        assert!(refreshed.feeds[0].outcome.is_err(), "{wanted}: {refreshed:?}");
        assert!(outcome(&refreshed).contains(wanted), "{wanted}: {refreshed:?}");
        assert_eq!((stage.request_rate("azure").as_str(), refreshed.put.len()), ("0.00000044", 0));
        assert!(stage.broker.catalog.warning(FLEX).is_some_and(|warning| warning.contains(wanted)));
        assert_eq!(stage.broker.catalog.warning("google-run/tier1"), None, "others go on");
    }
    // In euros it could not be put together with egress in dollars.
    let mut euros = RetailSample::of_regions(&["eastus"]);
    euros.rows.iter_mut().for_each(|row| row.currency = "EUR".to_owned());
    let refreshed = stage.azure([Answer::ok(euros.to_page().into_bytes())]).await;
    assert!(refreshed.put.is_empty() && !refreshed.held.is_empty());
    let warning = stage.broker.catalog.warning(FLEX).expect("a warning");
    assert!(warning.contains("its prices are in EUR") && warning.contains("ask for currencyCode='USD'"), "{warning}");
}

#[tokio::test]
async fn a_list_has_only_so_many_pages() {
    let stage = Stage::new("max_pages = 3").await;
    let refreshed = stage.azure(azure(&stage.server, "0.0000044")).await;
    assert!(outcome(&refreshed).contains("more than catalog.max_pages = 3 pages"), "{refreshed:?}");
    assert_eq!(stage.server.targets().len(), 3);
}

#[tokio::test]
async fn feeds_are_asked_when_something_is_billed_by_them_or_when_they_are_named() {
    let stage = Stage::new("").await;
    let names = |feeds: Vec<Feed>| feeds.into_iter().map(|feed| feed.name).collect::<Vec<_>>();
    assert_eq!(names(stage.broker.feeds()), ["azure-functions", "google-run"]);
    let own = Arc::new(merit_pricing::Catalogue::builtin().get("own/flat").map_or_else(
        || stage.broker.catalog.find("aws-lambda/us-east-1/arm64").expect("a sheet").scaled(90),
        |sheet| sheet.scaled(90),
    ));
    stage.broker.put_sheet("google", &own).unwrap();
    assert_eq!(names(stage.broker.feeds()), ["azure-functions"]);
    assert_eq!(names(stage.broker.feeds_named(&["google-run"]).expect("configured")), ["google-run"]);
    let unknown = stage.broker.feeds_named(&["azure-function"]).expect_err("unknown").to_string();
    assert!(unknown.contains("azure-functions"), "{unknown}");
    let mut settings = (**stage.broker.settings.load()).clone();
    settings.catalog.google_api_key = None;
    settings.catalog.google_run_url = Some("https://cloudbilling.googleapis.com/v1/services/x/skus".to_owned());
    stage.broker.settings.store(Arc::new(settings));
    let refused = stage.broker.feeds_named(&["google-run"]).expect_err("no key").to_string();
    assert!(refused.contains("set catalog.google_api_key"), "{refused}");
}

const PRODUCTS: &str =
    "aws_products_url = \"URL/products\"\naws_access_key_id = \"AKIDEXAMPLE\"\naws_secret_access_key = \"hunter2\"";
const VIRGINIA: &str = "aws-lambda/us-east-1";

/// What AWS's API tells of a region.
fn products() -> Vec<Answer> {
    let mut sample = OfferSample::of_regions(&["us-east-1"]);
    sample.products.retain(|product| !product.region.is_empty());
    pages(sample.to_pages(7))
}

#[tokio::test]
async fn awss_api_is_asked_page_by_page_with_signed_requests() {
    let stage = Stage::with("/{region}.json", PRODUCTS).await;
    let answers = products();
    let count = answers.len();
    let first = stage.look(VIRGINIA, answers).await;
    assert_eq!(outcome(&first), "read version 20260521184754", "{first:?}");
    assert_eq!((first.put.len(), stage.server.targets()), (4, vec!["/products".to_owned(); count]), "not the file");
    let signed = stage.server.last("authorization").expect("a signature");
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signed}");
    assert!(signed.contains("/us-east-1/pricing/aws4_request") && signed.contains("x-amz-target"), "{signed}");
    assert_eq!(stage.server.last("x-amz-target").as_deref(), Some("AWSPriceListService.GetProducts"));
    let body: serde_json::Value = serde_json::from_str(&stage.server.last(BODY).expect("a body")).expect("JSON");
    assert_eq!((&body["ServiceCode"], &body["Filters"][0]["Value"]), (&"AWSLambda".into(), &"us-east-1".into()));
    assert!(body["NextToken"].is_string(), "the last page is asked for by its token: {body}");
    let shown = format!("{:?} {:?}", stage.broker.catalog.state().feeds, stage.broker.settings.load());
    assert!(!shown.contains("hunter2"), "{shown}");

    // A throttle passes, and a key that is refused does not.
    let again = stage.look(VIRGINIA, [Answer::named("ThrottlingException")].into_iter().chain(products())).await;
    assert!(outcome(&again).ends_with(", as before"), "{again:?}");
    let refused = stage.look(VIRGINIA, [Answer::named("UnrecognizedClientException")]).await;
    let problem = refused.feeds[0].outcome.as_ref().expect_err("refused");
    assert!(problem.contains("UnrecognizedClientException so it is; it wants credentials"), "{problem}");
    let away = stage.look(VIRGINIA, [Answer::redirect("http://localhost:9/products")]).await;
    assert!(outcome(&away).contains("which the key is not for"), "{away:?}");
}

#[tokio::test]
async fn every_region_of_awss_index_comes_into_force_or_none() {
    let stage = Stage::with("/current/region_index.json", "").await;
    let of = |region: &str| OfferSample::of_regions(&[region]).to_file().into_bytes();
    let index = r#"{"formatVersion":"v1.0","regions":{"us-east-1":{"regionCode":"us-east-1","currentVersionUrl":"/v2/us-east-1/index.json"},
        "eu-west-1":{"regionCode":"eu-west-1","currentVersionUrl":"/v2/eu-west-1/index.json"}}}"#;
    let answers = |last: Answer| [Answer::ok(index.into()), Answer::ok(of("eu-west-1")), last];
    let html = Answer::ok(b"<html>sign in</html>".to_vec());
    let broken = stage.look("aws-lambda", answers(html)).await;
    let problem = broken.feeds[0].outcome.as_ref().expect_err("a page is no offer");
    assert!(problem.starts_with("page 3: it is not an AWS offer file") && broken.put.is_empty(), "{broken:?}");
    stage.server.targets();
    let whole = stage.look("aws-lambda", answers(Answer::ok(of("us-east-1")))).await;
    assert!(outcome(&whole).starts_with("read version sha256:"), "{whole:?}");
    assert_eq!(whole.put.len(), 8, "{whole:?}");
    let asked = ["/current/region_index.json", "/v2/eu-west-1/index.json", "/v2/us-east-1/index.json"];
    assert_eq!(stage.server.targets(), asked);
}

/// Time stands still but where the test lets it pass: what is under way on real sockets takes none of it.
#[tokio::test(start_paused = true)]
async fn between_two_pages_there_is_a_pause() {
    use crate::catalog::fetch::{FetchLimits, Validators};
    use crate::catalog::list::Format;
    use crate::catalog::pages::{Looked, PageLimits, Who, look};

    // While a blocking task runs, tokio does not advance a paused clock by itself.
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let holder = tokio::task::spawn_blocking(move || held.recv());
    let server = Server::start().await;
    let answers = azure(&server, "0.000004");
    let count = u32::try_from(answers.len()).expect("a few pages");
    assert!(count > 2, "pages enough to tell a pause from another");
    server.then(answers);
    let url = format!("{}/retail", server.url);
    let feed = Feed { name: "azure-functions".to_owned(), url, format: Format::AzureRetail };
    let (pause, timeout) = (Duration::from_secs(60), Duration::from_secs(1_000_000));
    let fetch = FetchLimits { max_bytes: 1 << 20, used: 0, timeout };
    let limits = PageLimits { fetch, max_pages: 100, pause };
    let (begun, today) = (tokio::time::Instant::now(), "2026-11-22".parse().expect("a day"));
    let looking = tokio::spawn(async move {
        let known = Validators::default();
        look(&feed, Who::default(), &known, limits, today).await.map(|looked| matches!(looked, Looked::Read(..)))
    });
    while !looking.is_finished() {
        // A real moment for the sockets, and then a tenth of a second of the test's.
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.expect("it sleeps");
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert_eq!(looking.await.expect("it looks"), Ok(true));
    assert!(begun.elapsed() >= pause * (count - 1), "{:?} over {count} pages", begun.elapsed());
    assert_eq!(server.targets().len(), count as usize);
    drop(hold);
    assert!(holder.await.expect("it ends").is_err());
}
