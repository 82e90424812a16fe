//! What a certificate allows its owner to be.

/// What a peer is. A certificate of our authority says it in its subject, as the organizational unit `OU=proxy` or `OU=admin`;
/// a pinned certificate has the role that it was pinned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The base server. It answers calls and makes none.
    Server,
    /// A proxy: may read and submit.
    Proxy,
    /// An administrator: may do everything.
    Admin,
}

impl Role {
    /// The roles that have a certificate of their own.
    pub const ALL: [Self; 3] = [Self::Server, Self::Proxy, Self::Admin];

    /// The role's name: in files, subjects and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Proxy => "proxy",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
