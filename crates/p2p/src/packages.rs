//! Pairs of a parent that pays too little and a child that pays for both.
//!
//! A parent refused for its fee alone is remembered as such. When the same peer gave an orphan that spends from it, both are
//! judged together, once for each pair until the tip changes. Source: Bitcoin Core
//! `TxDownloadManagerImpl::Find1P1CPackage`, node/txdownloadman_impl.cpp.

use std::sync::Arc;

use mycoin_primitives::Transaction;

use crate::node::{Context, Node};
use crate::peer::TransactionKey;
use crate::world::{PackageVerdict, TransactionVerdict};
use crate::{Action, PeerId};

impl Node {
    /// Lets a parent that was refused for its fee be judged with a child of the same peer, when there is one.
    pub(crate) fn look_for_paying_child(&mut self, ctx: &mut Context<'_>, id: PeerId, parent: &Arc<Transaction>) {
        let parent_id = parent.compute_wtxid();
        for child in self.transactions.orphans.children_from(&parent.compute_txid(), id) {
            let child_id = child.compute_wtxid();
            let is_judged =
                self.transactions.judged.contains(&child_id) || self.transactions.judged.contains(&parent_id);
            if is_judged || self.transactions.packages.contains(&(parent_id, child_id)) {
                continue;
            }
            if self.count_judged(id) {
                self.transactions.packages.insert((parent_id, child_id));
                self.transactions.judged.extend([parent_id, child_id]);
                ctx.actions.push(Action::SubmitPackage { peer: id, parent: Arc::clone(parent), child });
            }
            return;
        }
    }

    pub(crate) fn package_verdict(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        pair: [Arc<Transaction>; 2],
        verdict: PackageVerdict,
    ) {
        self.with_peer(id, |peer| peer.relay.judged = peer.relay.judged.saturating_sub(1));
        for transaction in &pair {
            self.transactions.judged.remove(&transaction.compute_wtxid());
        }
        let [parent, child] = &pair;
        let is_underpaid = matches!(verdict.parent, TransactionVerdict::Underpaid { .. });
        self.judged_in_package(ctx, id, parent, verdict.parent);
        self.judged_in_package(ctx, id, child, verdict.child);
        // Another child may pay.
        if is_underpaid {
            self.look_for_paying_child(ctx, id, parent);
        }
        self.adopt_next(ctx);
        self.request_transactions(ctx);
    }

    /// Nobody is blamed for a pair: whoever relays one may have other limits.
    fn judged_in_package(
        &mut self,
        ctx: &Context<'_>,
        id: PeerId,
        transaction: &Arc<Transaction>,
        verdict: TransactionVerdict,
    ) {
        let wtxid = transaction.compute_wtxid();
        let keys = [TransactionKey::Wtxid(wtxid), TransactionKey::Txid(transaction.compute_txid())];
        match verdict {
            TransactionVerdict::Accepted => {
                self.with_peer(id, |peer| peer.relay.last_transaction = Some(ctx.now));
                self.transaction_settled(&keys);
            }
            TransactionVerdict::AlreadyKnown => self.transaction_settled(&keys),
            // The child may have more parents than this one; it stays an orphan.
            TransactionVerdict::MissingInputs { .. } | TransactionVerdict::Failed { .. } => {
                self.transactions.requests.release(keys[0]);
            }
            TransactionVerdict::Underpaid { .. } => {
                self.transactions.underpaid.insert(wtxid);
                self.transactions.requests.forget(&keys[0]);
            }
            TransactionVerdict::Refused { .. } | TransactionVerdict::Invalid { .. } => {
                self.transactions.refused.insert(keys[0]);
                self.transaction_refused(transaction);
            }
        }
    }
}
