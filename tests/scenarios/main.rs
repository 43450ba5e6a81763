//! Scenarios against the built binary: brokers, clouds and pools run as processes, and are called,
//! loaded, reloaded, stopped and killed as in earnest.
//!
//! Workload and auditor are written apart. What a test does to Merit is in its own file; what it
//! believes comes from the upstreams' own records and from what Merit tells every caller: replies,
//! receipts, budgets, spend. No test looks into the broker.
//!
//! Known limitation: the binary is found beside the test, and cargo does not rebuild it for one;
//! `make test` builds it first.

mod support;

mod adjustments;
mod asynchronous;
mod authorization;
mod command_line;
mod cut;
mod damaged;
mod demo;
mod disconnects;
mod doctor;
mod equivalence;
mod estimates;
mod events;
mod example_provider;
mod feed;
mod idempotency;
mod killed;
mod lambda;
mod market;
mod misconfigured;
mod openapi;
mod operations;
mod overload;
mod overspend;
mod own_platforms;
mod passed_on;
mod plain_http;
mod pool_death;
mod pool_joined;
mod prices;
mod providers;
mod quotes;
mod reconciled;
mod refusals;
mod retries;
mod shared_instances;
mod strangers;
mod unready;
mod venue_death;
