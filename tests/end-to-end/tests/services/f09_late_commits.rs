//! A transaction that commits long after its stamp is found.
