//! Names of invented people.

/// First names.
pub(super) const FIRST_NAMES: [&str; 16] = [
    "Ada", "Ben", "Clara", "David", "Elena", "Felix", "Grace", "Hugo", "Ines", "Jonas", "Karin", "Liam", "Mara",
    "Nils", "Olga", "Paul",
];
/// Last names.
pub(super) const LAST_NAMES: [&str; 16] = [
    "Andersen", "Baker", "Costa", "Dubois", "Evans", "Fischer", "Garcia", "Hansen", "Ito", "Jensen", "Kowalski",
    "Larsen", "Moreau", "Novak", "Olsen", "Petrov",
];
