//! When the miner works: a decision from the time and from what waits.

use mycoin_primitives::MiningTrigger;

/// Decides when a block is mined. It has no clock: the caller passes the time.
///
/// Ask [`Trigger::decide`] whenever a transaction comes or goes, the tip changes, or the time that it named has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    when: MiningTrigger,
    /// When the last block came, or the trigger was made: from then on the seconds of `every = S` count.
    since: u64,
}

/// What the miner should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Mine a block.
    Start,
    /// Do not mine now.
    Wait(WaitReason),
}

/// What the miner waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// Nothing: it is switched off.
    Off,
    /// More transactions.
    Transactions {
        /// How many wait.
        waiting: u32,
        /// How many must wait.
        needed: u32,
    },
    /// The time.
    Until {
        /// Seconds since 1970.
        time: u64,
    },
}

impl Trigger {
    /// A trigger that starts to count at `now`, in seconds since 1970.
    pub const fn new(when: MiningTrigger, now: u64) -> Self {
        Self { when, since: now }
    }

    /// The setting.
    pub const fn when(&self) -> MiningTrigger {
        self.when
    }

    /// Changes the setting; it counts anew from `now`.
    pub const fn set(&mut self, when: MiningTrigger, now: u64) {
        self.when = when;
        self.since = now;
    }

    /// A block came, from here or from a peer: the seconds of `every = S` begin again.
    pub const fn new_tip(&mut self, now: u64) {
        self.since = now;
    }

    /// How many transactions must wait before the miner starts by itself; `None` where that does not matter.
    pub const fn needed(&self) -> Option<u32> {
        match self.when {
            MiningTrigger::Transactions(needed) => Some(needed),
            MiningTrigger::Off | MiningTrigger::Always | MiningTrigger::Every(_) => None,
        }
    }

    /// What to do at `now` while `waiting` transactions wait.
    pub fn decide(&self, now: u64, waiting: u32) -> Decision {
        match self.when {
            MiningTrigger::Off => Decision::Wait(WaitReason::Off),
            MiningTrigger::Always => Decision::Start,
            MiningTrigger::Transactions(needed) if waiting >= needed => Decision::Start,
            MiningTrigger::Transactions(needed) => Decision::Wait(WaitReason::Transactions { waiting, needed }),
            MiningTrigger::Every(seconds) => {
                // A clock that was set back must not stop the miner for longer than the setting says.
                let since = self.since.min(now);
                let time = since.saturating_add(u64::from(seconds));
                if now >= time { Decision::Start } else { Decision::Wait(WaitReason::Until { time }) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_never_starts() {
        let trigger = Trigger::new(MiningTrigger::Off, 0);
        assert_eq!(trigger.decide(u64::MAX, u32::MAX), Decision::Wait(WaitReason::Off));
    }

    #[test]
    fn always_starts_with_nothing_waiting() {
        assert_eq!(Trigger::new(MiningTrigger::Always, 100).decide(100, 0), Decision::Start);
    }

    #[test]
    fn transactions_start_when_enough_wait() {
        let trigger = Trigger::new(MiningTrigger::Transactions(2), 100);
        for waiting in [0, 1] {
            let wait = Decision::Wait(WaitReason::Transactions { waiting, needed: 2 });
            assert_eq!(trigger.decide(100_000, waiting), wait);
        }
        assert_eq!(trigger.decide(100, 2), Decision::Start);
        assert_eq!(trigger.decide(100, 3), Decision::Start);
        assert_eq!(trigger.needed(), Some(2));
    }

    #[test]
    fn every_starts_when_the_seconds_have_passed_since_the_last_block() {
        let mut trigger = Trigger::new(MiningTrigger::Every(60), 100);
        assert_eq!(trigger.decide(159, 9), Decision::Wait(WaitReason::Until { time: 160 }));
        assert_eq!(trigger.decide(160, 0), Decision::Start);
        trigger.new_tip(170);
        assert_eq!(trigger.decide(171, 0), Decision::Wait(WaitReason::Until { time: 230 }));
    }

    #[test]
    fn a_clock_set_back_delays_no_longer_than_the_setting() {
        let trigger = Trigger::new(MiningTrigger::Every(60), 1_000_000);
        assert_eq!(trigger.decide(500, 0), Decision::Wait(WaitReason::Until { time: 560 }));
    }

    #[test]
    fn a_new_setting_counts_anew() {
        let mut trigger = Trigger::new(MiningTrigger::Off, 0);
        trigger.set(MiningTrigger::Every(10), 1_000);
        assert_eq!(trigger.decide(1_005, 0), Decision::Wait(WaitReason::Until { time: 1_010 }));
        trigger.set(MiningTrigger::Always, 1_006);
        assert_eq!(trigger.decide(1_006, 0), Decision::Start);
        assert_eq!(trigger.when(), MiningTrigger::Always);
    }
}
