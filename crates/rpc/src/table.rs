//! The method table: the one place that says which methods there are. Dispatch, client, help and documentation are made from it.
//!
//! Names, parameters and defaults are those of Bitcoin Core v31, where it has the method.

use crate::method::{
    Access::{self, Admin, Proxy},
    Area::{self, Chain, Control, Mempool, Mining, Network, Transactions},
    Kind::{Amount, Any, Array, Bool, Hash, HashOrHeight, Hex, Integer, Object, Text, Verbosity},
    Method,
    Need::{Optional, Required},
    Pace::{Long, Quick},
    Param,
};
use crate::method::{Kind, Need, Pace};

const fn param(name: &'static str, kind: Kind, need: Need, about: &'static str) -> Param {
    Param { name, alias: None, kind, need, about }
}

const fn aliased(name: &'static str, alias: &'static str, kind: Kind, need: Need, about: &'static str) -> Param {
    Param { name, alias: Some(alias), kind, need, about }
}

const BLOCKHASH: Param = param("blockhash", Hash, Required, "the block's hash");
const TXID: Param = param("txid", Hash, Required, "the transaction's id");
const DESCRIPTOR: Param = param("descriptor", Text, Required, "an output descriptor over public keys");
const RANGE: &str = "for descriptors with `*`: the last index, or first and last";
const TIMEOUT: Param = param("timeout", Integer, Optional("0"), "how many milliseconds to wait; 0: without end");

const fn echoed(name: &'static str) -> Param {
    param(name, Any, Optional("none"), "whatever")
}

const ECHOED: [Param; 10] = [
    echoed("arg0"),
    echoed("arg1"),
    echoed("arg2"),
    echoed("arg3"),
    echoed("arg4"),
    echoed("arg5"),
    echoed("arg6"),
    echoed("arg7"),
    echoed("arg8"),
    echoed("arg9"),
];

