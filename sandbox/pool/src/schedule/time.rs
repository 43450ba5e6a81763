//! What passes with time: calls that waited too long, instances that lay idle too long, a load that rises.

use merit_units::Micros;

use super::function::Function;
use super::{Action, Instance, InstanceId, Refused, Scheduler, State};

impl Scheduler {
    pub(super) fn expire(&mut self, now: Micros, actions: &mut Vec<Action>) {
        for function in 0..self.functions.len() {
            let queue = &mut self.functions[function].queue;
            let first = queue.front().map(|(order, _)| *order);
            if first.is_none() {
                continue;
            }
            queue.retain(|(_, waiting)| {
                let expired = waiting.until <= now;
                if expired {
                    actions.push(Action::Refuse { call: waiting.call, why: Refused::Expired });
                }
                !expired
            });
            self.reindex(function, first);
        }
    }

    /// Stops what lay idle for its function's keep-alive, unless the load asks for it.
    pub(super) fn reap(&mut self, now: Micros, actions: &mut Vec<Action>) {
        let mut old: Vec<(Micros, InstanceId)> = Vec::new();
        for (id, instance) in &self.instances {
            let kept = self.functions[instance.function].idle.keep_alive(self.rules.keep_alive);
            if let Some(since) = instance.idle_since().filter(|since| since.saturating_add(kept) <= now) {
                old.push((since, *id));
            }
        }
        old.sort_unstable();
        for (_, instance) in old {
            let function = &self.functions[self.instances[&instance].function];
            if function.instances > function.wanted(now) {
                self.remove(instance);
                actions.push(Action::Stop { instance });
            } else if let Some(Instance { state: State::Ready { used, .. }, .. }) = self.instances.get_mut(&instance) {
                // Wanted all the same: asked again after another keep-alive.
                *used = now;
            }
        }
    }

    pub(super) fn start_ahead(&mut self, now: Micros, actions: &mut Vec<Action>) {
        for function in 0..self.functions.len() {
            let Function { shape, .. } = self.functions[function];
            while shape.kept
                && self.functions[function].may_start_ahead(now)
                && self.functions[function].instances < self.functions[function].wanted(now)
                && self.memory + shape.memory <= self.rules.memory
            {
                let instance = self.add(now, function);
                actions.push(Action::Start { instance, function });
            }
        }
    }
}
