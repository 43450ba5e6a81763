//! Price sheets that are published for a venue: checked, stored under a growing number, put in force.
//!
//! A provider's sheet keeps to names of its own. Grants and tiers are shared by name, so a sheet that named another's
//! could use up what is free there and make it look dearer than it is.

use std::sync::Arc;

use merit_pricing::PriceSheet;
use merit_store::record::{SheetPut, SheetRow};
use merit_units::VenueId;
use merit_wire::PriceChangeView;

use crate::Broker;
use crate::refusal::Refusal;
use crate::venue::VenueEntry;

impl Broker {
    /// Publishes a sheet, TOML or JSON, for a venue. One that is in force already is taken again without a change.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] with what is wrong with it.
    pub(crate) async fn publish_sheet(&self, venue: &VenueEntry, text: &str) -> Result<PriceChangeView, Refusal> {
        let json = text.trim_start().starts_with('{');
        let sheet = if json { PriceSheet::parse_json(text) } else { PriceSheet::parse_toml(text) };
        let sheet = Arc::new(sheet.map_err(|errors| Refusal::BadRequest(format!("the price sheet: {errors}")))?);
        if venue.provider.is_some() {
            check_names(&venue.id, &sheet).map_err(Refusal::BadRequest)?;
        }
        let (name, seq) = (sheet.name().to_string(), sheet.seq());
        let view = |functions: usize| PriceChangeView {
            venue: venue.id.to_string(),
            sheet: name.clone(),
            seq,
            functions: functions as u64,
        };
        let body = sheet.to_toml();
        if venue.prices.sheet().is_some_and(|other| other.seq() == seq && other.to_toml() == body) {
            return Ok(view(0));
        }
        if let Some(provider) = &venue.provider {
            // What the new prices are compared with is on disk before they are.
            let kept = self.store_provider(venue, provider).await;
            kept.map_err(|refused| Refusal::Internal(refused.message))?;
        }
        let now = self.clock.now();
        let row = SheetRow { venue: venue.id.clone(), seq, valid_from: now, stored_at: now, body };
        let put = self.store.put_sheet(row).await.map_err(|error| Refusal::Internal(error.to_string()))?;
        if let SheetPut::Stale { current } = put {
            let message = format!("the sheet's seq is {seq}, and {current} is stored already; use a higher one");
            return Err(Refusal::BadRequest(message));
        }
        let functions = self.put_sheet(venue.id.as_str(), &sheet)?;
        tracing::info!(venue = %venue.id, sheet = %sheet.name(), seq, functions, "a price sheet is in force");
        Ok(view(functions))
    }
}

/// Whether the sheet and what it shares are named like the venue, or below it.
fn check_names(venue: &VenueId, sheet: &PriceSheet) -> Result<(), String> {
    let own = |name: &str| {
        let rest = name.strip_prefix(venue.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !own(sheet.name().as_str()) {
        return Err(format!("the price sheet: name `{}`: call it `{venue}`, or `{venue}/...`", sheet.name()));
    }
    for meter in sheet.billed_meters() {
        let Some(pools) = sheet.pool_of(meter) else { continue };
        let grant = pools.grant.map(|pool| pool.strip_prefix("grant:").unwrap_or(pool));
        let tier = pools.tier.strip_prefix("tier:").unwrap_or(pools.tier);
        for shared in grant.into_iter().chain([tier]) {
            if !own(shared) {
                return Err(format!(
                    "the price sheet: {meter} shares `{shared}`: share only what begins with `{venue}`"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(name: &str, grant: &str) -> PriceSheet {
        let text = format!(
            "name = \"{name}\"\ncurrency = \"USD\"\nsource = \"own\"\n\
             lines = [{{ meter = \"request\", rate = \"1\"{grant} }}]\n\
             [sources.own]\ntitle = \"own\"\nretrieved = \"2026-11-21\"\n"
        );
        PriceSheet::parse_toml(&text).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn a_providers_sheet_shares_nothing_with_others() {
        let venue: VenueId = "pool-a".parse().unwrap();
        let told = |sheet: &PriceSheet| check_names(&venue, sheet).err();
        assert_eq!(told(&sheet("pool-a", "")), None);
        assert_eq!(told(&sheet("pool-a/spot", ", grant = { quantity = \"5\", scope = \"pool-a\" }")), None);
        for (bad, why) in [
            (sheet("pool-ab", ""), "name `pool-ab`: call it `pool-a`"),
            (sheet("aws-lambda/us-east-1/x86_64", ""), "call it `pool-a`"),
            (sheet("pool-a", ", grant = { quantity = \"5\", scope = \"aws-lambda\" }"), "request shares `aws-lambda/"),
            (sheet("pool-a", ", tier_scope = \"other\""), "request shares `other/"),
        ] {
            let told = told(&bad).expect(why);
            assert!(told.contains(why), "{told} has no {why}");
        }
    }
}
