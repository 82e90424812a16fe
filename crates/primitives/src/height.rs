//! A block's distance from genesis.

use std::fmt;

/// A block's distance from genesis, in blocks. Heights subtract to a count; they never add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Height(u32);

impl Height {
    /// The height of the first block.
    pub const GENESIS: Self = Self(0);

    /// The height `blocks` above genesis.
    pub const fn new(blocks: u32) -> Self {
        Self(blocks)
    }

    /// The number of blocks between genesis and here.
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// The height of a child of the block here. Saturates, which 2³² blocks will not reach.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The height of the parent of the block here; `None` at genesis.
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }

    /// The height `blocks` nearer to genesis, or genesis itself.
    pub const fn back(self, blocks: u32) -> Self {
        Self(self.0.saturating_sub(blocks))
    }

    /// How many blocks `self` stands above `lower`; zero when it does not.
    pub const fn above(self, lower: Self) -> u32 {
        self.0.saturating_sub(lower.0)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Height;

    #[test]
    fn heights_subtract_to_a_count_and_stop_at_genesis() {
        assert_eq!(Height::new(7).above(Height::new(3)), 4);
        assert_eq!(Height::new(3).above(Height::new(7)), 0);
        assert_eq!(Height::GENESIS.previous(), None);
        assert_eq!(Height::new(2).back(5), Height::GENESIS);
    }
}
