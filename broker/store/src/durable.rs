//! An answer that comes when what it tells is on disk.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::StoreError;

/// The answer of a write, given after its commit. Await it, or [`Durable::wait`] outside async code.
///
/// The write happens whether or not anybody waits.
#[derive(Debug)]
#[must_use = "without waiting nobody learns whether the write succeeded"]
pub struct Durable<T>(State<T>);

#[derive(Debug)]
enum State<T> {
    Ready(Option<Result<T, StoreError>>),
    Waiting(oneshot::Receiver<Result<T, StoreError>>),
}

impl<T> Unpin for Durable<T> {}

impl<T> Durable<T> {
    pub(crate) fn ready(answer: Result<T, StoreError>) -> Self {
        Self(State::Ready(Some(answer)))
    }

    pub(crate) fn waiting(receiver: oneshot::Receiver<Result<T, StoreError>>) -> Self {
        Self(State::Waiting(receiver))
    }

    /// Blocks until the answer is there.
    ///
    /// # Errors
    /// What kept the write from being committed.
    ///
    /// # Panics
    /// Inside an async runtime: await it there.
    pub fn wait(self) -> Result<T, StoreError> {
        match self.0 {
            State::Ready(answer) => answer.unwrap_or(Err(StoreError::Closed)),
            State::Waiting(receiver) => receiver.blocking_recv().unwrap_or(Err(StoreError::Closed)),
        }
    }
}

impl<T> Future for Durable<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => Poll::Ready(answer.take().unwrap_or(Err(StoreError::Closed))),
            State::Waiting(receiver) => {
                Pin::new(receiver).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
            }
        }
    }
}
