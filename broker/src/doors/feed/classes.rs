//! Subscriptions to a class: those to each of its functions, also to the ones that come later.
//!
//! Every heartbeat, when any function has changed, the functions that are of a class now are compared with those that
//! the reader was subscribed to by it: new ones are subscribed to, and those that have left it are not told of any
//! more. A reader hears of each change by a message `class` with all its functions, before the snapshots of new ones.
//!
//! Invariant: a function that the reader named itself, or that is of another of its classes, stays subscribed to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use merit_units::FunctionId;
use merit_wire::feed::{FeedAction, FeedChannel, FeedMessage, FeedRequest};

use super::Session;
use crate::feed::{Frame, LEFT_CLASS, Name};

/// A channel of a class.
type ClassName = (FeedChannel, String);

/// What a reader follows.
#[derive(Default)]
pub(super) struct Followed {
    /// Its classes, with the functions that were subscribed to by each.
    classes: BTreeMap<ClassName, BTreeSet<FunctionId>>,
    /// What it named itself.
    pub(super) named: BTreeSet<Arc<Name>>,
    /// The last change of functions that was looked at.
    changes: u64,
}

impl Session {
    /// One class of a request.
    pub(super) fn one_class(&self, request: &FeedRequest, class: &str) {
        let class = match crate::provider::class_name(class) {
            Ok(class) => (request.channel, class.to_owned()),
            Err(why) => return self.refuse(request.id, "bad_message", format!("classes: {why}")),
        };
        match request.action {
            FeedAction::Subscribe => {
                let max = self.broker.settings.load().feed.max_subscriptions;
                let mut followed = self.followed();
                if followed.classes.len() >= max && !followed.classes.contains_key(&class) {
                    drop(followed);
                    let message = format!("{max} classes, feed.max_subscriptions, are followed; end one");
                    return self.refuse(request.id, "too_many_subscriptions", message);
                }
                // Anew, so that asking again brings all snapshots again.
                followed.classes.insert(class.clone(), BTreeSet::new());
                drop(followed);
                self.follow(&class, request.id, true);
            }
            FeedAction::Unsubscribe => {
                let Some(functions) = self.followed().classes.remove(&class) else {
                    let message =
                        format!("there is no subscription to the {} of the class {}", class.0.as_str(), class.1);
                    return self.refuse(request.id, "not_subscribed", message);
                };
                for function in functions {
                    let name = name(class.0, function);
                    if !self.followed().named.contains(&name) {
                        self.broker.feed.unsubscribe(&self.reader, &name, request.id);
                    }
                }
            }
        }
    }

    /// Brings the subscriptions in line with what the classes are now.
    pub(super) fn follow_classes(&self) {
        let changes = self.broker.functions.changes();
        let classes: Vec<_> = {
            let mut followed = self.followed();
            if std::mem::replace(&mut followed.changes, changes) == changes {
                return;
            }
            followed.classes.keys().cloned().collect()
        };
        classes.iter().for_each(|class| self.follow(class, None, false));
    }

    fn follow(&self, class: &ClassName, id: Option<u64>, asked: bool) {
        let functions = self.broker.functions.of_class(&class.1);
        let now: BTreeSet<FunctionId> = functions.iter().map(|function| function.id.clone()).collect();
        let before = self.followed().classes.insert(class.clone(), now.clone()).unwrap_or_default();
        if now == before && !asked {
            return;
        }
        let (functions, channel) = (now.iter().map(ToString::to_string).collect(), class.0);
        self.reader.send(Frame::new(&FeedMessage::Class { id, channel, class: class.1.clone(), functions }));
        for function in now.difference(&before) {
            self.subscribe(&Arc::new(name(channel, function.clone())), id);
        }
        for function in before.difference(&now) {
            let left = name(channel, function.clone());
            if !self.is_wanted(&left, function) {
                self.broker.feed.leave_for(&self.reader, &left, LEFT_CLASS);
            }
        }
    }

    /// Whether a function that has left a class is subscribed to for another reason, or has said itself that it is gone.
    fn is_wanted(&self, name: &Name, function: &FunctionId) -> bool {
        let Some(function) = self.broker.functions.find(function.as_str()) else { return true };
        let followed = self.followed();
        let by_class = |class: &str| followed.classes.contains_key(&(name.channel, class.to_owned()));
        followed.named.contains(name) || function.class.as_deref().is_some_and(by_class)
    }
}

const fn name(channel: FeedChannel, function: FunctionId) -> Name {
    Name { channel, function: Some(function) }
}
