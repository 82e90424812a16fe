//! Contacts: people and shops whom the wallet pays, by names that cannot be mistaken for each other.
//!
//! In:    names and addresses that a person typed.
//! Out:   the contact of a name, the name of an address.
//! Never: two names that look alike; an address of another coin; a name that is an address itself.

use std::collections::{BTreeMap, HashMap};

use mycoin_primitives::{AddressError, Failure, parse_address};
use unicode_security::skeleton;

use crate::error::WalletError;
use crate::ledger::Change;
use crate::notes::{Contact, NotesChange};
use crate::text::{TEXT_LIMIT, TextError, checked};
use crate::uri::PaymentUri;
use crate::wallet::Wallet;

/// The most characters of a contact's name.
const NAME_LIMIT: usize = 64;

/// Why a contact could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// No name was given.
    #[error("the contact's name is missing")]
    NameMissing,
    /// The name may not be kept.
    #[error("the contact's name was refused: {0}")]
    NameText(#[source] TextError),
    /// An address or a link, which must never be taken for a name.
    #[error("“{name}” cannot be a contact's name: it reads as an address or a link")]
    NameIsAddress {
        /// The name.
        name: String,
    },
    /// The name is taken.
    #[error("there is a contact named {name} already, and it was left untouched")]
    Exists {
        /// The name.
        name: String,
    },
    /// Another name looks the same.
    #[error("“{name}” looks like “{other}”, which is another contact")]
    LooksLike {
        /// The new name.
        name: String,
        /// The contact that is there.
        other: String,
    },
    /// No such contact.
    #[error("there is no contact named {name}")]
    NotFound {
        /// The name.
        name: String,
    },
    /// Where to pay them is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The note may not be kept.
    #[error("the contact's note was refused: {0}")]
    NoteText(#[source] TextError),
    /// The wallet file could not be written.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl Failure for ContactError {
    fn code(&self) -> &'static str {
        match self {
            Self::NameMissing => "contact/name-missing",
            Self::NameText(_) => "contact/name-text",
            Self::NameIsAddress { .. } => "contact/name-is-address",
            Self::Exists { .. } => "contact/exists",
            Self::LooksLike { .. } => "contact/looks-like",
            Self::NotFound { .. } => "contact/not-found",
            Self::Address(source) => source.code(),
            Self::NoteText(_) => "contact/note-text",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::NameMissing | Self::NameIsAddress { .. } => "Give them a name such as Bob.",
            Self::NameText(_) | Self::NoteText(_) => "Write a shorter text in one line.",
            Self::Exists { .. } => "Choose another name, or remove that contact first.",
            Self::LooksLike { .. } => "Choose a name that nobody takes for the other one.",
            Self::NotFound { .. } => "Look at the list of contacts.",
            Self::Address(source) => source.next_step(),
            Self::Wallet(source) => source.next_step(),
        }
    }
}

/// What a name looks like: the same for names that people take for each other. Source: Unicode UTS 39, 4.
fn looks(name: &str) -> String {
    let folded = |text: &str| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let seen = |text: &str| skeleton(text).collect::<String>();
    // Capitals have look-alikes of their own, and so do the small letters that they become.
    folded(&seen(&folded(&seen(name))))
}

/// Names that are taken.
#[derive(Default)]
pub(crate) struct Names {
    /// By what they look like, and in small letters.
    taken: HashMap<String, String>,
}

impl Names {
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut taken = Self::default();
        names.for_each(|name| taken.add(name));
        taken
    }

    fn add(&mut self, name: &str) {
        self.taken.insert(looks(name), name.to_owned());
        self.taken.insert(name.to_lowercase(), name.to_owned());
    }

    /// The taken name that differs in capital letters at most.
    pub(crate) fn same(&self, name: &str) -> Option<&str> {
        self.taken.get(&name.to_lowercase()).map(String::as_str).filter(|other| same_but_for_case(other, name))
    }

    /// Takes a name that no other one is or looks like.
    pub(crate) fn take(&mut self, name: &str) -> Result<(), ContactError> {
        match self.taken.get(&name.to_lowercase()).or_else(|| self.taken.get(&looks(name))) {
            Some(other) if same_but_for_case(other, name) => Err(ContactError::Exists { name: other.clone() }),
            Some(other) => Err(ContactError::LooksLike { name: name.to_owned(), other: other.clone() }),
            None => {
                self.add(name);
                Ok(())
            }
        }
    }
}

