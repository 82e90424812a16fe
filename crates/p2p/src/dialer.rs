//! Whom we dial, and when again.
//!
//! What a person or the spec named is dialled for ever: with waits that double, and after five failures in a row with
//! rests in between. It is never forgotten. An address that we learned is tried once.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Time;
use crate::limits::{FAILURES_BEFORE_REST, REST_FIRST, REST_MAX, RESTS_OF_FIRST_LENGTH, RETRY_FIRST};
use crate::peer_info::ConnectionKind;

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
    kind: ConnectionKind,
    /// Failures since the last complete handshake.
    failures: u32,
    /// Whether it is dialled again when it fails.
    is_kept: bool,
    /// Whether it is not to be tried with encryption.
    is_plain: bool,
}

/// All targets, by what is dialled.
#[derive(Debug, Default)]
pub(crate) struct Dialer {
    targets: BTreeMap<String, Target>,
}

impl Dialer {
    /// Dials `target` from now on, at once.
    pub(crate) fn keep(&mut self, target: String, now: Time) {
        let state = State::Waiting { until: now };
        let fresh = Target { state, kind: ConnectionKind::Manual, failures: 0, is_kept: true, is_plain: false };
        let entry = self.targets.entry(target).or_insert(fresh);
        entry.is_kept = true;
        // Whoever asks again wants it now.
        if matches!(entry.state, State::Waiting { .. }) {
            entry.state = state;
        }
    }

    /// Dials `target` once.
    pub(crate) fn try_once(&mut self, target: String, kind: ConnectionKind, now: Time) {
        let fresh = Target { state: State::Waiting { until: now }, kind, failures: 0, is_kept: false, is_plain: false };
        self.targets.entry(target).or_insert(fresh);
    }

    /// Dials `target` without encryption from now on.
    pub(crate) fn make_plain(&mut self, target: &str) {
        if let Some(target) = self.targets.get_mut(target) {
            target.is_plain = true;
        }
    }

    pub(crate) fn is_plain(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|target| target.is_plain)
    }

    pub(crate) fn has(&self, target: &str) -> bool {
        self.targets.contains_key(target)
    }

    /// Whether it was named, not learned.
    pub(crate) fn keeps(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|target| target.is_kept)
    }

    /// What was named, in alphabetical order.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|(_, target)| target.is_kept).map(|(name, _)| name.as_str())
    }

    /// What a connection to `target` is for.
    pub(crate) fn kind(&self, target: &str) -> ConnectionKind {
        self.targets.get(target).map_or(ConnectionKind::Manual, |target| target.kind)
    }

    /// How many learned targets are dialled or connected for this purpose.
    pub(crate) fn count(&self, kind: ConnectionKind) -> usize {
        self.targets.values().filter(|target| !target.is_kept && target.kind == kind).count()
    }

    /// What is dialled or connected now, and for what.
    pub(crate) fn busy(&self) -> impl Iterator<Item = (&str, ConnectionKind)> {
        let busy = self.targets.iter().filter(|(_, target)| !target.is_kept || target.state == State::Connected);
        busy.map(|(name, target)| (name.as_str(), target.kind))
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

/// The wait after so many failures in a row before this one.
fn back_off(failures: u32) -> Duration {
    match failures.checked_sub(FAILURES_BEFORE_REST - 1) {
        None => RETRY_FIRST.saturating_mul(1 << failures),
        Some(rests) => {
            let doublings = rests.saturating_sub(RESTS_OF_FIRST_LENGTH - 1).min(8);
            REST_FIRST.saturating_mul(1 << doublings).min(REST_MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_peer_is_rested_after_its_fifth_failure_and_never_forgotten() {
        let waits: Vec<u64> = (0..7).map(|failures| back_off(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 45, 45, 45], "four failures, the fifth, the sixth");
        let last_short = FAILURES_BEFORE_REST - 1 + RESTS_OF_FIRST_LENGTH - 1;
        let rests: Vec<u64> = (last_short..last_short + 6).map(|failures| back_off(failures).as_secs()).collect();
        assert_eq!(rests, [45, 90, 180, 360, 600, 600]);
        assert_eq!(back_off(u32::MAX), REST_MAX);

        let (mut dialer, mut now) = (Dialer::default(), Time::from_unix_millis(1));
        dialer.keep("fixed:1".into(), now);
        for _ in 0..200 {
            assert_eq!(dialer.due(now), ["fixed:1"]);
            dialer.ended("fixed:1", now);
            assert!(dialer.keeps("fixed:1") && dialer.due(now).is_empty());
            now = now.after(REST_MAX);
        }
    }

    #[test]
    fn whoever_names_a_rested_peer_again_wants_it_now() {
        let (mut dialer, now) = (Dialer::default(), Time::from_unix_millis(1));
        dialer.keep("fixed:1".into(), now);
        for _ in 0..9 {
            dialer.keep("fixed:1".into(), now);
            assert_eq!(dialer.due(now), ["fixed:1"]);
            dialer.ended("fixed:1", now);
        }
    }

    #[test]
    fn named_targets_are_dialled_again_and_learned_ones_once() {
        let now = Time::from_unix_millis(1);
        let mut dialer = Dialer::default();
        dialer.keep("named:1".into(), now);
        dialer.try_once("learned:1".into(), ConnectionKind::OutboundFull, now);
        assert_eq!(dialer.count(ConnectionKind::OutboundFull), 1);
        assert_eq!(dialer.due(now), ["learned:1", "named:1"]);
        dialer.ended("learned:1", now);
        dialer.ended("named:1", now);
        assert!(!dialer.has("learned:1") && dialer.due(now).is_empty());
        assert_eq!(dialer.due(now.after(RETRY_FIRST)), ["named:1"]);
        dialer.connected("named:1");
        dialer.succeeded("named:1");
        dialer.ended("named:1", now);
        assert_eq!(dialer.due(now.after(RETRY_FIRST)), ["named:1"], "quick again after a good connection");
        assert_eq!(dialer.kept().collect::<Vec<_>>(), ["named:1"]);
    }
}
