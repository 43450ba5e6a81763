//! The stages after admission, in order, for doors that answer with the whole reply.

use std::sync::Arc;

use crate::Broker;
use crate::admit::Admitted;
use crate::refusal::Refused;
use crate::settle::{Replied, Settled};
use crate::{dispatch, quote};

/// Quotes, dispatches and settles.
///
/// # Errors
/// Why there is no reply.
pub(crate) async fn run(broker: Arc<Broker>, admitted: Box<Admitted>) -> Result<Box<Replied>, Refused> {
    let quoted = quote::quote(broker, admitted).await?;
    match dispatch::dispatch(quoted).await {
        Settled::Replied(replied) => Ok(replied),
        Settled::Refused(refused) => Err(refused),
    }
}
