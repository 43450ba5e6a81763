//! What a caller demands of a call: options that `invoke` sends as headers and `quote` as JSON.

use clap::Args;
use merit_units::{Micros, Money};
use merit_wire::{QuoteRequest, header};
use reqwest::RequestBuilder;

use crate::values::{parse_dollars, parse_length};

/// What a caller demands of a call.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Terms")]
pub struct Terms {
    /// The most one call may be expected to cost, in dollars, such as 0.00001
    #[arg(long, value_name = "DOLLARS", value_parser = parse_dollars)]
    pub max_price: Option<Money>,
    /// Venues allowed; a leading `!` excludes. Repeat it or separate with commas
    #[arg(long, value_name = "VENUE", value_delimiter = ',')]
    pub venues: Vec<String>,
    /// Regions allowed; a leading `!` excludes
    #[arg(long, value_name = "REGION", value_delimiter = ',')]
    pub regions: Vec<String>,
    /// Isolation classes allowed: wasm, namespace, gvisor, microvm, provider
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub isolation: Vec<String>,
    /// Architectures allowed: x86_64, arm64
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    pub architecture: Vec<String>,
    /// The highest expected latency (95th percentile), such as 200ms
    #[arg(long, value_name = "TIME", value_parser = parse_length)]
    pub max_latency: Option<Micros>,
    /// Dollars a second of waiting is worth; weighs latency against cost
    #[arg(long, value_name = "DOLLARS", value_parser = parse_dollars)]
    pub value_of_time: Option<Money>,
}

impl Terms {
    /// The terms as a quote's body.
    pub(crate) fn to_request(&self) -> QuoteRequest {
        QuoteRequest {
            max_price: self.max_price.map(|price| price.to_string()),
            venues: self.venues.clone(),
            regions: self.regions.clone(),
            isolation: self.isolation.clone(),
            architecture: self.architecture.clone(),
            value_of_time: self.value_of_time.map(|value| value.to_string()),
            max_latency_ms: self.max_latency.map(Micros::millis_ceil),
        }
    }

    /// The terms as headers of a call.
    pub(crate) fn add_headers(&self, request: RequestBuilder) -> RequestBuilder {
        let lists = [
            (header::VENUES, &self.venues),
            (header::REGIONS, &self.regions),
            (header::ISOLATION, &self.isolation),
            (header::ARCHITECTURE, &self.architecture),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name, list.join(",")));
        let values = [
            (header::MAX_PRICE, self.max_price.map(|price| price.to_string())),
            (header::VALUE_OF_TIME, self.value_of_time.map(|value| value.to_string())),
            (header::MAX_LATENCY, self.max_latency.map(|length| format!("{}ms", length.millis_ceil()))),
        ];
        let values = values.into_iter().filter_map(|(name, value)| Some((name, value?)));
        lists.chain(values).fold(request, |request, (name, value)| request.header(name, value))
    }
}
