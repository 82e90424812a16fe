//! Whom we dial, and when again.
//!
//! What a person or the spec named is dialled for ever, with waits that double from 1 s to 60 s; an address that we learned
//! is tried once.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Time;
use crate::limits::{RETRY_FIRST, RETRY_MAX};

/// How a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be dialled then.
    Waiting { until: Time },
    /// Being dialled.
    Dialling,
    /// A connection stands.
    Connected,
}

#[derive(Debug)]
struct Target {
    state: State,
    /// Failures since the last complete handshake.
    failures: u32,
    /// Whether it is dialled again when it fails.
    is_kept: bool,
}

/// All targets, by what is dialled.
#[derive(Debug, Default)]
pub(crate) struct Dialer {
    targets: BTreeMap<String, Target>,
}

impl Dialer {
    /// Dials `target` from now on, at once.
    pub(crate) fn keep(&mut self, target: String, now: Time) {
        let fresh = Target { state: State::Waiting { until: now }, failures: 0, is_kept: true };
        let entry = self.targets.entry(target).or_insert(fresh);
        entry.is_kept = true;
        // Whoever asks again wants it now.
        if matches!(entry.state, State::Waiting { .. }) {
            entry.state = State::Waiting { until: now };
        }
    }

    /// Dials `target` once.
    pub(crate) fn try_once(&mut self, target: String, now: Time) {
        let fresh = Target { state: State::Waiting { until: now }, failures: 0, is_kept: false };
        self.targets.entry(target).or_insert(fresh);
    }

    pub(crate) fn has(&self, target: &str) -> bool {
        self.targets.contains_key(target)
    }

    /// Whether it was named, not learned.
    pub(crate) fn keeps(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|target| target.is_kept)
    }

    /// How many targets were learned, not named.
    pub(crate) fn learned(&self) -> usize {
        self.targets.values().filter(|target| !target.is_kept).count()
    }

    /// The targets whose time has come; they are being dialled from now on.
    pub(crate) fn due(&mut self, now: Time) -> Vec<String> {
        let mut due = Vec::new();
        for (name, target) in &mut self.targets {
            if matches!(target.state, State::Waiting { until } if until <= now) {
                target.state = State::Dialling;
                due.push(name.clone());
            }
        }
        due
    }

    pub(crate) fn connected(&mut self, name: &str) {
        if let Some(target) = self.targets.get_mut(name) {
            target.state = State::Connected;
        }
    }

    /// The handshake is complete: the next failure is a first one.
    pub(crate) fn succeeded(&mut self, name: &str) {
        if let Some(target) = self.targets.get_mut(name) {
            target.failures = 0;
        }
    }

    /// It could not be reached, or the connection ended.
    pub(crate) fn ended(&mut self, name: &str, now: Time) {
        let Some(target) = self.targets.get_mut(name) else { return };
        if target.is_kept {
            target.state = State::Waiting { until: now.after(back_off(target.failures)) };
            target.failures = target.failures.saturating_add(1);
        } else {
            self.targets.remove(name);
        }
    }

    /// It is never dialled again.
    pub(crate) fn forget(&mut self, name: &str) {
        self.targets.remove(name);
    }
}

/// The wait after so many failures in a row.
fn back_off(failures: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << failures.min(6)).min(RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_one_second_to_a_minute() {
        let waits: Vec<u64> = (0..8).map(|failures| back_off(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn named_targets_are_dialled_again_and_learned_ones_once() {
        let now = Time::from_unix_millis(1);
        let mut dialer = Dialer::default();
        dialer.keep("named:1".into(), now);
        dialer.try_once("learned:1".into(), now);
        assert_eq!(dialer.due(now), ["learned:1", "named:1"]);
        dialer.ended("learned:1", now);
        dialer.ended("named:1", now);
        assert!(!dialer.has("learned:1") && dialer.due(now).is_empty());
        assert_eq!(dialer.due(now.after(RETRY_FIRST)), ["named:1"]);
        dialer.connected("named:1");
        dialer.succeeded("named:1");
        dialer.ended("named:1", now);
        assert_eq!(dialer.due(now.after(RETRY_FIRST)), ["named:1"], "quick again after a good connection");
    }
}
