//! A column that cannot be read never blanks the other side.
