//! What worked and stops answering is an outage, not a missing part of the set-up.
