//! What a method is: its name, who may call it, its parameters and its words.

use mycoin_identity::Role;

/// Who may call a method. Whoever is not named is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading and submitting: the roles `proxy` and `admin`.
    Proxy,
    /// Everything that steers the server: the role `admin` alone.
    Admin,
}

impl Access {
    /// Whether a caller of this role may call.
    pub const fn allows(self, caller: Role) -> bool {
        match (self, caller) {
            (_, Role::Admin) | (Self::Proxy, Role::Proxy) => true,
            (Self::Admin, Role::Proxy) | (_, Role::Server) => false,
        }
    }
}

/// What kind of value a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// 32 bytes in hexadecimal: a block hash or transaction id.
    Hash,
    /// Bytes in hexadecimal.
    Hex,
    /// A whole number.
    Integer,
    /// A number, also as text: an amount or a rate.
    Amount,
    /// true or false.
    Bool,
    /// A whole number, or true and false for 1 and 0 (old clients).
    Verbosity,
    /// A list.
    Array,
    /// An object with named fields.
    Object,
    /// A hash or a height.
    HashOrHeight,
    /// Whatever JSON can say.
    Any,
}

impl Kind {
    /// The kind's name in help and documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Hash => "string, 64 hexadecimal digits",
            Self::Hex => "string, hexadecimal",
            Self::Integer => "integer",
            Self::Amount => "number or string",
            Self::Bool => "boolean",
            Self::Verbosity => "integer (or boolean)",
            Self::Array => "array",
            Self::Object => "object",
            Self::HashOrHeight => "string or integer",
            Self::Any => "any",
        }
    }
}

/// Whether a parameter can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must be given.
    Required,
    /// It may be left out; the text names what holds then.
    Optional(&'static str),
}

/// One parameter of a method.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name, as in Bitcoin Core.
    pub name: &'static str,
    /// An older name that is taken too.
    pub alias: Option<&'static str>,
    /// What it takes.
    pub kind: Kind,
    /// Whether it can be left out.
    pub need: Need,
    /// What it means.
    pub about: &'static str,
}

/// What a method is for; help lists them by area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Blocks, the chain and the coins.
    Chain,
    /// Transactions that wait.
    Mempool,
    /// Transactions.
    Transactions,
    /// Mining.
    Mining,
    /// Peers.
    Network,
    /// The server itself.
    Control,
}

impl Area {
    /// All areas, in the order of the help.
    pub const ALL: [Self; 6] =
        [Self::Chain, Self::Mempool, Self::Transactions, Self::Mining, Self::Network, Self::Control];

    /// The heading in help and documentation.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Chain => "Chain",
            Self::Mempool => "Mempool",
            Self::Transactions => "Transactions",
            Self::Mining => "Mining",
            Self::Network => "Network",
            Self::Control => "Control",
        }
    }
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At most seconds: the client gives up after its time-out.
    Quick,
    /// As long as the work or the wait takes: no time-out.
    Long,
}

/// One row of the method table.
#[derive(Debug)]
pub struct Method {
    /// The name, as in Bitcoin Core where it has the method.
    pub name: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Where help lists it.
    pub area: Area,
    /// How long it may take.
    pub pace: Pace,
    /// The parameters, in their order.
    pub params: &'static [Param],
    /// What it does, in one line.
    pub summary: &'static str,
    /// What it answers.
    pub result: &'static str,
    /// An example's parameters, as they are typed after `mycoin rpc NAME`.
    pub example: &'static str,
}

impl Method {
    /// The parameter of this name or alias, with its position.
    pub fn param(&self, name: &str) -> Option<(usize, &'static Param)> {
        self.params.iter().enumerate().find(|(_, param)| param.name == name || param.alias == Some(name))
    }
}
