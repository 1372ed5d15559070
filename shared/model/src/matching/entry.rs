//! A record reduced to what matching needs, and the bytes in which many of them are kept between invocations.

use uuid::Uuid;

use super::keys::Key;
use crate::ids::RecordId;

/// The longest name of a record that is kept, in bytes.
const LONGEST_LABEL: usize = 120;
/// The longest number or code that is kept, in bytes; the systems' own end at half of it.
const LONGEST_CODE: usize = 255;
/// The mark of a record that is coupled.
const TAKEN: u8 = 1;
/// The mark of a row that belongs to the company.
const OURS: u8 = 2;

/// A record reduced to what matching needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The record.
    pub id: RecordId,
    /// What it holds in the fields of each priority; `None` where one of them is blank.
    pub keys: Box<[Option<Key>]>,
    /// Whether it is coupled already.
    pub taken: bool,
    /// Whether it is a row that belongs to the company, where that was looked at.
    pub ours: bool,
    /// What people call it.
    pub label: Box<str>,
    /// The number or code other records refer to it by, if it has one.
    pub code: Option<Box<str>>,
}

impl Entry {
    /// A record; of a long name the beginning is kept.
    pub fn new(id: RecordId, keys: Vec<Option<Key>>, taken: bool, label: &str) -> Self {
        let end = label.floor_char_boundary(LONGEST_LABEL);
        Self { id, keys: keys.into(), taken, ours: false, label: label[..end].into(), code: None }
    }

    /// The same record with the number or code that other records refer to it by.
    #[must_use]
    pub fn known_by(self, code: Option<&str>) -> Self {
        let fits = |code: &&str| !code.is_empty() && code.len() <= LONGEST_CODE;
        Self { code: code.filter(fits).map(Into::into), ..self }
    }
}

/// Bytes that are no list of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was kept of the records that are matched cannot be read; match them again")]
pub struct Malformed;

/// The records in bytes.
pub fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(entry.id.0.as_bytes());
        bytes.push(u8::from(entry.taken) * TAKEN + u8::from(entry.ours) * OURS);
        bytes.push(u8::try_from(entry.keys.len()).unwrap_or(u8::MAX));
        for key in &entry.keys {
            bytes.push(u8::from(key.is_some()));
            bytes.extend(key.iter().flat_map(|key| key.to_bytes()));
        }
        bytes.push(u8::try_from(entry.label.len()).unwrap_or(u8::MAX));
        bytes.extend(entry.label.as_bytes());
        let code = entry.code.as_deref().unwrap_or_default();
        bytes.push(u8::try_from(code.len()).unwrap_or_default());
        bytes.extend(code.as_bytes());
    }
    bytes
}

/// The records of some bytes.
///
/// # Errors
/// When the bytes were not made by [`pack`].
pub fn unpack(mut bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let id = RecordId(Uuid::from_bytes(take(&mut bytes)?));
        let [marks, count] = take(&mut bytes)?;
        let mut keys = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let [has_key] = take(&mut bytes)?;
            keys.push(if has_key == 0 { None } else { Some(Key::from_bytes(take(&mut bytes)?)) });
        }
        let [length] = take(&mut bytes)?;
        let label = take_text(&mut bytes, length.into())?.into();
        let [length] = take(&mut bytes)?;
        let code = Some(take_text(&mut bytes, length.into())?).filter(|code| !code.is_empty()).map(Into::into);
        let (taken, ours) = (marks & TAKEN != 0, marks & OURS != 0);
        entries.push(Entry { id, keys: keys.into(), taken, ours, label, code });
    }
    Ok(entries)
}

fn take_text<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a str, Malformed> {
    let (text, rest) = bytes.split_at_checked(length).ok_or(Malformed)?;
    *bytes = rest;
    std::str::from_utf8(text).map_err(|_| Malformed)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*taken)
}
