//! Programs as they run: well-behaved, curious and hostile, and what is left of them.
//!
//! They need bubblewrap and Python, which `make setup` installs, and a machine whose user may make namespaces.

mod contained;
mod curious;
mod gvisor;
mod http;
mod images;
mod leftovers;
mod peers;
mod runtime_api;
mod standing;
mod support;
