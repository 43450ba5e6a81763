//! A pool as the provider of its session: its functions become offers, at the rates its load makes them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use merit_join::Provider;
use merit_pool::{Join, Market, Rates, Secret};
use merit_wire::{EndpointSpec, OfferSpec};

pub(super) struct PoolProvider {
    market: Arc<Market>,
    endpoint: EndpointSpec,
    sheet: String,
    rule: serde_json::Value,
    ttl: Duration,
}

impl PoolProvider {
    /// The pool behind `market`, which listens on `address`. `day` is today's, for the price sheet.
    pub(super) fn new(market: Arc<Market>, join: &Join, address: SocketAddr, secret: &Secret, day: &str) -> Self {
        let url = join.endpoint.clone().unwrap_or_else(|| format!("http://{address}/"));
        Self {
            endpoint: EndpointSpec { url, secret: secret.expose().to_owned() },
            sheet: market.rule().to_sheet(&join.venue, day),
            rule: market.rule().to_json(),
            ttl: join.ttl,
            market,
        }
    }
}

impl Provider for PoolProvider {
    fn endpoint(&self) -> EndpointSpec {
        self.endpoint.clone()
    }

    fn price_sheet(&self) -> String {
        self.sheet.clone()
    }

    fn offers(&self) -> Vec<OfferSpec> {
        let Rates { gib_second, cpu_ms } = self.market.rates();
        let prices = [("gib_second", gib_second), ("cpu_ms", cpu_ms)];
        let prices = prices.map(|(meter, rate)| (meter.to_owned(), rate.to_string()));
        let ttl_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let offers = self.market.offers().into_iter().map(|offer| OfferSpec {
            id: offer.id(),
            target: format!("/{}", offer.function),
            function: Some(offer.function),
            class: None,
            isolation: Some(offer.isolation.to_owned()),
            architecture: Some(architecture().to_owned()),
            memory_mb: offer.memory_mb,
            vcpu: None,
            slots: offer.slots,
            prices: prices.clone().into(),
            rule: Some(self.rule.clone()),
            ttl_ms,
        });
        offers.collect()
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }
}

/// The machine's, by the name it has in offers.
const fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

#[cfg(test)]
mod tests {
    use merit_pool::PoolConfig;
    use merit_pricing::PriceSheet;

    #[test]
    fn the_pools_sheet_is_one_that_the_exchange_reads() {
        let rule = PoolConfig::new("functions".into()).price_rule(8192, 4000);
        let sheet = PriceSheet::parse_toml(&rule.to_sheet("pool-dc1", "2026-11-21")).expect("a sheet");
        let billed: Vec<&str> = sheet.billed_meters().map(merit_pricing::Meter::name).collect();
        assert_eq!(billed, ["gib_second", "cpu_ms"], "the meters whose rates the offers replace");
        assert_eq!(sheet.name().as_str(), "pool-dc1/own");
    }
}
