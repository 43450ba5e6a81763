//! What a reader asks for, checked; what is wrong with it is named.

use std::sync::Arc;

use merit_units::FunctionId;
use merit_wire::feed::{EVERY_FUNCTION, FeedAction, FeedChannel, FeedRequest};
use serde_json::Value;

use super::Session;
use crate::doors::problem;
use crate::feed::{self, Name};

impl Session {
    /// Does what a message asks for.
    pub(super) fn answer(&self, text: &str) {
        let id = || serde_json::from_str::<Value>(text).ok()?.get("id")?.as_u64();
        if let Err(refusal) = self.key.take_call() {
            return self.refuse(id(), "rate_limited", refusal.to_string());
        }
        match serde_json::from_str::<FeedRequest>(text) {
            Ok(request) if request.functions.is_empty() && request.classes.is_empty() => {
                self.refuse(request.id, "bad_message", "functions: name at least one, or one of classes");
            }
            Ok(request) => {
                for function in &request.functions {
                    self.one(&request, function);
                }
                for class in &request.classes {
                    self.one_class(&request, class);
                }
            }
            Err(error) => self.refuse(id(), "bad_message", error.to_string()),
        }
    }

    /// One function of a request. What is wrong with one of them concerns no other.
    fn one(&self, request: &FeedRequest, function: &str) {
        let (id, channel) = (request.id, request.channel);
        let function = match function {
            EVERY_FUNCTION if channel == FeedChannel::Tape => None,
            EVERY_FUNCTION => {
                let message =
                    format!("functions: `*` is for the tape alone; name the functions of `{}`", channel.as_str());
                return self.refuse(id, "bad_message", message);
            }
            name => match FunctionId::try_new(name) {
                Ok(function) => Some(function),
                Err(error) => return self.refuse(id, "bad_message", format!("functions: {error}")),
            },
        };
        let name = Arc::new(Name { channel, function });
        match request.action {
            FeedAction::Subscribe => {
                if self.subscribe(&name, id) {
                    self.followed().named.insert(name);
                }
            }
            FeedAction::Unsubscribe if self.standing().contains_key(&name) => {
                self.followed().named.remove(&name);
                self.broker.feed.unsubscribe(&self.reader, &name, id);
            }
            FeedAction::Unsubscribe => {
                self.refuse(id, "not_subscribed", format!("there is no subscription to the {name}"));
            }
        }
    }

    /// Subscribes the reader, or says why not. Returns whether it did.
    pub(super) fn subscribe(&self, name: &Arc<Name>, id: Option<u64>) -> bool {
        let max = self.broker.settings.load().feed.max_subscriptions;
        {
            let mut standing = self.standing();
            if !standing.contains_key(name) {
                if standing.len() >= max {
                    let message = format!(
                        "{max} subscriptions, feed.max_subscriptions, are there; end one or connect again for the {name}"
                    );
                    drop(standing);
                    self.refuse(id, "too_many_subscriptions", message);
                    return false;
                }
                standing.insert(Arc::clone(name), None);
            }
        }
        if let Err(refusal) = feed::subscribe(&self.broker, &self.reader, name, id) {
            self.standing().remove(name);
            self.refuse(id, &problem::word(&refusal).replace('-', "_"), refusal.to_string());
            return false;
        }
        true
    }
}
