//! Chance that can be repeated: every batch of cases has its own generator, which its two numbers determine.

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// A source of chance; equal seeds and batches give equal choices.
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64, batch: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&batch.to_le_bytes());
        Self(StdRng::from_seed(bytes))
    }

    /// A number below `end`, or 0 where there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high)
    }

    /// True once in `times` on average.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// One of the choices, each as often as its weight says.
    pub(crate) fn weighted<T: Clone>(&mut self, choices: &[(usize, T)]) -> T {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return choice.clone();
            }
            left -= weight;
        }
        unreachable!("the number is below the sum of the weights")
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.random()
    }

    pub(crate) fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    pub(crate) fn long(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Any bytes; long ones repeat, because nothing depends on more of them than their number.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut pattern = [0; 72];
        self.0.fill_bytes(&mut pattern);
        pattern.into_iter().cycle().take(length).collect()
    }

    pub(crate) fn hash(&mut self) -> [u8; 32] {
        self.0.random()
    }
}
