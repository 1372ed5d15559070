//! A field that the other side refuses is left with a note; the rest of the record travels.