fn same_but_for_case(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

impl Wallet {
    /// The contact of that name; capital and small letters count the same.
    pub fn contact(&self, name: &str) -> Option<&Contact> {
        self.contact_name(name).and_then(|name| self.notes.contacts.get(name))
    }

    /// How the contact of that name writes itself.
    fn contact_name(&self, name: &str) -> Option<&str> {
        self.notes.contacts.keys().find(|held| same_but_for_case(held, name.trim())).map(String::as_str)
    }

    /// All contacts by name.
    pub fn contacts(&self) -> impl Iterator<Item = (&str, &Contact)> {
        self.notes.contacts.iter().map(|(name, contact)| (name.as_str(), contact))
    }

    /// The name of whom that address belongs to.
    pub fn contact_at(&self, address: &str) -> Option<&str> {
        self.contacts().find(|(_, contact)| contact.address == address).map(|(name, _)| name)
    }

    /// Keeps a contact.
    ///
    /// # Errors
    ///
    /// [`ContactError`] says what is wrong with the name, the address or the note.
    pub fn add_contact(&mut self, name: &str, address: &str, note: &str) -> Result<(), ContactError> {
        let (name, contact) = self.new_contact(name, address, note)?;
        Names::of(self.contacts().map(|(name, _)| name)).take(&name)?;
        self.put_contacts([(name, Some(contact))])
    }

    /// A name and a contact that may be kept, if no other one has that name.
    pub(crate) fn new_contact(&self, name: &str, address: &str, note: &str) -> Result<(String, Contact), ContactError> {
        let name = self.well_formed_name(name)?;
        let address = PaymentUri::to_address(address, self.network())?.address;
        Ok((name, Contact { address, note: checked(note, TEXT_LIMIT).map_err(ContactError::NoteText)? }))
    }

    /// Takes a contact away; who it was.
    ///
    /// # Errors
    ///
    /// [`ContactError::NotFound`].
    pub fn remove_contact(&mut self, name: &str) -> Result<Contact, ContactError> {
        let (name, contact) = self.named_contact(name)?;
        self.put_contacts([(name, None)])?;
        Ok(contact)
    }

    /// Gives a contact another name.
    ///
    /// # Errors
    ///
    /// [`ContactError`] for the old name or the new one.
    pub fn rename_contact(&mut self, name: &str, new: &str) -> Result<(), ContactError> {
        let (old, contact) = self.named_contact(name)?;
        let new = self.well_formed_name(new)?;
        Names::of(self.contacts().map(|(name, _)| name).filter(|name| *name != old)).take(&new)?;
        if new == old { Ok(()) } else { self.put_contacts([(old, None), (new, Some(contact))]) }
    }

    fn named_contact(&self, name: &str) -> Result<(String, Contact), ContactError> {
        let found =
            self.contact_name(name).and_then(|name| Some((name.to_owned(), self.notes.contacts.get(name)?.clone())));
        found.ok_or_else(|| ContactError::NotFound { name: crate::text::cleaned(name) })
    }

    fn well_formed_name(&self, name: &str) -> Result<String, ContactError> {
        let name = checked(name, NAME_LIMIT).map_err(ContactError::NameText)?;
        let is_link = PaymentUri::is_link(&name) && !name.contains(' ');
        match name.as_str() {
            "" => Err(ContactError::NameMissing),
            _ if is_link || parse_address(&name, self.network()).is_ok() => Err(ContactError::NameIsAddress { name }),
            _ => Ok(name),
        }
    }

    pub(crate) fn put_contacts<I>(&mut self, contacts: I) -> Result<(), ContactError>
    where
        I: IntoIterator<Item = (String, Option<Contact>)>,
    {
        let contacts: BTreeMap<_, _> = contacts.into_iter().collect();
        let notes = NotesChange { contacts, ..NotesChange::default() };
        Ok(self.commit(Change { notes, ..Change::default() })?)
    }
}

#[cfg(test)]
mod tests {
    use super::looks;

    #[test]
    fn names_that_people_take_for_each_other_look_the_same() {
        for (one, other) in [
            ("Bob", "bob"),
            ("Ian", "lan"),
            ("Bob", "B0b"),
            ("alice", "aIice"),
            ("alice", "а1ice"),
            ("Paul", "Раul"),
            ("modern", "rnodern"),
            ("Bob  Miller", "bob miller"),
        ] {
            assert_eq!(looks(one), looks(other), "{one} {other}");
        }
        for (one, other) in [("Bob", "Rob"), ("Anna", "Hanna"), ("shop 2", "shop 3"), ("Müller", "Muller")] {
            assert_ne!(looks(one), looks(other), "{one} {other}");
        }
    }
}
