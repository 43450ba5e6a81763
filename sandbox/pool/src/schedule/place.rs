//! Where waiting calls run, and what is started or stopped for them.

use merit_units::Micros;

use super::function::{Function, Shape};
use super::{Action, FunctionIndex, Instance, InstanceId, Scheduler, State};

impl Scheduler {
    /// Runs what can be run, and starts what has to be started for the rest, in the order of arrival.
    pub(super) fn place(&mut self, now: Micros, actions: &mut Vec<Action>) {
        if self.waiting.is_empty() {
            return;
        }
        for (_, function) in std::mem::take(&mut self.waiting) {
            self.place_of(now, function, actions);
            if let Some((order, _)) = self.functions[function].queue.front() {
                self.waiting.insert((*order, function));
            }
        }
    }

    fn place_of(&mut self, now: Micros, function: FunctionIndex, actions: &mut Vec<Action>) {
        while self.running < self.rules.calls && !self.functions[function].queue.is_empty() {
            let instance = match self.freest(function) {
                Some(instance) => instance,
                None if self.functions[function].shape.kept => break,
                None => match self.admit(now, function, actions) {
                    Some(instance) => instance,
                    None => break,
                },
            };
            self.run(now, function, instance, actions);
        }
        let Function { shape, queue, .. } = &self.functions[function];
        let mut unplaced = if shape.kept { queue.len() } else { 0 };
        let starting = self.functions[function].room_starting();
        unplaced = unplaced.saturating_sub(starting);
        let spare = usize::try_from(self.rules.calls.saturating_sub(self.running)).unwrap_or(usize::MAX);
        unplaced = unplaced.min(spare.saturating_sub(starting));
        while unplaced > 0 {
            let Some(instance) = self.admit(now, function, actions) else { break };
            actions.push(Action::Start { instance, function });
            unplaced = unplaced.saturating_sub(self.functions[function].shape.concurrency as usize);
        }
    }

    /// The most recently used instance of a function that has room.
    fn freest(&self, function: FunctionIndex) -> Option<InstanceId> {
        let Shape { concurrency, kept, .. } = self.functions[function].shape;
        if !kept {
            return None;
        }
        let ready = self.instances.iter().filter_map(|(id, instance)| match instance.state {
            State::Ready { used, .. } => {
                let has_room = instance.function == function && instance.calls < concurrency && !instance.gone;
                has_room.then_some((used, *id))
            }
            State::Starting => None,
        });
        ready.max().map(|(_, id)| id)
    }

    fn run(&mut self, now: Micros, function: FunctionIndex, instance: InstanceId, actions: &mut Vec<Action>) {
        self.count_busy(now);
        let this = self.instances.get_mut(&instance).expect("invariant: it was just found or made");
        if this.calls == 0 {
            self.memory_busy += self.functions[function].shape.memory;
        }
        this.calls += 1;
        let mut cold = None;
        if let State::Ready { init, used } = &mut this.state {
            cold = init.take();
            *used = now;
        }
        let of = &mut self.functions[function];
        let (_, waiting) = of.queue.pop_front().expect("invariant: a call waits");
        of.running += 1;
        self.running += 1;
        actions.push(Action::Run { call: waiting.call, instance, function, cold });
    }

    /// Makes an instance if memory admits it, at the cost of idle ones if it must be.
    fn admit(&mut self, now: Micros, function: FunctionIndex, actions: &mut Vec<Action>) -> Option<InstanceId> {
        let shape = self.functions[function].shape;
        if self.functions[function].instances >= shape.instances as usize || shape.memory > self.rules.memory {
            return None;
        }
        let missing = (self.memory + shape.memory).saturating_sub(self.rules.memory);
        if missing > 0 {
            for instance in self.least_valuable(now, missing)? {
                self.remove(instance);
                actions.push(Action::Stop { instance });
            }
        }
        Some(self.add(now, function))
    }

    pub(super) fn add(&mut self, now: Micros, function: FunctionIndex) -> InstanceId {
        let instance = self.next;
        self.next += 1;
        let this = &mut self.functions[function];
        this.instances += 1;
        self.memory += this.shape.memory;
        let state = if this.shape.kept {
            this.starting += 1;
            State::Starting
        } else {
            State::Ready { init: None, used: now }
        };
        self.instances.insert(instance, Instance { function, calls: 0, gone: false, state });
        instance
    }

    /// Idle instances that have `missing` bytes together, those of least value; `None` when all have not enough.
    fn least_valuable(&self, now: Micros, missing: u64) -> Option<Vec<InstanceId>> {
        let mut idle: Vec<(f64, Micros, InstanceId)> = self
            .instances
            .iter()
            .filter_map(|(id, instance)| {
                Some((self.functions[instance.function].value(now), instance.idle_since()?, *id))
            })
            .collect();
        idle.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut found = Vec::new();
        let mut freed = 0;
        for (_, _, id) in idle {
            if freed >= missing {
                break;
            }
            freed += self.functions[self.instances[&id].function].shape.memory;
            found.push(id);
        }
        (freed >= missing).then_some(found)
    }

    pub(super) fn remove(&mut self, instance: InstanceId) -> Option<FunctionIndex> {
        let Instance { function, state, .. } = self.instances.remove(&instance)?;
        let this = &mut self.functions[function];
        this.instances -= 1;
        if matches!(state, State::Starting) {
            this.starting -= 1;
        }
        self.memory -= this.shape.memory;
        Some(function)
    }
}
