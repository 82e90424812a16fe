//! The disk that wallets are kept on. Tests put one in its place that fails when it is told to.

use mycoin_files::Disk;
#[cfg(not(test))]
use mycoin_files::RealDisk;

#[cfg(test)]
use crate::tests::faults::FaultyDisk;

/// Everything that changes a wallet's files goes through it.
#[cfg(not(test))]
pub(crate) const DISK: &dyn Disk = &RealDisk;
/// Everything that changes a wallet's files goes through it.
#[cfg(test)]
pub(crate) const DISK: &dyn Disk = &FaultyDisk;
