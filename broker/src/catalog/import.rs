//! Prices from a file that somebody gives: a sheet, a catalogue file, or a provider's price list.
//!
//! What is imported goes the way of what is fetched: judged against the sheet in force, stored with its history, held when
//! it changes too much. So maintained sheets, whose providers publish no list, are kept up by one command.
//!
//! Invariant: a list that is only one of several pages is refused, since what is missing would not be told from what is
//! gone. Sheets in force that are not in the file stay.

use merit_pricing::{Catalogue, Date, MoveLimit, PriceSheet};

use super::feeds::Feed;
use super::list::{Format, Read};
use super::pages::version_of;
use super::plan::Plan;
use super::refresh::{FeedOutcome, Refreshed, day_of};
use crate::Broker;
use crate::refusal::Refusal;

/// How what is imported is called in place of a feed, in front of the file's name.
pub(super) const IMPORT: &str = "import ";

impl Broker {
    /// Puts the prices of a file in force, or holds them. `name` is what the history calls it.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] for a file that is none of the known kinds; then nothing has changed.
    pub async fn import_prices(&self, name: &str, bytes: Vec<u8>, by: &str) -> Result<Refreshed, Refusal> {
        let now = self.clock.now();
        let (today, title) = (day_of(now), format!("{IMPORT}{name}"));
        let read = {
            let name = name.to_owned();
            tokio::task::spawn_blocking(move || read(&name, &bytes, today)).await
        };
        let read = read.map_err(|error| Refusal::Internal(error.to_string()))?;
        let mut read = read.map_err(|problem| Refusal::BadRequest(format!("{name}: {problem}")))?;
        self.refuse_unknown_currencies(&mut read);
        let _changing = self.catalog.changing.lock().await;
        let state = self.catalog.state();
        let limit = MoveLimit { percent: self.settings.load().catalog.max_move_percent };
        let outcome = format!("read version {}, {} sheets", read.version, read.sheets.len());
        let mut plan = Plan::default();
        plan.judge(&state, read.sheets, limit, (&title, by), now);
        let mut all =
            Refreshed { feeds: vec![FeedOutcome { feed: title, outcome: Ok(outcome) }], ..Refreshed::default() };
        self.tell(&plan, &mut all);
        self.carry_out(plan, None, now).await.map_err(|error| Refusal::Internal(error.to_string()))?;
        self.count_catalog();
        Ok(all)
    }
}

fn read(name: &str, bytes: &[u8], today: Date) -> Result<Read, String> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return read_sheets(bytes);
    }
    // The first of these that takes it is what it is; each looks at names that no other has.
    let text = String::from_utf8_lossy(bytes);
    let format = match () {
        () if text.contains("\"offerCode\"") => Format::AwsOffers,
        () if text.contains("\"PriceList\"") => Format::AwsProducts,
        () if text.contains("\"Items\"") => Format::AzureRetail,
        () if text.contains("\"skus\"") => Format::GoogleSkus,
        () => return Err(KINDS.to_owned()),
    };
    let mut list = format.list();
    if list.add(bytes, today)?.is_some() {
        return Err("it is one page of several: give all of the list in one file, without a next page".to_owned());
    }
    let feed = Feed { name: name.to_owned(), url: name.to_owned(), format };
    list.finish(&feed, today, version_of(bytes))
}

const KINDS: &str = "it is no price sheet and no catalogue file (TOML), no offer file of AWS, no page of GetProducts, of Azure's \
                     Retail Prices, or of Google's Cloud Billing Catalog (JSON)";

/// A catalogue file, or one sheet.
fn read_sheets(bytes: &[u8]) -> Result<Read, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| KINDS.to_owned())?;
    let sheets: Vec<PriceSheet> = if text.lines().any(|line| line.trim() == "[[sheets]]") {
        let mut file = Catalogue::default();
        file.add_file(text).map_err(|error| error.to_string())?;
        file.iter().map(|sheet| (**sheet).clone()).collect()
    } else {
        vec![PriceSheet::parse_toml(text).map_err(|errors| errors.to_string())?]
    };
    let sheets = sheets.into_iter().map(|sheet| (sheet.name().clone(), Ok(sheet))).collect();
    Ok(Read { version: version_of(bytes), sheets, rates: None })
}
