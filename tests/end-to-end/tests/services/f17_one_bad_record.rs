//! One record that cannot be read or stored fails alone.
