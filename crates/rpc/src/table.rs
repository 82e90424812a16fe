//! The method table: the one place that says which methods there are. Dispatch, client, help and documentation are made from it.
//!
//! Names, parameters and defaults are those of Bitcoin Core v30, where it has the method.

use crate::method::{
    Access::{self, Admin, Proxy},
    Area::{self, Chain, Control, Mempool, Mining, Network, Transactions},
    Kind::{Amount, Array, Bool, Hash, HashOrHeight, Hex, Integer, Object, Text, Verbosity},
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
const TIMEOUT: Param = param("timeout", Integer, Optional("0"), "how many milliseconds to wait; 0: without end");

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
        "string, or object: getblockheader's fields and strippedsize, size, weight, tx",
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
        (Chain, Proxy, Long),
        "gettxoutsetinfo",
        &[
            param("hash_type", Text, Optional("hash_serialized_3"), "which digest to make: hash_serialized_3 or none"),
            param("hash_or_height", HashOrHeight, Optional("the tip"), "only the tip is served"),
            param("use_index", Bool, Optional("true"), "taken for compatibility"),
        ],
        "Counts all coins. It reads every one, so it takes its time.",
        "object: height, bestblock, txouts, bogosize, hash_serialized_3, total_amount, disk_size",
        "",
    ),
    row(
        (Chain, Admin, Long),
        "recounttxoutset",
        &[],
        "Counts all coins anew from the block files; gettxoutsetinfo must tell the same.",
        "object: height, bestblock, txouts, bogosize, hash_serialized_3, total_amount",
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
        "Tells whether the mempool would take transactions, without handing them in.",
        "array of objects: txid, wtxid, allowed, vsize, fees, reject-reason, reject-details",
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
        "generateblock",
        &[
            param("output", Text, Required, "the address that it pays"),
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
        "object: version, subversion, protocolversion, localservices, localservicesnames, localrelay, timeoffset, networkactive, connections, connections_in, connections_out, networks, relayfee, incrementalfee, localaddresses, warnings",
        "",
    ),
    row(
        (Network, Proxy, Quick),
        "getpeerinfo",
        &[],
        "Lists the connected peers.",
        "array of objects: id, addr, services, lastsend, lastrecv, bytessent, bytesrecv, conntime, pingtime, version, subver, inbound, startingheight, synced_headers, synced_blocks",
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
        (Control, Proxy, Quick),
        "help",
        &[param("command", Text, Optional("all methods"), "the method to explain")],
        "Lists the methods, or explains one.",
        "string",
        "getblock",
    ),
    row((Control, Proxy, Quick), "uptime", &[], "Tells for how many seconds the server has run.", "integer", ""),
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
