//! Simulated clouds on loopback: latency, cold starts, limits, faults and bills of the providers
//! Merit knows, around functions that really run.
//!
//! One process plays several clouds on one port, each under its own path:
//! `http://127.0.0.1:PORT/{cloud}/{function}`. What is computed is real, by way of an [`Executor`];
//! how long it takes is modelled from published measurements (`models/`), and what it costs is
//! billed by the real price sheet of the cloud that is played, in books of the cloud's own.
//!
//! ```no_run
//! # async fn example(executor: std::sync::Arc<dyn merit_sim::Executor>) -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! merit_sim::serve(listener, merit_sim::SimConfig::demo(), executor, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A cloud may also speak the own protocol of its provider or platform, signatures and tokens checked, under
//! `http://127.0.0.1:PORT/{cloud}`; see [`Protocol`].
//!
//! The parts, each knowing only the ones before it: `model` (pure, seeded), `books` (billing),
//! `cloud` (a call from admission to bill), `protocol` (the wire), `server`.
//!
//! Invariants: a call that ran is billed once, a call that did not is not billed, and what is
//! billed is what the reply's meters say. Every random draw follows from the seed.
//!
//! Known limitations: what is not measured of a provider is played by a named stand-in, see
//! `models/providers.toml`; books cover one month that begins when the process does.

mod books;
mod clock;
mod cloud;
mod config;
mod controls;
mod executor;
mod model;
mod protocol;
mod server;
#[cfg(test)]
mod testing;

pub use config::{
    AzureApp, CloudConfig, ConfigErrors, ConfigMistake, EntraClient, FaasGateway, FcAccount, FunctionConfig,
    FunctionSize, GoogleProject, KeyPair, KnativeIngress, LambdaAccount, LambdaFunction, Protocol, Provider,
    ScfAccount, ServiceAccount, SimConfig, SimError, TimeScale, TimeScaleError, WorkersGate,
};
pub use executor::{ExecuteError, ExecuteErrorKind, Executed, Executor, MachineUsage};
pub use model::ProviderError;
pub use server::serve;
