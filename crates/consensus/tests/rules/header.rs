//! The rules of headers.

use mycoin_consensus::{
    HeaderBranch, HeaderRuleError, Verdict, check_header, check_header_in_context, header_verdict, minimum_time,
    next_bits,
};
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::{CompactTarget, Header, Network, Retarget, genesis_block};

use crate::Times;

/// A header with this time that goes on top of any demo branch.
fn header(time: u32) -> Header {
    let genesis = genesis_block(&Network::demo()).header;
    Header { version: Version::from_consensus(4), time, ..genesis }
}

fn verdict(header: Header, network: &Network, branch: &Times) -> Result<(), HeaderRuleError> {
    check_header_in_context(&header, network, branch, header.time)
}

/// A network with these two rules and Bitcoin's retarget periods.
fn network(bip54: bool, bip94: bool) -> Network {
    let mut network = Network::demo();
    (network.rules.bip54, network.rules.bip94) = (bip54, bip94);
    network
}

#[test]
fn genesis_headers_are_good() {
    for network in [Network::demo(), Network::mycoin(), Network::regtest()] {
        assert_eq!(check_header(&genesis_block(&network).header, &network), Ok(()));
    }
}

#[test]
fn target_out_of_range() {
    let network = Network::mycoin();
    // Zero, negative, more than 256 bits, easier than the limit, and the limit itself with its sign set.
    for bits in
        [0, 0x0100_0000, 0x0180_0001, 0x1e80_ffff, 0xff12_3456, 0x2300_0001, 0x2200_ffff, 0x1e10_0000, 0x1e8f_ffff]
    {
        let bits = CompactTarget::from_consensus(bits);
        let header = Header { bits, ..genesis_block(&network).header };
        let error = HeaderRuleError::TargetOutOfRange { bits };
        assert_eq!(check_header(&header, &network), Err(error.clone()));
        assert_eq!(error.reject_reason(), "high-hash");
    }
}

#[test]
fn high_hash() {
    let network = Network::mycoin();
    let mut header = genesis_block(&network).header;
    header.nonce += 1;
    let error = HeaderRuleError::HighHash { hash: header.block_hash() };
    assert_eq!(check_header(&header, &network), Err(error.clone()));
    assert_eq!(error.reject_reason(), "high-hash");
    assert_eq!(header_verdict(&error), Verdict::Invalid);
}

#[test]
fn wrong_bits() {
    let (network, branch) = (Network::demo(), Times::flat(3, 100));
    let found = CompactTarget::from_consensus(0x207f_fffe);
    let error = HeaderRuleError::WrongBits { expected: network.pow_limit, found };
    assert_eq!(verdict(Header { bits: found, ..header(200) }, &network, &branch), Err(error.clone()));
    assert_eq!(error.reject_reason(), "bad-diffbits");
}

#[test]
fn time_too_old() {
    let branch = Times::new((100..111).collect());
    let error = HeaderRuleError::TimeTooOld { time: 105, median_time_past: 105 };
    assert_eq!(verdict(header(105), &Network::demo(), &branch), Err(error.clone()));
    assert_eq!(error.reject_reason(), "time-too-old");
    assert_eq!(verdict(header(106), &Network::demo(), &branch), Ok(()));
    assert_eq!(minimum_time(&Network::demo(), &branch), 106);
}

#[test]
fn time_too_new() {
    let (network, branch) = (Network::demo(), Times::flat(3, 100));
    let check = |now| check_header_in_context(&header(10_000), &network, &branch, now);
    assert_eq!(check(2_800), Ok(()));
    let error = HeaderRuleError::TimeTooNew { time: 10_000, now: 2_799 };
    assert_eq!(check(2_799), Err(error.clone()));
    assert_eq!(error.reject_reason(), "time-too-new");
    assert_eq!(header_verdict(&error), Verdict::RetryLater);
    // The clock's end is no way around it.
    assert_eq!(check_header_in_context(&header(u32::MAX), &network, &branch, u32::MAX), Ok(()));
}

#[test]
fn obsolete_version() {
    let branch = Times::flat(3, 100);
    for (version, reason) in
        [(3, "bad-version(0x00000003)"), (0, "bad-version(0x00000000)"), (-1, "bad-version(0xffffffff)")]
    {
        let header = Header { version: Version::from_consensus(version), ..header(200) };
        let error = HeaderRuleError::ObsoleteVersion { version };
        assert_eq!(verdict(header, &Network::demo(), &branch), Err(error.clone()));
        assert_eq!(error.reject_reason(), reason);
    }
}