/// The method of this name.
pub fn method(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

const fn row(
    (area, access, pace): (Area, Access, Pace),
    name: &'static str,
    params: &'static [Param],
    summary: &'static str,
    result: &'static str,
    example: &'static str,
) -> Method {
    Method { name, access, area, pace, params, summary, result, example }
}

/// Every method of the private interface.
pub static METHODS: &[Method] = &[
    row(
        (Chain, Proxy, Quick),
        "getblockchaininfo",
        &[],
        "Says where the chain stands: height, tip, difficulty, work, whether it is still catching up.",
        "object: chain, blocks, headers, bestblockhash, bits, target, difficulty, time, mediantime, verificationprogress, initialblockdownload, chainwork, size_on_disk, pruned, warnings",
        "",
    ),
    row((Chain, Proxy, Quick), "getblockcount", &[], "Tells the height of the best chain's tip.", "integer", ""),
    row((Chain, Proxy, Quick), "getbestblockhash", &[], "Tells the hash of the best chain's tip.", "string", ""),
    row(
        (Chain, Proxy, Quick),
        "getblockhash",
        &[param("height", Integer, Required, "the height in the best chain")],
        "Tells the hash of the block at a height of the best chain.",
        "string",
        "0",
    ),
    row(
        (Chain, Proxy, Quick),
        "getblockheader",
        &[BLOCKHASH, param("verbose", Bool, Optional("true"), "true: an object; false: the 80 bytes in hexadecimal")],
        "Shows a block's header.",
        "object: hash, confirmations, height, version, versionHex, merkleroot, time, mediantime, nonce, bits, target, difficulty, chainwork, nTx, previousblockhash, nextblockhash; or string",
        "BLOCKHASH",
    ),
    row(
        (Chain, Proxy, Quick),
        "getblock",
        &[
            BLOCKHASH,
            aliased(
                "verbosity",
                "verbose",
                Verbosity,
                Optional("1"),
                "0: the bytes in hexadecimal; 1: an object with transaction ids; 2: with transactions and fees; 3: also with the coins that they spend",
            ),
        ],
        "Shows a block.",
        "string, or object: getblockheader's fields and strippedsize, size, weight, coinbase_tx, tx",
        "BLOCKHASH 2",
    ),
    row(
        (Chain, Proxy, Quick),
        "getchaintips",
        &[],
        "Lists the ends of all known branches.",
        "array of objects: height, hash, branchlen, status",
        "",
    ),
    row(
        (Chain, Proxy, Quick),
        "getdeploymentinfo",
        &[param("blockhash", Hash, Optional("the tip"), "the block after which the rules are asked for")],
        "Tells which soft forks rule the block after a block.",
        "object: hash, height, script_flags, deployments",
        "",
    ),
    row(
        (Chain, Proxy, Long),
        "getchaintxstats",
        &[
            param("nblocks", Integer, Optional("a month's"), "how many blocks the window holds"),
            param("blockhash", Hash, Optional("the tip"), "the window's last block"),
        ],
        "Counts the transactions of the chain and of a window of it.",
        "object: time, txcount, window_final_block_hash, window_final_block_height, window_block_count, window_interval, window_tx_count, txrate",
        "",
    ),
    row(
        (Chain, Proxy, Quick),
        "getblockstats",
        &[
            param("hash_or_height", HashOrHeight, Required, "the block"),
            param("stats", Array, Optional("all"), "the names of the figures that are wanted"),
        ],
        "Counts what a block holds and pays.",
        "object: avgfee, avgfeerate, avgtxsize, blockhash, feerate_percentiles, height, ins, maxfee, maxfeerate, maxtxsize, medianfee, mediantime, mediantxsize, minfee, minfeerate, mintxsize, outs, subsidy, swtotal_size, swtotal_weight, swtxs, time, total_out, total_size, total_weight, totalfee, txs, utxo_increase, utxo_size_inc, utxo_increase_actual, utxo_size_inc_actual",
        "1",
    ),
    row(
        (Chain, Proxy, Long),
        "getblockfilter",
        &[BLOCKHASH, param("filtertype", Text, Optional("basic"), "only basic is served")],
        "Gives a block's filter for light clients (BIP158) and its header (BIP157).",
        "object: filter, header",
        "BLOCKHASH",
    ),
    row(
        (Chain, Proxy, Quick),
        "getdifficulty",
        &[],
        "Tells the difficulty of the tip, as a multiple of the lowest.",
        "number",
        "",
    ),
    row(
        (Chain, Proxy, Quick),
        "gettxout",
        &[
            TXID,
            param("n", Integer, Required, "the output's position"),
            param("include_mempool", Bool, Optional("true"), "whether waiting transactions count"),
        ],
        "Shows an unspent output, or null when it is spent or unknown.",
        "null, or object: bestblock, confirmations, value, scriptPubKey, coinbase",
        "TXID 0",
    ),
    row(
        (Chain, Proxy, Quick),
        "gettxspendingprevout",
        &[param("outputs", Array, Required, "objects with txid and vout")],
        "Tells which waiting transactions spend outputs.",
        "array of objects: txid, vout, spendingtxid",
        r#"[{"txid":"TXID","vout":0}]"#,
    ),
    row(
        (Chain, Proxy, Quick),
        "gettxoutproof",
        &[
            param("txids", Array, Required, "transactions of one block"),
            param("blockhash", Hash, Optional("found by an unspent output"), "the block that holds them"),
        ],
        "Proves that a block holds transactions.",
        "string: a Merkle block in hexadecimal",
        r#"["TXID"]"#,
    ),
    row(
        (Chain, Proxy, Quick),
        "verifytxoutproof",
        &[param("proof", Hex, Required, "what gettxoutproof gave")],
        "Tells which transactions a proof proves to be in the best chain.",
        "array of strings: their ids; empty when the proof proves nothing",
        "HEX",
    ),
    row(
        (Chain, Proxy, Long),
        "scantxoutset",
        &[
            param(
                "action",
                Text,
                Required,
                "start, status or abort; a scan ends with its call, so only start has work to do",
            ),
            param("scanobjects", Array, Optional("needed to start"), "descriptors, or objects with desc and range"),
        ],
        "Finds the unspent outputs of descriptors. It reads all coins, so it takes its time.",
        "object: success, txouts, height, bestblock, unspents, total_amount",
        r#"start ["addr(ADDRESS)"]"#,
    ),
    row(
        (Chain, Proxy, Long),
        "gettxoutsetinfo",
        &[
            param("hash_type", Text, Optional("hash_serialized_3"), "which digest to make: hash_serialized_3 or none"),
            param("hash_or_height", HashOrHeight, Optional("the tip"), "only the tip is served"),
            param("use_index", Bool, Optional("true"), "taken for compatibility"),
        ],
        "Counts all coins. It reads every one, so it takes its time.",
        "object: height, bestblock, transactions, txouts, bogosize, hash_serialized_3, total_amount, disk_size",
        "",
    ),
    row(
        (Chain, Admin, Long),
        "recounttxoutset",
        &[],
        "Counts all coins anew from the block files; gettxoutsetinfo must tell the same.",
        "object: height, bestblock, transactions, txouts, bogosize, hash_serialized_3, total_amount",
        "",
    ),
    row(
        (Chain, Proxy, Long),
        "waitfornewblock",
        &[TIMEOUT, param("current_tip", Hash, Optional("the tip at the call"), "the tip to wait away from")],
        "Waits until the tip changes.",
        "object: hash, height",
        "10000",
    ),
    row(
        (Chain, Proxy, Long),
        "waitforblockheight",
        &[param("height", Integer, Required, "the height to wait for"), TIMEOUT],
        "Waits until the chain has at least a height.",
        "object: hash, height",
        "100 10000",
    ),
    row(
        (Chain, Proxy, Long),
        "waitforblock",
        &[BLOCKHASH, TIMEOUT],
        "Waits until a block is the tip.",
        "object: hash, height",
        "BLOCKHASH 10000",
    ),
    row(
        (Chain, Admin, Long),
        "verifychain",
        &[
            param("checklevel", Integer, Optional("3"), "taken for compatibility; every check is made"),
            param("nblocks", Integer, Optional("6"), "how many of the last blocks; 0: all"),
        ],
        "Looks again at the last blocks on the disk.",
        "boolean: whether they are as they were",
        "",
    ),
    row(
        (Chain, Admin, Long),
        "invalidateblock",
        &[BLOCKHASH],
        "Treats a block and all that follow it as invalid.",
        "null",
        "BLOCKHASH",
    ),
    row(
        (Chain, Admin, Long),
        "reconsiderblock",
        &[BLOCKHASH],
        "Takes invalidateblock back for a block, its ancestors and its descendants.",
        "null",
        "BLOCKHASH",
    ),
    row(
        (Chain, Admin, Long),
        "preciousblock",
        &[BLOCKHASH],
        "Prefers a block to others of the same work.",
        "null",
        "BLOCKHASH",
    ),
    row(
        (Mempool, Proxy, Quick),
        "getmempoolinfo",
        &[],
        "Says how many transactions wait and what they must pay.",
        "object: loaded, size, bytes, usage, total_fee, maxmempool, mempoolminfee, minrelaytxfee, incrementalrelayfee, unbroadcastcount, fullrbf, permitbaremultisig, maxdatacarriersize",
        "",
    ),
    row(
        (Mempool, Proxy, Quick),
        "getrawmempool",
        &[
            param("verbose", Bool, Optional("false"), "true: an object with each transaction's entry; false: ids"),
            param("mempool_sequence", Bool, Optional("false"), "whether to add the mempool's sequence number"),
        ],
        "Lists the transactions that wait.",
        "array of strings, or object: each entry by id, or txids and mempool_sequence",
        "",
    ),
    row(
        (Mempool, Proxy, Quick),
        "getmempoolentry",
        &[TXID],
        "Shows what the mempool knows of a waiting transaction.",
        "object: vsize, weight, time, height, descendantcount, descendantsize, ancestorcount, ancestorsize, wtxid, fees, depends, spentby, bip125-replaceable, unbroadcast",
        "TXID",
    ),
    row(
        (Mempool, Proxy, Quick),
        "testmempoolaccept",
        &[
            param("rawtxs", Array, Required, "transactions in hexadecimal"),
            param("maxfeerate", Amount, Optional("0.10"), "refuse above this rate, in coins per kvB; 0: no limit"),
        ],
        "Tells whether the mempool would take transactions, each after those before it, without handing them in.",
        "array of objects: txid, wtxid, package-error, allowed, vsize, fees, reject-reason, reject-details",
        r#"["HEX"]"#,
    ),
    row(
        (Mempool, Proxy, Quick),
        "sendrawtransaction",
        &[
            param("hexstring", Hex, Required, "the transaction in hexadecimal"),
            param("maxfeerate", Amount, Optional("0.10"), "refuse above this rate, in coins per kvB; 0: no limit"),
            param("maxburnamount", Amount, Optional("0"), "refuse when unspendable outputs hold more than this"),
        ],
        "Hands in a transaction and passes it on to the peers.",
        "string: the transaction's id",
        "HEX",
    ),
    row(
        (Transactions, Proxy, Quick),
        "getrawtransaction",
        &[
            TXID,
            aliased(
                "verbosity",
                "verbose",
                Verbosity,
                Optional("0"),
                "0: the bytes in hexadecimal; 1: an object; 2: also fee and spent coins",
            ),
            param("blockhash", Hash, Optional("the mempool"), "the block to look in"),
        ],
        "Shows a waiting transaction, or one of a named block.",
        "string, or object: txid, hash, version, size, vsize, weight, locktime, vin, vout, hex, blockhash, confirmations, time, blocktime",
        "TXID 1",
    ),
    row(
        (Transactions, Proxy, Quick),
        "decoderawtransaction",
        &[
            param("hexstring", Hex, Required, "the transaction in hexadecimal"),
            param("iswitness", Bool, Optional("tried both ways"), "whether it is serialized with witnesses"),
        ],
        "Shows what a transaction in hexadecimal says.",
        "object: txid, hash, version, size, vsize, weight, locktime, vin, vout",
        "HEX",
    ),
    row(
        (Transactions, Proxy, Quick),
        "createrawtransaction",
        &[
            param("inputs", Array, Required, "objects with txid, vout and, if wanted, sequence"),
            param(
                "outputs",
                Any,
                Required,
                r#"objects {"ADDRESS": amount} or {"data": "HEX"}, or one object with all"#,
            ),
            param("locktime", Integer, Optional("0"), "the lock time"),
            param("replaceable", Bool, Optional("true"), "whether it says that it may be replaced (BIP125)"),
            param("version", Integer, Optional("2"), "the transaction's version, 1 to 3"),
        ],
        "Writes a transaction without signatures.",
        "string: the transaction in hexadecimal",
        r#"[] {"ADDRESS":1}"#,
    ),
    row(
        (Transactions, Proxy, Quick),
        "decodescript",
        &[param("hexstring", Hex, Required, "the script in hexadecimal")],
        "Shows what a script says.",
        "object: asm, desc, type, address, p2sh, segwit",
        "HEX",
    ),
    row(
        (Transactions, Proxy, Quick),
        "validateaddress",
        &[param("address", Text, Required, "the address")],
        "Tells whether a text is an address of this coin.",
        "object: isvalid, address, scriptPubKey, isscript, iswitness, witness_version, witness_program, error, error_locations",
        "ADDRESS",
    ),
    row(
        (Transactions, Proxy, Quick),
        "getdescriptorinfo",
        &[DESCRIPTOR],
        "Reads a descriptor and gives its checksum.",
        "object: descriptor, checksum, isrange, issolvable, hasprivatekeys",
        "raw(51)",
    ),
    row(
        (Transactions, Proxy, Quick),
        "deriveaddresses",
        &[DESCRIPTOR, param("range", Any, Optional("none"), RANGE)],
        "Gives the addresses of a descriptor.",
        "array of strings",
        "addr(ADDRESS)#CHECKSUM",
    ),
    row(
        (Transactions, Proxy, Quick),
        "verifymessage",
        &[
            param("address", Text, Required, "an address of a key's hash"),
            param("signature", Text, Required, "the signature in base64"),
            param("message", Text, Required, "what was signed"),
        ],
        "Tells whether the key of an address signed a message.",
        "boolean",
        "ADDRESS SIGNATURE MESSAGE",
    ),
    row(
        (Transactions, Proxy, Quick),
        "estimatesmartfee",
        &[
            param("conf_target", Integer, Required, "within how many blocks it should be confirmed (1 to 1008)"),
            param("estimate_mode", Text, Optional("economical"), "unset, economical or conservative"),
        ],
        "Tells which fee rate is likely to confirm in time.",
        "object: feerate (coins per kvB), blocks",
        "2",
    ),
    row(
        (Mining, Proxy, Quick),
        "getmininginfo",
        &[],
        "Says how hard mining is and what waits to be mined.",
        "object: blocks, bits, difficulty, target, networkhashps, pooledtx, blockmintxfee, chain, next, warnings",
        "",
    ),
    row(
        (Mining, Proxy, Quick),
        "getnetworkhashps",
        &[
            param(
                "nblocks",
                Integer,
                Optional("120"),
                "over how many blocks; -1: since the last change of the difficulty",
            ),
            param("height", Integer, Optional("-1"), "the last of them; -1: the tip"),
        ],
        "Estimates how many hashes a second the miners try together.",
        "number",
        "",
    ),
    row(
        (Mining, Proxy, Quick),
        "getminerinfo",
        &[],
        "Says what the built-in miner does at the moment.",
        "object: state (off, idle or mining), trigger, waiting, needed, hashes_per_second, hashes_tried, height",
        "",
    ),
    row(
        (Mining, Proxy, Long),
        "getblocktemplate",
        &[param("template_request", Object, Required, r#"the rules that the caller knows: {"rules":["segwit"]}"#)],
        "Gives what is needed to mine the next block (BIP22, BIP23, BIP145), or checks a proposal.",
        "object: capabilities, version, rules, vbavailable, vbrequired, previousblockhash, transactions, coinbaseaux, coinbasevalue, longpollid, target, mintime, mutable, noncerange, sigoplimit, sizelimit, weightlimit, curtime, bits, height, default_witness_commitment",
        r#"{"rules":["segwit"]}"#,
    ),
    row(
        (Mining, Proxy, Quick),
        "submitblock",
        &[
            param("hexdata", Hex, Required, "the block in hexadecimal"),
            param("dummy", Text, Optional("ignored"), "taken for compatibility with BIP22"),
        ],
        "Hands in a mined block.",
        "null when it was taken, else string: why not",
        "HEX",
    ),
    row(
        (Mining, Proxy, Quick),
        "submitheader",
        &[param("hexdata", Hex, Required, "the header's 80 bytes in hexadecimal")],
        "Hands in a header, whose block may follow.",
        "null",
        "HEX",
    ),
    row(
        (Mining, Admin, Long),
        "generatetoaddress",
        &[
            param("nblocks", Integer, Required, "how many blocks"),
            param("address", Text, Required, "whom they pay"),
            param("maxtries", Integer, Optional("1000000"), "how many nonces to try for each"),
        ],
        "Mines blocks at once.",
        "array of strings: their hashes",
        "1 ADDRESS",
    ),
    row(
        (Mining, Admin, Long),
        "generatetodescriptor",
        &[
            param("num_blocks", Integer, Required, "how many blocks"),
            DESCRIPTOR,
            param("maxtries", Integer, Optional("1000000"), "how many nonces to try for each"),
        ],
        "Mines blocks at once, paying a descriptor's script.",
        "array of strings: their hashes",
        "1 raw(51)",
    ),
    row(
        (Mining, Admin, Long),
        "generateblock",
        &[
            param("output", Text, Required, "the address or descriptor that it pays"),
            param(
                "transactions",
                Array,
                Required,
                "which transactions it holds: in hexadecimal, or ids of waiting ones",
            ),
            param("submit", Bool, Optional("true"), "whether to hand it in; else it is only shown"),
        ],
        "Mines one block with chosen transactions.",
        "object: hash, hex (when it was not handed in)",
        "ADDRESS []",
    ),
    row(
        (Mining, Proxy, Long),
        "faucet",
        &[param("address", Text, Required, "whom to pay")],
        "Mines a block that pays an address; only on networks with a faucet.",
        "object: hash, height, txid, amount",
        "ADDRESS",
    ),
    row(
        (Network, Proxy, Quick),
        "getnetworkinfo",
        &[],
        "Says how the server takes part in the network.",
        "object: version, subversion, protocolversion, localservices, localservicesnames, localrelay, timeoffset, networkactive, connections, connections_in, connections_out, networks, relayfee, incrementalfee, localaddresses, listening (where it takes peers, or null), warnings",
        "",
    ),
    row(
        (Network, Proxy, Quick),
        "getpeerinfo",
        &[],
        "Lists the connected peers.",
        "array of objects: id, addr, addrbind, addrlocal, network, services, servicesnames, relaytxes, inv_to_send, lastsend, lastrecv, last_transaction, last_block, bytessent, bytesrecv, conntime, timeoffset, pingtime, minping, pingwait, version, subver, inbound, bip152_hb_to, bip152_hb_from, startingheight, presynced_headers, synced_headers, synced_blocks, inflight, addr_relay_enabled, addr_processed, addr_rate_limited, permissions, minfeefilter, bytessent_per_msg, bytesrecv_per_msg, connection_type, transport_protocol_type, session_id",
        "",
    ),
    row((Network, Proxy, Quick), "getconnectioncount", &[], "Tells how many peers are connected.", "integer", ""),
    row(
        (Network, Proxy, Quick),
        "getnettotals",
        &[],
        "Tells how many bytes went to and came from peers.",
        "object: totalbytesrecv, totalbytessent, timemillis, uploadtarget",
        "",
    ),
    row(
        (Network, Proxy, Quick),
        "connectpeer",
        &[param("address", Text, Required, "host:port of the peer")],
        "Connects to a peer now and keeps trying.",
        "null",
        "127.0.0.1:7602",
    ),
    row(
        (Network, Admin, Quick),
        "addnode",
        &[
            param("node", Text, Required, "host:port of the peer"),
            param("command", Text, Required, "add: stay connected; onetry: connect once; remove: dial no more"),
            param(
                "v2transport",
                Bool,
                Optional("as --v2transport says"),
                "whether the encrypted protocol is tried first; not for remove",
            ),
        ],
        "Names a peer, or forgets one that was named.",
        "null",
        "127.0.0.1:7602 add",
    ),
    row(
        (Network, Admin, Quick),
        "getaddednodeinfo",
        &[param("node", Text, Optional("all"), "host:port of a peer that was named")],
        "Lists the peers that a person or the coin named, and whether they are connected.",
        "array of objects: addednode, connected, addresses",
        "",
    ),
    row(
        (Network, Admin, Quick),
        "disconnectnode",
        &[
            param("address", Text, Optional("none"), "the peer's address, as getpeerinfo tells it"),
            param("nodeid", Integer, Optional("none"), "the peer's number, as getpeerinfo tells it"),
        ],
        "Ends the connection with a peer.",
        "null",
        "127.0.0.1:7602",
    ),
    row(
        (Network, Proxy, Quick),
        "getnodeaddresses",
        &[
            param("count", Integer, Optional("1"), "how many at most; 0: all"),
            param("network", Text, Optional("all"), "ipv4 or ipv6"),
        ],
        "Tells addresses of nodes that may be worth a connection.",
        "array of objects: time, services, address, port, network",
        "8",
    ),
    row(
        (Network, Admin, Quick),
        "setban",
        &[
            param("subnet", Text, Required, "an address, or a subnet such as 192.0.2.0/24"),
            param("command", Text, Required, "add or remove"),
            param("bantime", Integer, Optional("0"), "how many seconds it lasts, or when it ends; 0: a day"),
            param("absolute", Bool, Optional("false"), "bantime is a time: seconds since 1970"),
        ],
        "Bans an address or a subnet, or takes that back; bans outlive a restart.",
        "null",
        "192.0.2.0/24 add 86400",
    ),
    row(
        (Network, Admin, Quick),
        "listbanned",
        &[],
        "Lists the bans.",
        "array of objects: address, ban_created, banned_until, ban_duration, time_remaining",
        "",
    ),
    row((Network, Admin, Quick), "clearbanned", &[], "Takes all bans back.", "null", ""),
    row(
        (Control, Proxy, Quick),
        "help",
        &[param("command", Text, Optional("all methods"), "the method to explain")],
        "Lists the methods, or explains one.",
        "string",
        "getblock",
    ),
    row((Control, Proxy, Quick), "uptime", &[], "Tells for how many seconds the server has run.", "integer", ""),
    row(
        (Control, Proxy, Quick),
        "getrpcinfo",
        &[],
        "Tells about the RPC itself.",
        "object: active_commands, logpath",
        "",
    ),
    row(
        (Control, Proxy, Quick),
        "getindexinfo",
        &[param("index_name", Text, Optional("all"), "the index to tell of")],
        "Tells which indices the server has: the filters of blocks, where --blockfilterindex keeps them. The proxy has the others.",
        "object by index: synced, best_block_height",
        "",
    ),
    row(
        (Control, Proxy, Quick),
        "getzmqnotifications",
        &[],
        "Lists what is published over ZeroMQ: nothing. Events go over the private RPC.",
        "array",
        "",
    ),
    row((Control, Proxy, Quick), "echo", &ECHOED, "Answers what it is given.", "array", "1 two"),
    row((Control, Proxy, Quick), "echojson", &ECHOED, "Answers what it is given.", "array", "1 two"),
    row(
        (Control, Admin, Quick),
        "setmocktime",
        &[param("timestamp", Integer, Required, "seconds since 1970; 0: the machine's clock")],
        "Sets the server's clock, on networks without a difficulty of their own.",
        "null",
        "0",
    ),
    row(
        (Control, Admin, Quick),
        "stop",
        &[param("wait", Integer, Optional("0"), "how many milliseconds to wait before")],
        "Stops the server cleanly.",
        "string",
        "",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_required_parameters_come_first() {
        for (index, row) in METHODS.iter().enumerate() {
            assert!(METHODS.iter().skip(index + 1).all(|other| other.name != row.name), "{}", row.name);
            let optional = row.params.iter().skip_while(|param| param.need == Required);
            assert!(optional.clone().all(|param| param.need != Required), "{}", row.name);
            for (position, param) in row.params.iter().enumerate() {
                assert_eq!(row.param(param.name).map(|(at, _)| at), Some(position), "{} {}", row.name, param.name);
            }
            assert!(row.summary.ends_with('.') && !row.result.is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn examples_bind() {
        for row in METHODS {
            let hash = "00".repeat(32);
            let example = row.example.replace("BLOCKHASH", &hash).replace("TXID", &hash).replace("HEX", "00");
            let words: Vec<String> = example.split_whitespace().map(str::to_owned).collect();
            let bound = crate::params_from_words(row, &words).and_then(|params| crate::Params::bind(row, params));
            assert!(bound.is_ok(), "{}: {bound:?}", row.name);
        }
    }
}
