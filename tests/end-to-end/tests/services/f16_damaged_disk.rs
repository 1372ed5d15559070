//! A full disk and a damaged store file are named at once.