/// The branch up to before a period's first block: its parent is ahead of the rest.
fn before_first(parent_time: u32) -> Times {
    let mut branch = Times::flat(2_016, 10_000);
    *branch.times.last_mut().expect("it has headers") = parent_time;
    branch
}

#[test]
fn timewarp_bip94() {
    let branch = before_first(100_000);
    let (with, without) = (network(false, true), network(false, false));
    let error = HeaderRuleError::TimewarpBip94 { time: 99_399, parent_time: 100_000 };
    assert_eq!(verdict(header(99_399), &with, &branch), Err(error.clone()));
    assert_eq!(error.reject_reason(), "time-timewarp-attack");
    assert_eq!(verdict(header(99_400), &with, &branch), Ok(()));
    assert_eq!(minimum_time(&with, &branch), 99_400);
    assert_eq!(verdict(header(10_001), &without, &branch), Ok(()));
    assert_eq!(minimum_time(&without, &branch), 10_001);
    // Inside a period time may run back.
    let mut inside = before_first(100_000);
    inside.times.push(100_000);
    assert_eq!(verdict(header(10_001), &with, &inside), Ok(()));
}

#[test]
fn timewarp_bip54() {
    let branch = before_first(100_000);
    let with = network(true, false);
    let error = HeaderRuleError::TimewarpBip54 { time: 92_799, parent_time: 100_000 };
    assert_eq!(verdict(header(92_799), &with, &branch), Err(error.clone()));
    assert_eq!(error.reject_reason(), "time-timewarp-attack");
    assert_eq!(verdict(header(92_800), &with, &branch), Ok(()));
    assert_eq!(minimum_time(&with, &branch), 92_800);
    assert_eq!(minimum_time(&network(true, true), &branch), 99_400);
}

#[test]
fn period_ends_before_it_began() {
    // Heights 2,016 to 4,030; what comes next is the period's last block.
    let mut branch = Times::flat(4_031, 10_000);
    branch.times[2_016] = 50_000;
    let with = network(true, false);
    let error = HeaderRuleError::PeriodEndsBeforeItBegan { time: 49_999, first_time: 50_000 };
    assert_eq!(verdict(header(49_999), &with, &branch), Err(error.clone()));
    assert_eq!(error.reject_reason(), "time-negative-interval");
    assert_eq!(verdict(header(50_000), &with, &branch), Ok(()));
    assert_eq!(minimum_time(&with, &branch), 50_000);
    assert_eq!(verdict(header(10_001), &network(false, true), &branch), Ok(()));
}

#[test]
fn bitcoins_retarget_starts_from_the_periods_first_block_with_bip94() {
    struct Changed(Times);
    impl HeaderBranch for Changed {
        fn tip_height(&self) -> mycoin_primitives::Height {
            self.0.tip_height()
        }
        fn header_at(&self, height: mycoin_primitives::Height) -> Option<Header> {
            let header = self.0.header_at(height)?;
            let bits = if height == self.tip_height() { 0x1d00_ffff } else { 0x1c00_ffff };
            Some(Header { bits: CompactTarget::from_consensus(bits), ..header })
        }
    }
    let mut regtest = Network::regtest();
    regtest.retarget = Retarget::Bitcoin;
    // The period took as long as it should: 2,016 blocks of 600 s.
    let mut branch = Times::flat(2_016, 0);
    *branch.times.last_mut().expect("it has headers") = 2_016 * 600;
    let branch = Changed(branch);
    assert_eq!(next_bits(&regtest, &branch).to_consensus(), 0x1d00_ffff);
    regtest.rules.bip94 = true;
    assert_eq!(next_bits(&regtest, &branch).to_consensus(), 0x1c00_ffff);
    // Inside a period the target stays.
    let inside = Changed(Times::flat(2_015, 0));
    assert_eq!(next_bits(&regtest, &inside).to_consensus(), 0x1d00_ffff);
}

#[test]
fn asert_follows_the_schedule_from_block_1() {
    let network = Network::mycoin();
    let start = network.genesis.time;
    let on_time = |blocks: u32| Times::new((0..=blocks).map(|height| start + height * network.spacing).collect());
    assert_eq!(next_bits(&network, &on_time(5)), network.genesis.bits);
    let mut early = on_time(5);
    early.times[5] -= 60;
    assert!(next_bits(&network, &early) < network.genesis.bits);
    let mut late = on_time(5);
    late.times[5] += 86_400;
    assert_eq!(next_bits(&network, &late), network.pow_limit);
}
